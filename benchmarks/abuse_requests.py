"""Requests as no page sends them, made from a seed: each is the same whenever its number is asked for."""

import base64
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from PIL import Image

from benchmarks.abuse_values import (
    API,
    ASKED,
    BODIES,
    CONTENT_TYPES,
    NO_FILES,
    NUMBERS,
    ODD_HEADERS,
    PLACES,
    WORDS,
)

JSON = "application/json"
FORM = "multipart/form-data; boundary=x"
SHOWN = 600  # bytes of a body that a report shows


@dataclass(frozen=True)
class Sent:
    """A request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        more = f" … {len(self.body):,} bytes" if len(self.body) > SHOWN else ""
        return f"{self.method} {self.path[:SHOWN]} {self.headers} {self.body[:SHOWN]!r}{more}"


@dataclass(frozen=True)
class Target:
    """What a running server can be asked.

    Args:
        endpoints: the public ones with arguments that they accept, by name.
        events: the page's own, with as many values as they take.
        functions: what its components can be asked: (component, function).
        paths: of files that must not be read, and of what is no file.
    """

    endpoints: dict[str, dict[str, Any]]
    events: list[tuple[int, list[Any]]]
    functions: list[tuple[int, str]]
    paths: list[str]


def described(config: dict[str, Any], info: dict[str, Any], paths: Iterable[Path]) -> Target:
    """The target that a server's own descriptions tell of, with files that lie beside it."""
    endpoints = {
        name.strip("/"): {
            each["parameter_name"]: each.get("parameter_default") for each in about["parameters"]
        }
        for name, about in info["named_endpoints"].items()
    }
    cheap = {"num_steps": 1, "num_images": 1, "num_timesteps": 20}
    endpoints = {
        name: values | {k: v for k, v in cheap.items() if k in values} for name, values in endpoints.items()
    }
    held = {each["id"]: each["props"].get("value") for each in config["components"]}
    events = [(each["id"], [held.get(id_) for id_ in each["inputs"]]) for each in config["dependencies"]]
    functions = [
        (each["id"], name) for each in config["components"] for name in each["props"].get("server_fns") or ()
    ]
    return Target(endpoints, events, functions, [*map(str, paths), *NO_FILES])


def picture(random: Random) -> bytes:
    """A small picture, sometimes one that is broken."""
    buffer = io.BytesIO()
    colour = random.randrange(2**24)
    kind = random.choice(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
    Image.new("RGB", (random.choice([1, 8, 40]), random.choice([8, 30])), colour).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(random.choice([0, 0, 1, 8])):
        content[random.randrange(len(content))] = random.randrange(256)
    return bytes(content[: random.choice([None, None, len(content) // 2])])


def odd(random: Random, target: Target, depth: int = 0) -> Any:
    """Any value that JSON can hold, and some that it cannot."""
    kind = random.randrange(9 if depth < 3 else 5)
    if kind == 0:
        return None
    if kind < 3:
        return random.choice(NUMBERS)
    if kind == 3:
        return random.choice(WORDS)
    if kind == 4:
        return random.choice(target.paths)
    if kind == 5:
        file = {"path": random.choice(target.paths), "meta": {"_type": "gradio.FileData"}}
        return file | random.choice(
            [{}, {"url": file["path"]}, {"is_stream": True}, {"orig_name": "../x"}, {"size": -1}]
        )
    if kind == 6:
        return [odd(random, target, depth + 1) for _ in range(random.choice([0, 1, 3, 50]))]
    if kind == 7:
        return {
            random.choice(WORDS)[:99]: odd(random, target, depth + 1) for _ in range(random.choice([0, 1, 4]))
        }
    return base64.b64encode(picture(random)).decode()


def nested(random: Random) -> bytes:
    """Brackets in brackets, as text: Python's own encoder does not write so many."""
    depth = random.choice([50, 900, 5000, 100_000])
    return random.choice(
        [b"[" * depth, b"[" * depth + b"]" * depth, b'{"data":' * depth, b'{"data":[' + b"[" * depth]
    )


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def changed(random: Random, target: Target, values: list[Any]) -> list[Any]:
    """One to all of them replaced; seldom too few or too many."""
    values = list(values)
    for _ in range(random.choice([1, 1, 1, 2, len(values)])):
        if values:
            values[random.randrange(len(values))] = odd(random, target)
    if random.random() < 0.15:
        values = random.choice([values[:-1], [*values, odd(random, target)], values * 3, []])
    return values


def extras(random: Random, target: Target) -> dict[str, Any]:
    """Members of a call that the page sends otherwise, or never."""
    names = [
        "session_hash",
        "event_data",
        "trigger_id",
        "batched",
        "simple_format",
        "event_id",
        "fn_index",
        "x",
    ]
    return {random.choice(names): odd(random, target)} if random.random() < 0.3 else {}


def endpoint_call(random: Random, target: Target) -> Sent:
    name = random.choice([*target.endpoints])
    accepted = target.endpoints[name]
    if random.random() < 0.25:
        sent: dict[str, Any] = dict(zip(accepted, changed(random, target, [*accepted.values()])))
        sent |= {random.choice(WORDS)[:99]: odd(random, target)} if random.random() < 0.3 else {}
        return Sent("POST", f"{API}/call/v2/{name}", as_json(sent), {"Content-Type": JSON})
    way = random.choice(["call", "run", "api"])
    sent = {"data": changed(random, target, [*accepted.values()])} | extras(random, target)
    return Sent("POST", f"{API}/{way}/{name}", as_json(sent), {"Content-Type": JSON})


def event_call(random: Random, target: Target) -> Sent:
    id_, values = random.choice(target.events)
    sent = {
        "data": changed(random, target, values),
        "fn_index": id_,
        "session_hash": f"s{random.randrange(99)}",
    }
    path = random.choice(["/queue/join", "/run/predict"])
    return Sent("POST", f"{API}{path}", as_json(sent | extras(random, target)), {"Content-Type": JSON})


def function_call(random: Random, target: Target) -> Sent:
    id_, name = random.choice(target.functions)
    asked: Any = dict(ASKED, file=base64.b64encode(picture(random)).decode())
    for key in random.sample([*asked], random.choice([0, 1, 2, 8, len(asked)])):
        asked[key] = odd(random, target)
    sent = {"data": asked, "component_id": id_, "fn_name": name, "session_hash": "s"}
    if random.random() < 0.3:
        sent[random.choice([*sent])] = odd(random, target)
    if random.random() < 0.1:
        del sent[random.choice([*sent])]
    return Sent("POST", f"{API}/component_server", as_json(sent), {"Content-Type": JSON})


def broken_body(random: Random, target: Target) -> Sent:
    name = random.choice([*target.endpoints])
    ways = [f"/{way}/{name}" for way in ("call", "run", "api", "call/v2")]
    others = ["/queue/join", "/run/predict", "/component_server", "/cancel", "/reset", "/upload"]
    whole = as_json({"data": [odd(random, target)], "session_hash": "s", "fn_index": 4, "event_id": "x"})
    bodies = [
        nested(random),
        whole[: random.randrange(len(whole))],
        random.randbytes(99),
        as_json(odd(random, target)),
        whole,
        b"\xef\xbb\xbf" + whole,
        whole.decode().encode("utf-16"),
        *BODIES,
    ]
    headers = {"Content-Type": random.choice([JSON, JSON, FORM, *CONTENT_TYPES])}
    return Sent("POST", API + random.choice(ways + others), random.choice(bodies), headers)


def address(random: Random, target: Target) -> Sent:
    """Any address that may lead to a file or to a traceback, with headers that may."""
    what = random.choice(
        [random.choice(target.paths), random.choice(WORDS), "../" * 9 + "etc/passwd", "%2e%2e/" * 5]
    )
    path = random.choice(PLACES) + quote(
        what[:3000].encode("utf-8", "replace"), random.choice(["/%", "/", ""])
    )
    names = random.sample([*ODD_HEADERS], random.choice([0, 0, 1, 3]))
    method = random.choice(["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
    return Sent(method, path, b"", {name: random.choice(ODD_HEADERS[name]) for name in names})


def upload(random: Random, target: Target) -> Sent:
    parts = b""
    for _ in range(random.choice([0, 1, 1, 1, 2, 25])):
        name = random.choice(["a.png", "..", "a/..", "", "?", *target.paths, *WORDS])[:3000]
        file = "" if random.random() < 0.1 else f'; filename="{name}"'
        field = random.choice(["files", "files", "files", "files", "file", "", "data"])
        head = f'--x\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'
        parts += head.encode("utf-8", "surrogatepass") + picture(random) + b"\r\n"
    body = parts + random.choice([b"--x--\r\n", b"--x--\r\n", b"--x--\r\n", b"--x--", b"", b"--y--\r\n"])
    query = random.choice(["", "", "?upload_id=x", "?upload_id=" + "x" * 500])
    kind = random.choice([FORM, FORM, FORM, FORM + "; charset=nothing", "multipart/form-data", JSON])
    return Sent("POST", f"{API}/upload{query}", body, {"Content-Type": kind})


def session_call(random: Random, target: Target) -> Sent:
    word = quote(random.choice(WORDS)[:300].encode("utf-8", "replace"), "")
    if random.random() < 0.5:
        path = random.choice(
            ["/queue/data?session_hash=", "/call/denoise/", "/call/v2/corrupt/", "/call/nothing/"]
        )
        return Sent("GET", f"{API}{path}{word}")
    names = ("session_hash", "fn_index", "event_id")
    sent = {name: random.choice(["s", 4, odd(random, target)]) for name in names if random.random() < 0.9}
    return Sent("POST", API + random.choice(["/cancel", "/reset"]), as_json(sent), {"Content-Type": JSON})


KINDS: dict[str, tuple[int, Callable[[Random, Target], Sent]]] = {  # each with its weight
    "public endpoints": (5, endpoint_call),
    "events of the page": (5, event_call),
    "functions of its components": (5, function_call),
    "broken bodies": (3, broken_body),
    "addresses": (3, address),
    "uploads": (2, upload),
    "sessions and calls": (1, session_call),
}


def numbered(seed: int, number: int, target: Target) -> tuple[str, Sent]:
    """The request of this number, and its kind."""
    random = Random(f"{seed} {number}")
    kind = random.choices([*KINDS], [weight for weight, _ in KINDS.values()])[0]
    return kind, KINDS[kind][1](random, target)
