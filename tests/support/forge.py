"""A Git forge on loopback: as much of GitHub's and of GitLab's REST interface as pipelines use."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from segctl_mocks.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

TOKEN = "forge-token-1f2e3d"
#: Few enough that a second page is soon needed.
PAGE = 2
REPOSITORY = "plant/firewalls"
BOT = 7


@dataclass(slots=True)
class Comment:
    """A comment of a pull request."""

    number: int
    body: str
    edits: int = 0
    author: int = BOT


@dataclass(slots=True)
class Issue:
    """An issue: what it says, and whether it is open."""

    title: str
    body: str
    labels: list[str]
    open: bool = True
    edits: int = 0


@dataclass(slots=True)
class Forge:
    """What a forge remembers."""

    url: str
    ca_file: Path
    comments: dict[int, Comment] = field(default_factory=dict[int, Comment])
    issues: dict[int, Issue] = field(default_factory=dict[int, Issue])
    #: merged commit → number and head of its pull request
    merged: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    #: head of a pull request → the run that planned it
    runs: dict[str, int] = field(default_factory=dict[str, int])
    #: run → the commit that merging its head would give, where pipelines are of those
    results: dict[int, str] = field(default_factory=dict[int, str])
    #: run → name → what it left
    artifacts: dict[int, dict[str, Path]] = field(default_factory=dict[int, dict[str, "Path"]])
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: list[str] = field(default_factory=list[str])

    def bodies(self, marker: str) -> list[Comment]:
        """Return the comments that begin with a marker."""
        return [one for one in self.comments.values() if one.body.startswith(marker)]

    def comment(self, number: int, body: str, author: int = BOT) -> int:
        """Add a comment and return its id."""
        made = 100 + len(self.comments)
        self.comments[made] = Comment(number, body, author=author)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request: its path after the version, its values, and the groups of its route."""

    forge: Forge
    query: dict[str, str]
    values: dict[str, Any]
    parts: tuple[str, ...]


# --- GitHub --------------------------------------------------------------------------------------


def _hub_comment(key: int, one: Comment) -> dict[str, Any]:
    kind = "Bot" if one.author == BOT else "User"
    return {"id": key, "body": one.body, "user": {"type": kind}}


def _hub_comments(call: _Call) -> Any:
    number = int(call.parts[0])
    found = call.forge.comments.items()
    return [_hub_comment(key, one) for key, one in found if one.number == number]


def _hub_new_comment(call: _Call) -> Any:
    return {"id": call.forge.comment(int(call.parts[0]), call.values["body"])}


def _hub_edit_comment(call: _Call) -> Any:
    one = call.forge.comments[int(call.parts[0])]
    one.body, one.edits = call.values["body"], one.edits + 1
    return {}


def _hub_issues(call: _Call) -> Any:
    assert call.query["state"] == "open"
    return [
        {"number": number, "body": one.body, "user": {"type": "Bot"}}
        for number, one in call.forge.issues.items()
        if one.open and call.query["labels"] in one.labels
    ]


def _hub_new_issue(call: _Call) -> Any:
    values = call.values
    number = 50 + len(call.forge.issues)
    call.forge.issues[number] = Issue(values["title"], values["body"], values["labels"])
    return {"number": number}


def _hub_edit_issue(call: _Call) -> Any:
    one = call.forge.issues[int(call.parts[0])]
    one.body, one.edits = call.values["body"], one.edits + 1
    one.open = call.values.get("state", "open") == "open"
    return {}


def _hub_pulls(call: _Call) -> Any:
    sha = call.parts[0]
    if sha not in call.forge.merged:
        return []
    number, head = call.forge.merged[sha]
    return [{"number": number, "head": {"sha": head}, "merge_commit_sha": sha}]


def _hub_runs(call: _Call) -> Any:
    assert (call.query["event"], call.query["status"]) == ("pull_request", "success")
    run = call.forge.runs.get(call.query["head_sha"])
    return {"workflow_runs": [{"id": run}] if run else []}


def _hub_artifacts(call: _Call) -> Any:
    run = int(call.parts[0])
    base = f"{call.forge.url}/api/v3/repos/{REPOSITORY}/zips/{run}"
    names = call.forge.artifacts.get(run, {})
    listed = [{"name": name, "archive_download_url": f"{base}/{name}"} for name in names]
    return {"artifacts": listed}


def _hub_zip(call: _Call) -> Any:
    folder = call.forge.artifacts[int(call.parts[0])][call.parts[1]]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def _hub_findings(call: _Call) -> Any:
    call.forge.findings.append(call.values)
    return {}


# --- GitLab --------------------------------------------------------------------------------------


def _lab_notes(call: _Call) -> Any:
    number = int(call.parts[0])
    return [
        {"id": key, "body": one.body, "author": {"id": one.author}}
        for key, one in call.forge.comments.items()
        if one.number == number
    ]


def _lab_edit_note(call: _Call) -> Any:
    one = call.forge.comments[int(call.parts[1])]
    one.body, one.edits = call.values["body"], one.edits + 1
    return {}


def _lab_issues(call: _Call) -> Any:
    query = call.query
    assert (query["state"], query["author_id"]) == ("opened", str(BOT))
    return [
        {"iid": number, "description": one.body}
        for number, one in call.forge.issues.items()
        if one.open and query["labels"] in one.labels
    ]


def _lab_new_issue(call: _Call) -> Any:
    values = call.values
    number = 50 + len(call.forge.issues)
    call.forge.issues[number] = Issue(values["title"], values["description"], [values["labels"]])
    return {"iid": number}


def _lab_edit_issue(call: _Call) -> Any:
    one = call.forge.issues[int(call.parts[0])]
    one.body, one.edits = call.values["description"], one.edits + 1
    one.open = call.values.get("state_event") != "close"
    return {}


def _lab_requests(call: _Call) -> Any:
    found = call.forge.merged.get(call.parts[0])
    return [{"iid": found[0], "state": "merged", "sha": found[1]}] if found else []


def _lab_pipelines(call: _Call) -> Any:
    """List every pipeline that a pull request has had, the newest first."""
    forge, source = call.forge, f"refs/merge-requests/{call.parts[0]}"
    listed = [
        {
            "id": run,
            "sha": forge.results.get(run, head),
            "ref": f"{source}/{'merge' if run in forge.results else 'head'}",
            "status": "success",
            "source": "merge_request_event",
        }
        for head, run in forge.runs.items()
    ]
    return sorted(listed, key=lambda one: -int(str(one["id"])))


def _lab_commit(call: _Call) -> Any:
    heads = {call.forge.results[run]: head for head, run in call.forge.runs.items()}
    return {"id": call.parts[0], "parent_ids": ["0" * 40, heads[call.parts[0]]]}


def _lab_jobs(call: _Call) -> Any:
    run = int(call.parts[0])
    return [{"id": run, "name": name} for name in call.forge.artifacts.get(run, {})]


def _lab_file(call: _Call) -> Any:
    (folder,) = call.forge.artifacts[int(call.parts[0])].values()
    return (folder / call.parts[1]).read_bytes()


_HUB, _LAB = rf"/api/v3/repos/{REPOSITORY}", "/api/v4/projects/1"
_ROUTES: tuple[tuple[str, str, Callable[[_Call], Any]], ...] = (
    ("GET", rf"{_HUB}/issues/(\d+)/comments", _hub_comments),
    ("POST", rf"{_HUB}/issues/(\d+)/comments", _hub_new_comment),
    ("PATCH", rf"{_HUB}/issues/comments/(\d+)", _hub_edit_comment),
    ("GET", rf"{_HUB}/issues", _hub_issues),
    ("POST", rf"{_HUB}/issues", _hub_new_issue),
    ("PATCH", rf"{_HUB}/issues/(\d+)", _hub_edit_issue),
    ("GET", rf"{_HUB}/commits/(\w+)/pulls", _hub_pulls),
    ("GET", rf"{_HUB}/actions/workflows/segctl-plan\.yml/runs", _hub_runs),
    ("GET", rf"{_HUB}/actions/runs/(\d+)/artifacts", _hub_artifacts),
    ("GET", rf"{_HUB}/zips/(\d+)/([\w-]+)", _hub_zip),
    ("POST", rf"{_HUB}/code-scanning/sarifs", _hub_findings),
    ("GET", r"/api/v4/user", lambda _call: {"id": BOT}),
    ("GET", rf"{_LAB}/merge_requests/(\d+)/notes", _lab_notes),
    ("POST", rf"{_LAB}/merge_requests/(\d+)/notes", _hub_new_comment),
    ("PUT", rf"{_LAB}/merge_requests/(\d+)/notes/(\d+)", _lab_edit_note),
    ("GET", rf"{_LAB}/issues", _lab_issues),
    ("POST", rf"{_LAB}/issues", _lab_new_issue),
    ("PUT", rf"{_LAB}/issues/(\d+)", _lab_edit_issue),
    ("GET", rf"{_LAB}/repository/commits/(\w+)/merge_requests", _lab_requests),
    ("GET", rf"{_LAB}/merge_requests/(\d+)/pipelines", _lab_pipelines),
    ("GET", rf"{_LAB}/repository/commits/(\w+)", _lab_commit),
    ("GET", rf"{_LAB}/pipelines/(\d+)/jobs", _lab_jobs),
    ("GET", rf"{_LAB}/jobs/(\d+)/artifacts/(.+)", _lab_file),
)


class _Handler(BaseHTTPRequestHandler):
    """Answers a request from the forge's memory; what it does not know is 404 and remembered."""

    forge: Forge

    def _answer(self) -> None:
        where = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length).decode()
        known = {
            self.headers.get("PRIVATE-TOKEN", ""),
            self.headers.get("Authorization", "").removeprefix("token "),
        }
        if TOKEN not in known:
            self._send(401, {"message": "who are you"})
            return
        query = {key: found[0] for key, found in parse_qs(where.query).items()}
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, where.path)
            if match and method == self.command:
                call = _Call(
                    forge=self.forge, query=query, values=self._values(text), parts=match.groups()
                )
                self._send(200, answer(call), query=query)
                return
        self.forge.refused.append(f"{self.command} {self.path}")
        self._send(404, {"message": "Not Found"})

    do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the library's names

    def _values(self, text: str) -> dict[str, Any]:
        if not text:
            return {}
        if text.startswith("{"):
            return cast("dict[str, Any]", json.loads(text))
        return {key: found[0] for key, found in parse_qs(text, keep_blank_values=True).items()}

    def _send(self, status: int, answer: Any, query: dict[str, str] | None = None) -> None:
        headers: dict[str, str] = {}
        if isinstance(answer, list) and query and "per_page" in query:
            listed: list[Any] = answer  # pyright: ignore[reportUnknownVariableType] - JSON
            answer, headers = self._page(listed, int(query.get("page", "1")))
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _page(self, listed: list[Any], page: int) -> tuple[list[Any], dict[str, str]]:
        more = len(listed) > page * PAGE
        bare = re.sub(r"&page=\d+", "", self.path)
        link = f'<{self.forge.url}{bare}&page={page + 1}>; rel="next"'
        headers = {"X-Next-Page": str(page + 1) if more else ""} | ({"Link": link} if more else {})
        return listed[(page - 1) * PAGE : page * PAGE], headers

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def serve_forge(folder: Path) -> Generator[Forge]:
    """Serve an empty forge over HTTPS until the block ends."""
    authority = Authority.load_or_create(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    certificate = authority.issue()
    server.socket = certificate.context().wrap_socket(server.socket, server_side=True)
    forge = Forge(f"https://127.0.0.1:{server.server_port}", (folder / "ca.pem").resolve())
    server.RequestHandlerClass = type("_Handler", (_Handler,), {"forge": forge})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
