"""Everything that the program can be asked, asked wrongly: does it stay up, say why, and keep to its place?

    python -m benchmarks.abuse [--requests 10000] [--seed 0] [--number N]

Starts the program in a folder of its own, with short times for uploads, and sends requests made from a seed
to every public endpoint, every event and every function of the page, and to other addresses; requests that
schemathesis makes of the API's own description; and clients that crawl, break off and lie about lengths.
Asserted of each: no failure without a sentence, no traceback in the log, nothing of the files beside the
program in the answer; and at the end: it answers as ever, has written nowhere, and has deleted what was
uploaded. Each failure prints the request that caused it; --number sends that one alone.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from benchmarks.abuse_lines import CLIENTS, tried
from benchmarks.abuse_models import save_models
from benchmarks.abuse_requests import Sent, Target, described, numbered
from benchmarks.abuse_schema import missing_package, try_schema
from benchmarks.abuse_server import BODY, Server, abused
from benchmarks.abuse_values import API
from benchmarks.common import markdown_table

PATIENCE = 120  # seconds for an answer
OPEN = (
    10  # seconds for one that nobody promised: a session's stream stays open while there is nothing to tell
)
PER_CLIENT = 2500  # requests for each time that every client of abuse_lines comes
PER_EXAMPLE = 100  # requests for each example that schemathesis makes
UNSENDABLE = (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError)
FAILURES_SHOWN = 20


@dataclass
class Trial:
    """A server that is tried: how it answered which kind of request how often, and what went wrong."""

    server: Server
    client: httpx.Client
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    read: int = 0  # of the log

    def fail(self, what: str, cause: object) -> None:
        self.failures.append(f"{what}\n    {cause}")

    def check_log(self, cause: object) -> None:
        with open(self.server.log, errors="replace") as log:
            log.seek(self.read)
            new = log.read()
            self.read = log.tell()
        if "Traceback" in new:
            self.fail(f"a traceback in the log: {new.strip().splitlines()[-1]}", cause)

    def judge(self, kind: str, cause: object, status: int, body: bytes) -> None:
        """One answer."""
        self.answers[kind, "answered" if status < 400 else "refused"] += 1
        if status >= 500 and not has_sentence(body):
            self.fail(f"{status} without a sentence: {body[:200]!r}", cause)
        if b"Traceback (most recent" in body or self.server.has_leaked_into(body):
            self.fail("what is not for visitors, in an answer", cause)
        self.check_log(cause)

    def send(self, kind: str, sent: Sent, patience: float = PATIENCE) -> tuple[int, bytes] | None:
        """The answer to a request, status and body, which is judged; None if there is none.

        A stream that stays open is read for as long as `patience` says: seconds.
        """
        status, body, deadline = None, b"", time.monotonic() + patience
        request = {"content": sent.body, "headers": sent.headers, "timeout": patience}
        try:
            with self.client.stream(sent.method, self.server.url + sent.path, **request) as answer:
                status = answer.status_code
                for piece in answer.iter_bytes():
                    body += piece
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("it goes on and on")
        except UNSENDABLE:
            self.answers[kind, "cannot be sent"] += 1
            return None
        except httpx.HTTPError as error:
            if status is None or patience == PATIENCE or not isinstance(error, httpx.ReadTimeout):
                self.fail(f"no answer ({error!r})", sent)
                self.check_log(sent)
                return None
        assert status is not None
        self.judge(kind, sent, status, body)
        return status, body

    def follow(self, kind: str, number: int, sent: Sent, body: bytes) -> None:
        """Read what comes later: the events of a call; what becomes of an upload."""
        told = json_of(body)
        if isinstance(told, dict) and isinstance(told.get("event_id"), str):
            session = str((json_of(sent.body) or {}).get("session_hash"))
            address = f"{sent.path}/{told['event_id']}"
            if sent.path.endswith("/queue/join"):
                address = f"{API}/queue/data?session_hash={quote(session.encode('utf-8', 'replace'), '')}"
            events = self.send(kind, Sent("GET", address))
            if events and (wrong := wrong_event(events[1].decode("utf-8", "replace"))):
                self.fail(f"an event without a sentence: {wrong}", sent)
        elif isinstance(told, list) and sent.path.startswith(f"{API}/upload"):
            for path in told:
                file = {"path": path, "meta": {"_type": "gradio.FileData"}}
                body = json.dumps({"data": [file, number % 1000, "linear", 0]}).encode()
                headers = {"Content-Type": "application/json"}
                self.send(kind, Sent("POST", f"{API}/run/corrupt", body, headers))

    def answers_as_ever(self, cause: object) -> None:
        body = json.dumps({"data": ["cosine", 20]}).encode()
        sent = Sent("POST", f"{API}/run/schedule_table", body, {"Content-Type": "application/json"})
        answer = self.send("afterwards", sent)
        if not answer or answer[0] != 200 or len(json_of(answer[1])["data"][0]["t"]) != 21:
            self.fail("a normal request is not answered any more", cause)


def json_of(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def has_sentence(body: bytes) -> bool:
    """Whether an answer says in words what is wrong."""
    told = json_of(body)
    said = told.get("error") or told.get("detail") if isinstance(told, dict) else None
    return isinstance(said, str) and " " in said and "\n" not in said and said != "Internal Server Error"


def wrong_event(stream: str) -> str | None:
    """The first message of a stream that tells of a failure and not why."""
    event = ""
    for line in stream.splitlines():
        if line.startswith("event: "):
            event = line
        elif line.startswith("data: "):
            told = json_of(line.removeprefix("data: ").encode())
            failed = isinstance(told, dict) and told.get("success") is False
            said = told.get("output") if failed else told
            if (failed or event == "event: error") and not has_sentence(json.dumps(said).encode()):
                return line[:300]
    return None


def try_numbers(trial: Trial, target: Target, seed: int, numbers: range) -> None:
    """The requests that this seed makes of these numbers."""
    for number in numbers:
        kind, sent = numbered(seed, number, target)
        before = len(trial.failures)
        answer = trial.send(kind, sent, PATIENCE if sent.method == "POST" else OPEN)
        if answer and answer[0] == 200:
            trial.follow(kind, number, sent, answer[1])
        if (
            names_a_forbidden_file(trial.server, sent)
            and answer
            and answer[0] == 200
            and b"path" in answer[1]
        ):
            trial.fail("a file was opened that is not the visitor's", sent)
        trial.failures[before:] = [f"number {number}: {each}" for each in trial.failures[before:]]


def names_a_forbidden_file(server: Server, sent: Sent) -> bool:
    """Whether /corrupt is asked for a picture of one: an answer with a picture would show it."""
    return sent.path.startswith(f"{API}/run/corrupt") and any(
        json.dumps(str(path)).encode() in sent.body for path in server.forbidden
    )


def try_lines(trial: Trial, times: int) -> None:
    """Every client of abuse_lines, as often; all of them at once, as they mostly wait."""

    def come(name: str) -> tuple[int | None, bytes] | None:
        try:
            return tried(trial.server.url, name, BODY)
        except TimeoutError:
            return None

    kind = "clients that crawl or lie"
    for _ in range(times):
        with ThreadPoolExecutor(len(CLIENTS)) as clients:
            answers = dict(zip(CLIENTS, clients.map(come, CLIENTS)))
        for name, answer in answers.items():
            if answer is None:
                trial.fail("no answer", name)
            elif answer[0] is None:  # the server has hung up
                trial.answers[kind, "refused"] += 1
                trial.check_log(name)
            else:
                trial.judge(kind, name, answer[0], answer[1])


def check_places(trial: Trial, before: dict[str, tuple[int, int]]) -> None:
    """Nothing was written where visitors have no place; and what was theirs is deleted."""
    places = ("cwd", "home", "tmp", "outside")
    after = trial.server.files(*places)
    if changed := sorted(path for path in {*before, *after} if before.get(path) != after.get(path)):
        trial.fail(f"files written or deleted: {', '.join(changed[:5])}", f"one of {len(changed)}")
    if left := trial.server.left_over():
        trial.fail(f"not deleted in time: {len(left)} files, such as {left[0]}", "an upload")


def abuse(trial: Trial, seed: int, requests: int, number: int | None) -> None:
    """All of it, or the request of one number alone."""
    server, client = trial.server, trial.client
    config, info = (client.get(server.url + path).json() for path in ("/config", f"{API}/info"))
    target = described(config, info, server.forbidden)
    trial.answers_as_ever("the start")
    before = server.files("cwd", "home", "tmp", "outside")
    if number is not None:
        try_numbers(trial, target, seed, range(number, number + 1))
        return
    try_numbers(trial, target, seed, range(requests))
    trial.answers_as_ever("odd requests")
    try_lines(trial, max(1, requests // PER_CLIENT))
    trial.answers_as_ever("crawling clients")
    judge = lambda *answer: trial.judge("schemathesis", *answer)  # noqa: E731
    try_schema(server.url, max(10, requests // PER_EXAMPLE), seed, judge)
    trial.answers_as_ever("schemathesis")
    check_places(trial, before)


def table(trial: Trial) -> str:
    """How many requests of each kind were answered, were refused, or could not be sent."""
    ways = ("answered", "refused", "cannot be sent")
    kinds = list(dict.fromkeys(kind for kind, _ in trial.answers))
    rows = [(kind, *(trial.answers[kind, way] for way in ways)) for kind in kinds]
    sums = [sum(trial.answers[kind, way] for kind in kinds) for way in ways]
    return markdown_table(("requests", *ways), [*rows, ("all", *sums)])


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", help="folders of models, with commas; without it, small untrained ones")
    parser.add_argument(
        "--requests", type=int, default=10_000, help="odd requests, besides the other clients"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all of them")
    parser.add_argument("--number", type=int, help="the one request of this number alone")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    if missing := missing_package():
        sys.exit(f"abuse: {missing}")
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        abused(Path(folder) / "world", options.models or save_models(Path(folder) / "models")) as server,
        httpx.Client(timeout=PATIENCE) as client,
    ):
        trial = Trial(server, client)
        try:
            abuse(trial, options.seed, options.requests, options.number)
        except KeyboardInterrupt:  # what was found until then is told
            trial.fail("not finished", "Ctrl-C")
    print(table(trial))
    print(f"\n{len(trial.failures)} failures, {time.perf_counter() - started:.0f} s, seed {options.seed}")
    for failure in trial.failures[:FAILURES_SHOWN]:
        print(f"\n{failure}")
    sys.exit(1 if trial.failures else 0)


if __name__ == "__main__":
    main(parse_arguments())
