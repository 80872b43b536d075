"""Requests as no page sends them, at every address that takes them: each is answered by a sentence."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from diffusion.ui.text import labels

DENOISE = {
    "model": "tiny", "seed": 0, "sampler": "ddim", "num_steps": 1, "schedule": "", "class_label": "",
    "guidance_scale": 1.0, "num_images": 1,
}  # fmt: skip
META = {"meta": {"_type": "gradio.FileData"}}
FORM = "multipart/form-data; boundary=x"
FIELD = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n1\r\n--x--\r\n'


def asked(
    server, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, str]:
    """Status and text of an answer; a body that is not of bytes is sent as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Type": kind} if body is not None else {}
    request = urllib.request.Request(f"{server.url}/gradio_api{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sentence(server, path: str, *request: Any) -> str:
    """What the refusal of a POST says; where it comes later, as an event, that is waited for."""
    status, text = asked(server, "POST", path, *request)
    if status == 200 and "event_id" in text:
        event = json.loads(text)["event_id"]
        status, text = asked(server, "GET", f"{path}/{event}")
        assert text.startswith("event: error\ndata: ")
        text = text.split("data: ", 1)[1]
    else:
        assert status >= 400
    answer = json.loads(text)
    said = answer.get("error") or answer["detail"]
    assert isinstance(said, str) and "\n" not in said and not server.logged_traceback()
    return said


@pytest.fixture(params=["/call", "/run", "/api"])
def address(request):
    """The addresses at which an endpoint can be called by its name, with its arguments in their order."""
    return request.param


@pytest.mark.parametrize("number", [0, 1, 7, 9, 50])
def test_another_number_of_arguments(server, address, number):
    arguments = (list(DENOISE.values()) * 7)[:number]
    said = sentence(server, f"{address}/denoise", {"data": arguments})
    assert said.startswith(f"denoise takes 8 arguments, not {number}: ")


@pytest.mark.parametrize(
    "file",
    [
        {"path": "/etc/hostname"},
        {"path": "/etc/hostname"} | META,
        {"path": "http://127.0.0.1:1/picture.png"} | META,
        {"path": "HTTPS://example.org/picture.png"} | META,
        {"path": "file:///etc/hostname"} | META,
        {"path": "data:image/png;base64,AAAA"} | META,
        {"path": "x" * 5000} | META,
        {"path": "a\0b"} | META,
        {"path": 3} | META,
        {"path": "x.png", "meta": "gradio.FileData"},
        {"path": "x.png", "is_stream": True} | META,
        [{"path": "x.png"} | META],
        "x.png",
        3,
        {},
    ],
    ids=str,
)
def test_what_is_no_uploaded_file(server, address, file):
    said = sentence(server, f"{address}/corrupt", {"data": [file, 5, "linear", 0]})
    assert said.startswith("The arguments of corrupt cannot be read: ") and "uploaded first" in said


def test_no_address_is_fetched_wherever_it_stands(server, address):
    elsewhere = {"path": "http://127.0.0.1:1/picture.png"} | META
    for arguments in ([None, elsewhere, "linear", 0], [None, 5, "linear", {"a": [elsewhere]}]):
        assert "cannot be read" in sentence(server, f"{address}/corrupt", {"data": arguments})


@pytest.mark.parametrize("path", ["{cache}", "{cache}/none.png"])
def test_an_upload_that_is_not_there(server, address, path):
    file = {"path": path.format(cache=server.cache)} | META
    said = sentence(server, f"{address}/corrupt", {"data": [file, 5, "linear", 0]})
    assert said == labels()["upload_gone"]


@pytest.mark.parametrize(
    "body",
    [
        b"hello", b"", b'{"data": [', b'{"data": ["\xff"]}', b"[" * 100_000, [1], {}, {"data": None},
        {"data": {"t": 1}}, {"data": [], "session_hash": 4},
    ],
    ids=lambda body: str(body)[:30],
)  # fmt: skip
def test_what_is_not_the_expected_json(server, address, body):
    said = sentence(server, f"{address}/denoise", body)
    assert "cannot be read" in said or "error parsing the body" in said


@pytest.mark.parametrize("name", ["\ud800", "x\udfff", "x" * 201], ids=["lone", "last", "long"])
def test_a_session_whose_name_is_no_text(server, name):
    """Gradio would put it into a table of all calls, which could never be read again."""
    body = {"data": list(DENOISE.values()), "session_hash": name}
    for path in ("/call/denoise", "/run/denoise", "/queue/join", "/component_server", "/cancel"):
        more = {"fn_index": 4, "event_id": "x"} if path in ("/queue/join", "/cancel") else {}
        assert "body.session_hash: Input should be text of at most 200" in sentence(server, path, body | more)


def test_a_form_is_no_json(server, address):
    assert "cannot be read" in sentence(
        server, f"{address}/denoise", b"data=1", "application/x-www-form-urlencoded"
    )


@pytest.mark.parametrize("name", ["nothing", "handle", "Denoise", "%20", "denoise%00"])
def test_an_unknown_endpoint(server, name):
    for address in ("/call", "/call/v2", "/run", "/api"):
        said = sentence(server, f"{address}/{name}", {"data": []})
        assert said == "There is no such endpoint; there are corrupt, denoise, schedule_table."


@pytest.mark.parametrize("index", [-1, 999, "x", "999", [1], 1.5])
def test_an_unknown_event(server, index):
    body = {"data": [], "session_hash": "s", "fn_index": index}
    for path in ("/queue/join", "/run/predict"):
        assert sentence(server, path, body).startswith("There is no such endpoint; ")


def test_arguments_by_name(server):
    path = "/call/v2/denoise"
    for body in (DENOISE | {"step": 3}, {"data": [1]}):
        assert sentence(server, path, body).startswith("The arguments of denoise cannot be read: ")
    assert "cannot be read" in sentence(server, "/call/v2/corrupt", {"t": 3})
    status, text = asked(server, "POST", path, DENOISE)
    assert status == 200
    assert "event: complete" in asked(server, "GET", f"{path}/{json.loads(text)['event_id']}")[1]


def test_a_call_whose_answer_has_been_read(server):
    _, text = asked(server, "POST", "/call/schedule_table", {"data": ["linear", 20]})
    address = f"/call/schedule_table/{json.loads(text)['event_id']}"
    assert "event: complete" in asked(server, "GET", address)[1]
    for path in (address, "/call/schedule_table/0123", "/queue/data?session_hash=nobody"):
        status, text = asked(server, "GET", path)
        assert (status, json.loads(text)) == (404, {"detail": labels()["unknown_call"]})
    assert not server.logged_traceback()


@pytest.mark.parametrize(
    "request_",
    [
        ({"session_hash": "s", "component_id": 9999, "fn_name": "tables", "data": {}},),
        ({"session_hash": "s", "component_id": "x", "fn_name": "tables", "data": {}},),
        ({},), ([1],), (b"hello",), (FIELD, FORM), (b"hello", FORM),
    ],
    ids=str,
)  # fmt: skip
def test_an_unknown_component(server, request_):
    assert sentence(server, "/component_server", *request_) == labels()["unknown_component"]


@pytest.mark.parametrize("path, body", [("/cancel", {}), ("/reset", [1]), ("/queue/join", {})])
def test_other_addresses(server, path, body):
    assert sentence(server, path, body).startswith("The request cannot be read (body")


ODD = [None, {"a": 1}, {"path": "http://127.0.0.1:1/x"} | META, "x", [1], 1e300, True, "\ud800\0"]


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:20].encode("ascii", "replace").decode())
def test_every_event_of_the_page(text_server, value):
    """Whatever is sent in the place of every argument is answered, or refused by a sentence."""
    config = json.load(urllib.request.urlopen(f"{text_server.url}/config"))
    for event in config["dependencies"]:
        for data in ([], [value] * len(event["inputs"])):
            body = {"data": data, "fn_index": event["id"], "session_hash": "odd"}
            status, text = asked(text_server, "POST", "/run/predict", body)
            refused = status != 200 and json.loads(text)
            assert not refused or refused.get("error") or refused["detail"], event["api_name"]
            assert event["backend_fn"] or status == 404, event["api_name"]
            assert not text_server.logged_traceback(), event["api_name"]


@pytest.mark.parametrize("when", [None, {}, "word"], ids=str)
def test_a_wish_without_a_time(server, when):
    """At the address at which the page asks; the sentence comes to where its refusals stand."""
    config = json.load(urllib.request.urlopen(f"{server.url}/config"))
    event = next(each for each in config["dependencies"] if each["api_name"] == "ask")
    session = f"time-{when}"
    values = {each["id"]: each["props"].get("value") for each in config["components"]}
    data = [*(values[id_] for id_ in event["inputs"][:-1]), when]
    body = {"data": data, "fn_index": event["id"]}
    assert asked(server, "POST", "/queue/join", body | {"session_hash": session})[0] == 200
    heard = asked(server, "GET", f"/queue/data?session_hash={urllib.parse.quote(session)}")[1]
    assert "The time of the wish must be a number from 0 to" in heard, heard
    assert not server.logged_traceback()
