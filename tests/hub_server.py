"""A Hugging Face Hub on loopback: what its client needs to push models and Spaces and to pull those and data
sets, in memory.

The client must be told of it by the environment that its process starts with: see `HubServer.environment`.
"""

import base64
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN, USER = "hf_test", "user"
GUEST_TOKEN = "hf_guest"  # of somebody who may read what is public, and is let in nowhere
PIECE = 2**16  # bytes that are sent at once


def blob_id(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


Files = dict[str, bytes]


def commit_of(files: Files) -> str:
    names = "".join(f"{path} {blob_id(content)}\n" for path, content in sorted(files.items()))
    return hashlib.sha1(names.encode()).hexdigest()


class Repo:
    """The files of a repo's branch main, by path; and of other states that it has."""

    def __init__(self, files: Files | None = None) -> None:
        self.files: Files = dict(files or {})
        self.others: dict[str, Files] = {}  # by tag or branch
        self.large: set[str] = set()  # paths that were uploaded by way of LFS
        self.private = self.gated = False
        self.sdk: str | None = None  # of a Space
        self.hardware: str | None = "cpu-basic"
        self.commits = 0

    @property
    def commit(self) -> str:
        return commit_of(self.files)

    def at(self, revision: str) -> Files | None:
        """Its files at a branch, a tag or a commit; None if it has no such."""
        states = {"main": self.files} | self.others
        return (states | {commit_of(files): files for files in states.values()}).get(revision)


class HubServer:
    """Serves while its `with` block lasts.

    Args:
        failing: answer everything with this status.
        no_hardware: why no Space gets the hardware that is asked for.

    Attributes:
        pause: seconds before each piece of a file.
    """

    def __init__(self, failing: int | None = None, no_hardware: str = "") -> None:
        self.failing = failing
        self.no_hardware = no_hardware
        self.pause = 0.0
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # LFS, by SHA-256
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()

    def environment(self, cache: Any, token: str | None = TOKEN) -> dict[str, str]:
        """What a process needs to use this Hub, and a cache folder of its own."""
        known = {"HF_ENDPOINT": self.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(cache)}
        return known | ({"HF_TOKEN": token} if token else {})


class Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, content: Any = b"", **headers: str) -> None:
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for start in range(0, len(content), PIECE):
            time.sleep(self.hub.pause)
            self.wfile.write(content[start : start + PIECE])

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def handle_request(self) -> None:
        path, content = unquote(urlsplit(self.path).path), self.body()
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.failing:
            return self.refuse(self.hub.failing, "Failing")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN, GUEST_TOKEN):
            return self.refuse(401, "InvalidToken")
        for pattern, method, needs_token in ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                if needs_token and not token:
                    return self.refuse(401, "Unauthorized")
                return method(self, *match.groups(), content)
        self.refuse(404, "EntryNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    # Endpoints; each takes what its pattern caught, and the request's body.

    def root(self, _: bytes) -> None:
        self.answer(200)

    def whoami(self, _: bytes) -> None:
        self.answer(200, {"type": "user", "name": USER, "auth": {"accessToken": {"role": "write"}}})

    def create_repo(self, content: bytes) -> None:
        asked = json.loads(content)
        user = asked.get("organization") or USER
        if user != USER:
            return self.refuse(403, "Forbidden")
        repo_id = f"{user}/{asked['name']}"
        status = 409 if repo_id in self.hub.repos else 200
        if status == 200:
            self.hub.repos[repo_id] = repo = Repo()
            repo.sdk = asked.get("sdk")
            repo.private = (
                asked.get("visibility", "private" if asked.get("private") else "public") == "private"
            )
        self.answer(status, {"url": f"{self.hub.address}/{repo_id}", "name": repo_id})

    def validate_yaml(self, content: bytes) -> None:
        has_front_matter = json.loads(content)["content"].startswith("---\n")
        errors = [] if has_front_matter else [{"message": "no front matter"}]
        self.answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def preupload(self, repo_id: str, content: bytes) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if b"\0" in base64.b64decode(file["sample"]) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(content)["files"]
        ]
        self.answer(200, {"files": files})

    def lfs_batch(self, repo_id: str, content: bytes) -> None:
        objects = []
        for asked in json.loads(content)["objects"]:
            actions = {
                "upload": {"href": f"{self.hub.address}/objects/{asked['oid']}"},
                "verify": {"href": f"{self.hub.address}/verify/{asked['oid']}"},
            }
            known = asked["oid"] in self.hub.objects
            objects.append({k: asked[k] for k in ("oid", "size")} | ({} if known else {"actions": actions}))
        self.answer(200, {"transfer": "basic", "objects": objects})

    def put_object(self, oid: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != oid:
            return self.refuse(400, "BadDigest")
        self.hub.objects[oid] = content
        self.answer(200)

    def verify_object(self, oid: str, content: bytes) -> None:
        stored = self.hub.objects.get(oid)
        whole = stored is not None and len(stored) == json.loads(content)["size"]
        self.answer(200 if whole else 404, {})

    def commit(self, repo_id: str, content: bytes) -> None:
        repo = self.hub.repos.get(repo_id)
        if repo is None:
            return self.refuse(404, "RepoNotFound")
        repo.commits += 1
        for line in content.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.objects[value["oid"]]
                repo.large.add(value["path"])
            elif operation["key"] == "deletedFile":
                del repo.files[value["path"]]
        url = f"{self.hub.address}/{repo_id}/commit/{repo.commit}"
        self.answer(200, {"success": True, "commitOid": repo.commit, "commitUrl": url})

    def files_at(self, kind: str | None, repo_id: str, revision: str | None) -> tuple[Repo, Files] | None:
        """A repo and its files, if whoever asks may know of them; otherwise it is refused."""
        name = f"datasets/{repo_id}" if kind and kind.startswith("datasets") else repo_id
        repo, token = self.hub.repos.get(name), self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo is None or (repo.private and token != TOKEN):
            return self.refuse(404 if token else 401, "RepoNotFound")
        if (files := repo.at(revision or "main")) is None:
            return self.refuse(404, "RevisionNotFound")
        return repo, files

    def repo_info(self, kind: str, repo_id: str, revision: str | None, _: bytes) -> None:
        if found := self.files_at(kind, repo_id, revision):
            repo, files = found
            siblings = [self.described(repo, path, content) for path, content in files.items()]
            about = {"id": repo_id, "sha": commit_of(files), "siblings": siblings, "private": repo.private}
            self.answer(200, about | {"gated": "manual" if repo.gated else False})

    def described(self, repo: Repo, path: str, content: bytes) -> dict[str, Any]:
        """Size and names of a file."""
        entry = {"rfilename": path, "size": len(content), "blobId": blob_id(content)}
        if path in repo.large:
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
        return entry

    def tree(self, kind: str, repo_id: str, revision: str, _: bytes) -> None:
        if not (found := self.files_at(kind, repo_id, revision)):
            return
        repo, files = found
        entries = []
        for path, content in files.items():
            entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
            if path in repo.large:
                oid = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self.answer(200, entries)

    def runtime(self, repo_id: str, _: bytes) -> None:
        hardware = self.hub.repos[repo_id].hardware
        self.answer(200, {"stage": "RUNNING", "hardware": {"current": hardware, "requested": hardware}})

    def set_hardware(self, repo_id: str, content: bytes) -> None:
        if self.hub.no_hardware:
            return self.answer(402, {"error": self.hub.no_hardware})
        self.hub.repos[repo_id].hardware = json.loads(content)["flavor"]
        self.runtime(repo_id, content)

    def resolve(self, kind: str | None, repo_id: str, revision: str, path: str, _: bytes) -> None:
        if not (found := self.files_at(kind, repo_id, revision)):
            return
        repo, files = found
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo.gated and token != TOKEN:
            return self.refuse(403 if token else 401, "GatedRepo")
        if path not in files:
            return self.refuse(404, "EntryNotFound")
        content = files[path]
        large = path in repo.large
        etag = hashlib.sha256(content).hexdigest() if large else blob_id(content)
        self.answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=commit_of(files))


REPO, KIND, ANY_KIND = r"([^/]+/[^/]+)", "(?:models|spaces)", "(models|spaces|datasets)"
REVISION = r"(refs/pr/\d+|[^/]+)"
ROUTES = [  # method and path, handler, whether it needs a token
    (r"(?:GET|HEAD) /", Handler.root, False),
    (r"GET /api/whoami-v2", Handler.whoami, True),
    (r"POST /api/repos/create", Handler.create_repo, True),
    (r"POST /api/validate-yaml", Handler.validate_yaml, False),
    (rf"POST /api/{KIND}/{REPO}/preupload/main", Handler.preupload, True),
    (rf"POST /(?:spaces/)?{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch, True),
    (r"PUT /objects/(\w+)", Handler.put_object, False),  # signed addresses on the real Hub
    (r"POST /verify/(\w+)", Handler.verify_object, True),
    (rf"POST /api/{KIND}/{REPO}/commit/main", Handler.commit, True),
    (rf"GET /api/{ANY_KIND}/{REPO}(?:/revision/{REVISION})?", Handler.repo_info, False),
    (rf"GET /api/{ANY_KIND}/{REPO}/tree/{REVISION}/?", Handler.tree, False),
    (rf"(?:GET|HEAD) /(spaces/|datasets/)?{REPO}/resolve/{REVISION}/(.+)", Handler.resolve, False),
    (rf"GET /api/spaces/{REPO}/runtime", Handler.runtime, False),
    (rf"POST /api/spaces/{REPO}/hardware", Handler.set_hardware, True),
]
