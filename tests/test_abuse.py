"""The benchmark of abuse, short, against the real program; and that it sees what it is there to see."""

import base64
import json
import sys
from dataclasses import replace

import httpx
import pytest

from benchmarks import abuse, abuse_schema
from benchmarks.abuse import Trial, has_sentence, try_numbers, wrong_event
from benchmarks.abuse_lines import CLIENTS
from benchmarks.abuse_requests import KINDS, Sent, Target, numbered
from benchmarks.abuse_server import Server

TARGET = Target({"f": {"a": 1}}, [(0, [1, 2])], [(1, "g")], ["/etc/hostname"])


def test_three_hundred_odd_requests_and_all_odd_clients(capsys):
    with pytest.raises(SystemExit) as caught:
        abuse.main(abuse.parse_arguments(["--requests", "300"]))
    told = capsys.readouterr().out
    assert caught.value.code == 0, told
    assert "\n0 failures" in told
    rows = {
        row.split(" | ")[0][2:]: row.split(" | ")[1:] for row in told.splitlines() if row.startswith("| ")
    }
    assert rows.keys() >= {*KINDS, "clients that crawl or lie", "schemathesis", "all"}
    sent = {
        kind: sum(int(number.strip(" |")) for number in rows[kind])
        for kind in rows
        if kind not in ("requests", "---")
    }
    assert sum(sent[kind] for kind in KINDS) >= 300 and sent["schemathesis"] > 50
    assert sent["clients that crawl or lie"] == len(CLIENTS)


def test_requests_are_made_anew_from_their_number():
    made = [numbered(3, number, TARGET) for number in range(300)]
    assert made == [numbered(3, number, TARGET) for number in range(300)]
    assert {kind for kind, _ in made} == {*KINDS}
    assert made != [numbered(4, number, TARGET) for number in range(300)]
    assert max(len(str(sent)) for _, sent in made) < 5000  # a report can be read


@pytest.fixture
def trial(tmp_path) -> Trial:
    """Of a server that is only its files."""
    for folder in ("cwd", "home", "tmp", "cache", "outside"):
        (tmp_path / folder).mkdir()
    (tmp_path / "log").write_text("started\n")
    return Trial(Server("http://127.0.0.1:9", tmp_path, tmp_path / "log", "5ecret" * 6), httpx.Client())


SENT = Sent("GET", "/x")


@pytest.mark.parametrize(
    "body, status, told",
    [
        (b"Internal Server Error", 500, "500 without a sentence"),
        (b'{"detail": "Internal Server Error"}', 500, "500 without a sentence"),
        (b'{"error": null}', 500, "500 without a sentence"),
        (b'{"detail": "x\\ny z"}', 503, "503 without a sentence"),
        (b"Traceback (most recent call last):", 200, "not for visitors"),
        (b"..." + b"5ecret" * 6, 200, "not for visitors"),
        (base64.b64encode(b"5ecret" * 60), 200, "not for visitors"),
        (base64.b64encode(b"ab" + b"5ecret" * 60), 200, "not for visitors"),
    ],
)
def test_what_is_wrong_in_an_answer_is_seen(trial, body, status, told):
    trial.judge("kind", SENT, status, body)
    assert len(trial.failures) == 1 and told in trial.failures[0] and "GET /x" in trial.failures[0]


def test_what_is_right_in_an_answer_is_no_failure(trial):
    for status, body in ((200, b"[]"), (404, b"Not Found"), (500, b'{"error": "t must be whole."}')):
        trial.judge("kind", SENT, status, body)
    assert trial.failures == []
    assert trial.answers == {("kind", "answered"): 1, ("kind", "refused"): 2}


def test_a_traceback_in_the_log_is_told_once_with_its_cause(trial):
    with open(trial.server.log, "a") as log:
        log.write("Traceback (most recent call last):\n  …\nKeyError: 3\n")
    trial.judge("kind", SENT, 200, b"[]")
    trial.judge("kind", replace(SENT, path="/y"), 200, b"[]")
    assert len(trial.failures) == 1 and "KeyError: 3" in trial.failures[0] and "GET /x" in trial.failures[0]


def test_no_answer_is_a_failure(trial):
    try_numbers(trial, TARGET, 0, range(3))
    assert any(failure.startswith("number 0: no answer (ConnectError") for failure in trial.failures)


def test_files_that_appear_change_or_stay_are_seen(trial, monkeypatch):
    monkeypatch.setattr("benchmarks.abuse_server.SLACK", -100)
    before = trial.server.files("cwd", "home", "tmp", "outside")
    abuse.check_places(trial, before)
    assert trial.failures == []
    (trial.server.world / "home" / "new").write_text("x")
    (trial.server.world / "cache" / "upload").write_text("x")
    abuse.check_places(trial, before)
    written, left = trial.failures
    assert "files written or deleted" in written and written.count("home/new") == 1
    assert "not deleted in time: 1 files" in left


@pytest.mark.parametrize(
    "stream, wrong",
    [
        ("event: complete\ndata: [1]\n\n", False),
        ('event: error\ndata: {"error": "t must be whole."}\n\n', False),
        ("event: error\ndata: null\n\n", True),
        ('event: error\ndata: {"error": null}\n\n', True),
        ('data: {"msg": "process_completed", "success": false, "output": {"error": "t is odd."}}\n\n', False),
        ('data: {"msg": "process_completed", "success": false, "output": {"error": null}}\n\n', True),
        ('data: {"msg": "process_completed", "success": true, "output": {}}\n\n', False),
        (
            'data: {"success": false, "output": {"error": "t is odd."}}\n\ndata: {"msg": "close_stream"}\n\n',
            False,
        ),
    ],
)
def test_events_without_a_sentence_are_seen(stream, wrong):
    assert bool(wrong_event(stream)) == wrong


def test_a_sentence_has_words():
    assert has_sentence(json.dumps({"detail": "There is nothing at this address."}).encode())
    for told in ("", "x", None, 3, "Internal Server Error"):
        assert not has_sentence(json.dumps({"detail": told}).encode())


def test_without_schemathesis_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "schemathesis", None)
    assert "pip install schemathesis" in (abuse_schema.missing_package() or "")
    with pytest.raises(SystemExit, match="pip install schemathesis"):
        abuse.main(abuse.parse_arguments(["--requests", "1"]))
