"""What a firewall and a Panorama are alike in: parameters of a request in, an answer out."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from segctl_mocks.panos import answers, content, phash, roles
from segctl_mocks.panos.answers import Answer, ApiError
from segctl_mocks.panos.check import Checker
from segctl_mocks.panos.commit import Committer
from segctl_mocks.panos.configlog import ConfigLog
from segctl_mocks.panos.configure import Configurator
from segctl_mocks.panos.edits import DIRTY
from segctl_mocks.panos.faults import Faults, Request
from segctl_mocks.panos.jobs import Clock, Jobs, stamp
from segctl_mocks.panos.journal import Journal
from segctl_mocks.panos.locks import Locks
from segctl_mocks.panos.operational import Operator
from segctl_mocks.panos.references import DEVICE, References, is_slot
from segctl_mocks.panos.traffic.reporter import Reporter
from segctl_mocks.panos.tree import Tree, strip_attributes, text_of
from segctl_mocks.panos.userid import UserId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.settings import Settings
    from segctl_mocks.panos.showings import Report
    from segctl_mocks.panos.traffic.store import Traffic
    from segctl_mocks.panos.tree import Element, Path
    from segctl_mocks.panos.units import Touch

KEPT = 1_000_000
"""So much of an element is kept in the list of requests."""
READ_ACTIONS = frozenset({"get", "show", "complete"})
READ_COMMANDS = (
    "<show",
    "<check",
    "<test",
    "<debug",
    "<ping",
    "<traceroute",
    "<less",
    "<request><config><list>",
    "<request><system><external-list><show>",
)


@dataclass(frozen=True, slots=True)
class Version:
    """One configuration that was running."""

    number: int
    admin: str
    time: str
    description: str
    xml: bytes


class Device:
    """Everything that firewalls and Panorama know alike; no sockets and no threads.

    Who lets several threads use it holds its `lock`; a Panorama's is taken before a firewall's.
    """

    platform: ClassVar[str]
    tables: ClassVar[str] = ""
    """What the names of its tables of logs begin with in reports."""
    commands: ClassVar[Mapping[tuple[str, ...], Report]]
    """What only this kind of device is asked, by the words of the command."""

    def __init__(
        self, settings: Settings, users: Mapping[str, str], root: Element, clock: Clock = time.time
    ) -> None:
        self.settings = settings
        self.users = dict(users)
        self.clock = clock
        self.lock = threading.RLock()
        self.booted = clock()
        self.limits = content.platform(settings.limits)
        strip_attributes(root, DIRTY)
        self.candidate = Tree(root, is_slot)
        removed = settings.removed_applications
        self.predefined = content.adopted(content.predefined(removed), self.candidate, removed)
        self.running = self.candidate.clone()
        container = self.running.at((*DEVICE, ("vsys", "")))
        count = 1 if container is None else len(container)
        self.settings = settings = replace(settings, multi_vsys=settings.multi_vsys or count > 1)
        self.max_vsys = settings.limits.get("max-vsys", count) if settings.multi_vsys else count
        self.journal = Journal()
        self.log = ConfigLog()
        self.jobs = Jobs(clock)
        self.locks = Locks(settings.release)
        self.faults = Faults()
        self.saved: dict[str, bytes] = {}
        self.versions: list[Version] = []
        self.keys: dict[str, str] = {}
        self.comments: dict[str, str] = {}
        self.auto_commit_until = 0.0
        self.revision = 0  # counts what changes beside configurations, jobs and locks
        self.reject_writes = False
        self.writes = 0
        self.requests: list[Request] = []
        self.references = self.references_of(self.candidate)
        self.checker = Checker(self.references, settings.release, settings.limits)
        self.configurator = Configurator(self)
        self.committer = Committer(self)
        self.operator = Operator(self)
        self.userid = UserId(clock)
        self.traffic: Traffic | None = None
        self.reporter = Reporter(settings.release, clock, self.tables)
        self.remember("", "initial configuration")

    # -- what kinds of devices do each in their way --------------------------------

    def references_of(self, tree: Tree) -> References:
        """Return what resolves the names in a configuration of this device."""
        return References(tree, self.predefined, platform=self.platform)

    def shown(self) -> Tree:
        """Return what ``get`` reads first."""
        return self.candidate

    @property
    def has_foreign(self) -> bool:
        """Whether it shows objects that it has from somewhere else."""
        return False

    def refuse_foreign(self, action: str, path: Path) -> None:
        """Refuse to change what the device only has from somewhere else."""

    def override(self, path: Path, entry: Element) -> list[Touch]:
        """Put an object of the device's own in place of one it has from somewhere else.

        Raises:
            ApiError: there is none.
        """
        del path, entry
        raise ApiError("13", "Object cannot be overridden")

    def besides(self, path: str) -> Tree:
        """Return what ``get`` reads of a path that the candidate does not have."""
        return self.predefined if path.startswith("/config/predefined") else self.limits

    def follow(self, touched: Sequence[Touch]) -> Sequence[Touch]:
        """Change in the candidate what the device keeps up to date itself; say what changed."""
        del touched
        return ()

    def inconsistencies(self, tree: Tree) -> tuple[str, ...]:
        """Return what else is wrong with a configuration as a whole, found at commit."""
        del tree
        return ()

    def committed(self, changes: Sequence[Change]) -> None:
        """Take note of changes that run from now on."""

    def registered(self) -> None:
        """Do what follows from a change of the registered addresses."""

    def commit_otherwise(self, command: Element, request: Request) -> Answer:
        """Answer a request of type=commit that is not a plain commit."""
        del request
        raise ApiError("17", f" {command.tag}  is unexpected")

    def lock_kind(self, scope: str) -> str:
        """Return what a lock's scope other than shared is the name of.

        Raises:
            ApiError: there is nothing of that name.
        """
        del scope
        return "vsys"

    def facts(self) -> dict[str, Any]:
        """Return what else the device keeps over a restart, as values for JSON."""
        return {}

    def restore_facts(self, facts: Mapping[str, Any]) -> None:
        """Bring that back."""

    def documents(self) -> Mapping[str, bytes]:
        """Return what else the device keeps over a restart, as files."""
        return {}

    def restore_document(self, name: str, data: bytes) -> None:
        """Bring one of them back."""

    # -- state --------------------------------------------------------------------

    def learn(self, tree: Tree) -> None:
        """Let content know what a configuration names and nobody defines."""
        removed = self.settings.removed_applications
        self.predefined = content.adopted(self.predefined, tree, removed)
        self.references.predefined = self.predefined
        self.references.forget()

    def now(self) -> str:
        """The time as the device writes it."""
        return stamp(self.clock())

    def settle(self) -> None:
        """End the jobs whose time is over."""
        self.jobs.settle()

    def hangs(self, request: Request) -> bool:
        """Whether the device never answers a request, and none after it."""
        del request
        return False

    def refuse(self, request: Request) -> None:
        """Refuse a request that the device does not take now.

        Raises:
            ApiError: it is one.
        """

    def remember(self, admin: str, description: str) -> None:
        """Keep the running configuration as a version."""
        number = self.versions[-1].number + 1 if self.versions else 1
        xml = self.running.to_bytes()
        self.versions.append(Version(number, admin, self.now(), description, xml))

    def load_candidate(self, tree: Tree) -> None:
        """Put another candidate in place."""
        self.candidate.replace_root(tree.root)

    def checker_for(self, tree: Tree) -> Checker:
        """Return a checker of another configuration of this device."""
        return Checker(self.references_of(tree), self.settings.release, self.settings.limits)

    def start_over(self) -> None:
        """Make the candidate what was running from the beginning."""
        self.running = self.candidate.clone()
        self.journal.forget(self.journal.by(None))
        self.versions.clear()
        self.remember("", "initial configuration")

    def commit_now(self, admin: str) -> None:
        """Commit what one administrator changed, at once."""
        cmd = f"<commit><partial><admin><member>{admin}</member></admin></partial></commit>"
        request = Request(type="commit", cmd=cmd, user=admin)
        self.committer.handle(request)
        self.finish_jobs()
        outcome = self.jobs.jobs[-1].outcome if self.jobs.jobs else None
        if outcome is not None and not outcome.ok:
            raise ApiError("", *outcome.details)

    def finish_jobs(self) -> None:
        """Let the time of queued commits and pushes be over."""
        for job in self.jobs.committing:
            if not job.stuck:
                job.starts_at = job.ends_at = min(job.ends_at, self.clock())
        self.jobs.settle()

    # -- requests -----------------------------------------------------------------

    def request_of(self, params: Mapping[str, str], user: str, size: int) -> Request:
        """Describe a request."""
        kind, action = params.get("type", ""), params.get("action", "")
        return Request(
            type=kind,
            action=action,
            xpath=params.get("xpath", ""),
            cmd=params.get("cmd", ""),
            element=params.get("element", "")[:KEPT],
            user=user,
            size=size,
            is_write=_is_write(kind, action, params.get("cmd", "")),
        )

    def handle(self, params: Mapping[str, str], size: int = 0, basic: str = "") -> Answer:
        """Answer one request; ``basic`` is ``user:password`` of HTTP authentication."""
        self.settle()
        if params.get("type") == "keygen":
            self.requests.append(self.request_of(params, params.get("user", ""), size))
            return self._keygen(params)
        user = self.user_of(params, basic)
        request = self.request_of(params, user, size)
        self.requests.append(request)
        if not user:
            return self._refuse_credentials(params, basic)
        try:
            roles.refuse(self.running, request)
        except ApiError as error:
            return error.answer()
        return self._answer(request, params)

    def handle_as(self, user: str, params: Mapping[str, str]) -> Answer:
        """Answer a request that a Panorama passes on for one of its administrators."""
        self.settle()
        request = self.request_of(params, user, 0)
        self.requests.append(request)
        return self._answer(request, params)

    def _answer(self, request: Request, params: Mapping[str, str]) -> Answer:
        if request.is_write:
            self.writes += 1
            if self.reject_writes:
                return ApiError("15", "Operation denied: this device rejects writes").answer()
        try:
            self.refuse(request)
            return self._dispatch(request, params)
        except ApiError as error:
            return error.answer()
        finally:
            self.settle()

    def _dispatch(self, request: Request, params: Mapping[str, str]) -> Answer:
        match request.type:
            case "config":
                return self.configurator.handle(params, request.user)
            case "op":
                return self.operator.handle(request, params)
            case "commit":
                return self.committer.handle(request)
            case "version":
                return self._version()
            case "export":
                return self.export(params)
            case "import":
                return self._import(params)
            case "log":
                return self.log.handle(params, self.settings, self.now()[11:], self.traffic)
            case "report":
                return self.reporter.handle(params, self.traffic)
            case "user-id":
                answer = self.userid.handle(params)
                self.registered()
                return answer
            case other:
                return answers.web_error(400, f'Illegal value for parameter "type" [{other}].')

    def _version(self) -> Answer:
        multi = "on" if self.settings.multi_vsys else "off"
        return answers.result(
            f"<sw-version>{self.settings.sw_version}</sw-version>"
            f"<multi-vsys>{multi}</multi-vsys><model>{self.settings.model}</model>"
            f"<serial>{self.settings.serial}</serial>"
        )

    def export(self, params: Mapping[str, str]) -> Answer:
        """The raw document, without envelope (observed on 11.1)."""
        if params.get("category") != "configuration":
            return answers.web_error(400, 'Illegal value for parameter "category"')
        name = params.get("from", "")
        if name and name != "running-config.xml":
            if name not in self.saved:
                raise ApiError("", f"{name} does not exist")
            return Answer(self.saved[name])
        return Answer(self.running.to_bytes())

    def _import(self, params: Mapping[str, str]) -> Answer:
        name = params.get("file-name", "")
        if params.get("category") != "configuration" or not name:
            return answers.web_error(400, 'Parameter "file" is required')
        if not name.endswith(".xml"):
            raise ApiError(
                "",
                f'cannot upload to reserved file name "{name}", which doesn\'t have expected '
                'extension ".xml"',
            )
        self.saved[name] = params.get("file", "").encode()
        body = f'<response status="success"><msg><line>{name} saved</line></msg></response>'
        return Answer(body.encode())

    # -- who ----------------------------------------------------------------------

    def user_of(self, params: Mapping[str, str], basic: str) -> str:
        """Return whose key or password a request carries."""
        key = params.get("key", "")
        for user, known in self.keys.items():
            if key and secrets.compare_digest(known.encode(), key.encode()):
                return user
        name, colon, password = basic.partition(":")
        return name if colon and self.knows(name, password) else ""

    def knows(self, user: str, password: str) -> bool:
        """Say whether this is the password of an administrator."""
        if user in self.users:
            return self.users[user] == password
        place = (("mgt-config", ""), ("users", ""), ("entry", user), ("phash", ""))
        known = {text_of(tree.at(place)) for tree in (self.running, self.candidate)}
        return any(phash.matches(password, one) for one in known)

    def _keygen(self, params: Mapping[str, str]) -> Answer:
        user, password = params.get("user", ""), params.get("password", "")
        if not self.knows(user, password):
            return answers.web_error(403, "Invalid Credential")
        return answers.key_answer(self.key_of(user))

    def key_of(self, user: str) -> str:
        """Return the API key of a user; the same until keys are revoked."""
        if user not in self.keys:
            digest = hashlib.sha256(f"{user}:{secrets.token_hex(16)}".encode()).digest()
            self.keys[user] = "LUFRPT1" + base64.b64encode(digest).decode().replace("+", "A")
        return self.keys[user]

    @staticmethod
    def _refuse_credentials(params: Mapping[str, str], basic: str) -> Answer:
        if params.get("key") or basic:
            return answers.web_error(403, "Invalid Credential")
        return answers.web_error(403, "Not Authenticated")


def _is_write(kind: str, action: str, cmd: str) -> bool:
    match kind:
        case "config":
            return action not in READ_ACTIONS
        case "op":
            return not cmd.lstrip().startswith(READ_COMMANDS)
        case "commit" | "import" | "user-id":
            return True
        case _:
            return False
