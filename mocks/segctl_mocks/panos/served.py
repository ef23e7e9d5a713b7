"""A PAN-OS device to talk to: behind HTTPS, with faults on request."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypedDict, TypeVar

from segctl_mocks.loopback import Loopback
from segctl_mocks.panos import answers
from segctl_mocks.panos.answers import Answer, ApiError
from segctl_mocks.panos.appliance import Device
from segctl_mocks.panos.faults import TRANSPORT, Fault, Request
from segctl_mocks.panos.jobs import Outcome
from segctl_mocks.panos.locks import SHARED, Lock
from segctl_mocks.panos.server import Acceptor, Form, HttpsServer, Reply
from segctl_mocks.panos.state import Store
from segctl_mocks.storage import file_name
from segctl_mocks.tls import Authority, ServerCertificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

D = TypeVar("D", bound=Device)

MAX_REQUEST = 5 * 1024 * 1024
_ENDLESS = 2 << 30
_CHUNK = b"<x>" + b"0123456789abcdef" * 4096 + b"</x>"
_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE response [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {name} "{f"&{below};" * 10}">'
        for below, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + ']><response status="success"><result>&j;</result></response>'
).encode()


class Serving(TypedDict, total=False):
    """How a mock is served: see `ServedDevice`."""

    latency: float
    state_dir: Path | None
    port: int
    authority: Authority | None
    certificate: ServerCertificate | None
    max_request: int
    acceptor: Acceptor | None


class ServedDevice(Loopback, Generic[D]):
    """A device on a loopback port; use it as a context manager."""

    def __init__(
        self,
        name: str,
        device: D,
        *,
        latency: float = 0.0,
        state_dir: Path | None = None,
        port: int = 0,
        authority: Authority | None = None,
        certificate: ServerCertificate | None = None,
        max_request: int = MAX_REQUEST,
        acceptor: Acceptor | None = None,
    ) -> None:
        super().__init__(port)
        self.name = name
        self.latency = latency
        self.device = device
        self.settings = device.settings
        self._store = Store(state_dir / file_name(name)) if state_dir is not None else None
        self.restored = self._store is not None and self._store.restore(self.device)
        self.authority = authority or _authority(state_dir)
        self._certificate = certificate or self.authority.issue([device.settings.hostname])
        self._max_request = max_request
        self._acceptor = acceptor
        self._server: HttpsServer | None = None
        self._peer: Self | None = None
        self._stopping = threading.Event()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def _lock(self) -> threading.RLock:
        """What one holds so that no request is answered meanwhile."""
        return self.device.lock

    # -- life ---------------------------------------------------------------------

    def _listen(self, port: int) -> int:
        self._stopping.clear()
        context = self._certificate.context()
        self._server = HttpsServer(port, context, self._respond, self._max_request, self._acceptor)
        self._server.start()
        return self._server.server_port

    def join(self, other: Self) -> None:
        """Answer one request at a time with another mock: the two are one pair."""
        self.device.lock = other.exclusive()
        self._peer, other._peer = other, self

    def exclusive(self) -> threading.RLock:
        """Return what one holds so that no request is answered meanwhile."""
        return self._lock

    def stop(self) -> None:
        """Stop serving; keep the state if there is a folder for it."""
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.save()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def save(self, *, lazily: bool = False) -> None:
        """Write the state to its folder, if it has one."""
        if self._store is not None:
            with self._lock:
                self.device.settle()
                self._store.save(self.device, lazily=lazily)

    def _save_both(self, *, lazily: bool = False) -> None:
        """Save the state, and that of the other member of a pair: it may have been synchronized."""
        self.save(lazily=lazily)
        if self._peer is not None:
            self._peer.save(lazily=lazily)

    # -- where and who ------------------------------------------------------------

    @property
    def transport(self) -> str:
        """What it speaks, for people."""
        return "HTTPS"

    @property
    def host_key_line(self) -> str:
        """No line for known_hosts: it does not speak SSH."""
        return ""

    @property
    def url(self) -> str:
        """The base address of the API."""
        return f"https://{self.host}:{self.port}/api/"

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority that signed the server's."""
        return self.authority.certificate

    @property
    def ca_file(self) -> Path:
        """A file with the authority's certificate; it goes when the mock stops."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="segctl-mock-")
        return self.authority.write(Path(self._folder.name) / "ca.pem")

    def key(self, user: str = "admin") -> str:
        """Return the API key of a user, without a request."""
        with self._lock:
            return self.device.key_of(user)

    # -- what it holds ------------------------------------------------------------

    def config(self) -> bytes:
        """Return the candidate configuration, without marks of who changed what."""
        with self._lock:
            self.device.settle()
            return self.device.candidate.to_bytes()

    def running(self) -> bytes:
        """Return the running configuration."""
        with self._lock:
            self.device.settle()
            return self.device.versions[-1].xml

    def effective(self) -> tuple[bytes, ...]:
        """Return every configuration that was live, in order."""
        with self._lock:
            self.device.settle()
            return tuple(version.xml for version in self.device.versions)

    @property
    def requests(self) -> list[Request]:
        """The requests so far."""
        with self._lock:
            return list(self.device.requests)

    @property
    def connections(self) -> int:
        """How many connections were accepted since it is served."""
        return self._server.accepted if self._server is not None else 0

    @property
    def writes(self) -> int:
        """How many requests tried to change something."""
        return self.device.writes

    @property
    def reject_writes(self) -> bool:
        """Whether every write is refused."""
        return self.device.reject_writes

    @reject_writes.setter
    def reject_writes(self, value: bool) -> None:
        self.device.reject_writes = value

    # -- what others do -----------------------------------------------------------

    def edit(  # the arguments of a request
        self,
        action: str,
        xpath: str,
        element: str = "",
        *,
        admin: str = "other",
        commit: bool = False,
        where: str = "",
        dst: str = "",
        newname: str = "",
        source: str = "",
    ) -> None:
        """Let another administrator change the candidate, and commit that if asked."""
        args = {"xpath": xpath, "element": element, "where": where, "dst": dst}
        args |= {"newname": newname, "from": source}
        with self._lock:
            self.device.settle()
            self.device.configurator.change(action, args, admin)
            if commit:
                self.device.commit_now(admin)
        self._save_both()

    def hold_lock(self, kind: str, admin: str = "other", scope: str = "shared") -> None:
        """Let another administrator hold the config or the commit lock."""
        with self._lock:
            of = "vsys" if scope == SHARED else self.device.lock_kind(scope)
            self.device.locks.take(Lock(kind, scope, admin, self.device.now(), of=of))

    def release_lock(self, kind: str, admin: str = "other", scope: str = "shared") -> None:
        """Let that administrator release it."""
        with self._lock:
            self.device.locks.drop(kind, scope, admin)

    def auto_commit(self, seconds: float) -> None:
        """Stay in the auto-commit phase after boot for a while."""
        with self._lock:
            self.device.auto_commit_until = self.device.clock() + seconds

    def start_job(
        self, kind: str, seconds: float, *, admin: str = "other", stuck: bool = False
    ) -> str:
        """Let a job of somebody else run, such as a download (``Downld``); return its number."""
        with self._lock:
            job = self.device.jobs.submit(
                kind, admin, "", seconds, lambda: Outcome(ok=True, details=()), stuck=stuck
            )
        return str(job.number)

    def restart(self) -> None:
        """Forget what a device forgets when it boots: jobs and their numbers, tags for a while."""
        with self._lock:
            self.device.userid.restart()
            self.device.jobs.jobs.clear()
            self.device.jobs.last_number = 0

    def revoke_keys(self) -> None:
        """Make every API key invalid."""
        with self._lock:
            self.device.keys.clear()

    def fail(  # what to wait for
        self,
        kind: str,
        *,
        times: int = 1,
        skip: int = 0,
        type: str = "",  # noqa: A002  # the parameter's name in the API
        action: str = "",
        contains: str = "",
        writes_only: bool = False,
        **options: object,
    ) -> None:
        """Let something go wrong at the next request that matches (after ``skip`` others)."""
        fault = Fault(kind, options, type, action, contains, writes_only, skip, times)
        with self._lock:
            self.device.faults.add(fault)

    # -- requests -----------------------------------------------------------------

    def handle(self, params: Mapping[str, str], size: int = 0, basic: str = "") -> Answer:
        """Answer a request without sockets."""
        with self._lock:
            answer = self.device.handle(params, size, basic)
        self._save_both(lazily=True)
        return answer

    def _respond(self, form: Form) -> Reply:
        if self.latency:
            self._stopping.wait(self.latency)
        if self._stopping.is_set():  # on a connection that a client has kept open
            return Reply(Answer(b""), break_at=0)
        with self._lock:
            user = self.device.user_of(form.params, form.basic)
            request = self.device.request_of(form.params, user, form.size)
            fault = self.device.faults.take(TRANSPORT, request)
            hangs = self.device.hangs(request)
        if hangs:
            self._stopping.wait()
            return Reply(Answer(b""), break_at=0)
        if fault is None:
            return Reply(self.handle(form.params, form.size, form.basic))
        return self._strike(fault, form, request)

    def _strike(self, fault: Fault, form: Form, request: Request) -> Reply:
        match fault.kind:
            case "drop_before":
                with self._lock:
                    self.device.requests.append(request)
                return Reply(Answer(b""), break_at=0)
            case "hang":
                self._stopping.wait(fault.number("seconds", 60))
                if fault.options.get("lost"):  # who asked is gone, and so is the request
                    return Reply(Answer(b""), break_at=0)
                return Reply(self.handle(form.params, form.size, form.basic))
            case "drop_after" | "drop_at" | "truncate":
                return _cut(fault, self.handle(form.params, form.size, form.basic))
            case "key_invalid":
                self.revoke_keys()
                return Reply(answers.web_error(403, "Invalid Credential"))
            case _:
                with self._lock:
                    self.device.requests.append(request)
                return Reply(_canned(fault))


def _authority(state_dir: Path | None) -> Authority:
    return Authority.create() if state_dir is None else Authority.load_or_create(state_dir)


def _cut(fault: Fault, answer: Answer) -> Reply:
    body = answer.content()
    at = int(fault.number("at", len(body) // 2))
    if fault.kind == "drop_after":
        return Reply(answer, break_at=0)
    if fault.kind == "drop_at":
        return Reply(answer, break_at=max(1, at))
    return Reply(Answer(body[:at], answer.status, answer.reason, answer.content_type))


def _canned(fault: Fault) -> Answer:
    match fault.kind:
        case "html":
            return answers.login_page()
        case "status":
            code = int(fault.number("code", 503))
            page = f"<html><body><h1>{code}</h1></body></html>".encode()
            after = str(fault.options.get("retry_after", ""))
            headers = {"Retry-After": after} if after else {}
            return Answer(page, code, content_type=answers.HTML, headers=headers)
        case "bomb":
            return Answer(_BOMB)
        case "endless":
            return Answer(_endless(int(fault.number("size", _ENDLESS))))
        case "unauthorized":
            return answers.unauthorized().answer()
        case "body":
            body = fault.options.get("body", b"")
            return Answer(body if isinstance(body, bytes) else str(body).encode())
        case _:
            message = str(fault.options.get("message", ""))
            return ApiError(str(fault.options.get("code", "13")), message).answer()


def _endless(size: int) -> Iterator[bytes]:
    yield b'<response status="success"><result>'
    for _ in range(size // len(_CHUNK) + 1):
        yield _CHUNK
    yield b"</result></response>"
