"""Commit, validate, revert and load: how the candidate becomes running, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos import validate, xpath
from segctl_mocks.panos.answers import Answer, ApiError, malformed, message_result, result
from segctl_mocks.panos.faults import COMMIT, VALIDATE, Fault
from segctl_mocks.panos.jobs import Outcome
from segctl_mocks.panos.journal import transplant
from segctl_mocks.panos.parts import Scope, container_of, described, scope_of_command
from segctl_mocks.panos.references import is_slot
from segctl_mocks.panos.tree import MalformedError, Tree, parse, serialize, text_of
from segctl_mocks.panos.units import EDIT, Touch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.tree import Element, Path

_RECENT = (11,)
_FULL_ONLY = "Partial {} is not allowed. Full system commit must be completed."
_RUNNING = "running-config.xml"


class Committer:
    """Commits, validates and reverts on one device."""

    def __init__(self, device: Device) -> None:
        self.device = device

    # -- commit -------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """Answer a request of type=commit."""
        command = _read(request.cmd)
        if command.tag not in {"commit", "commit-force"}:
            return self.device.commit_otherwise(command, request)
        fault = self.device.faults.take(COMMIT, request)
        force = command.tag == "commit-force" or command.find("force") is not None
        scope = scope_of_command(command)
        mine = [change for change in self.device.journal.changes if scope.covers(change)]
        self._refuse(request.user, mine, fault, force=force)
        if not mine and not force:
            text = (
                '<response status="success" code="19">'
                "<msg>There are no changes to commit.</msg></response>"
            )
            return Answer(text.encode())
        description = text_of(command.find("description"))
        number = self._submit(request.user, description, mine, fault)
        return queued("Commit", number)

    def _refuse(
        self, user: str, mine: Sequence[Change], fault: Fault | None, *, force: bool
    ) -> None:
        if fault is not None and fault.kind == "commit_busy":
            text = "Another commit/validate is in progress. Please try again later"
            raise ApiError("", text)
        if self.device.clock() < self.device.auto_commit_until and not force:
            raise ApiError(
                "",
                "Commit job was not queued since auto-commit not yet finished successfully. "
                'Please use "commit force" to schedule commit job',
            )
        touched = {container_of(described(change.path))[1] for change in mine}
        self.device.locks.refuse_commit(user, touched)

    def _submit(
        self, user: str, description: str, mine: Sequence[Change], fault: Fault | None
    ) -> int:
        snapshot = self.device.candidate.clone()
        chosen = set(mine)
        others = [each for each in self.device.journal.changes if each not in chosen]
        if others and any(not change.path for change in others):
            raise ApiError("13", _FULL_ONLY.format("commit"))

        def work() -> Outcome:
            return self._run(
                user, description, snapshot=snapshot, mine=mine, others=others, fault=fault
            )

        job = self.device.jobs.submit(
            "Commit",
            user,
            description,
            self.device.settings.job_seconds,
            work,
            stuck=fault is not None and fault.kind == "commit_stuck",
            lost=fault is not None and fault.kind == "commit_lost",
        )
        self.device.log.add("commit", user, self.device.now(), [()], outcome="Submitted")
        return job.number

    def _run(
        self,
        user: str,
        description: str,
        *,
        snapshot: Tree,
        mine: Sequence[Change],
        others: Sequence[Change],
        fault: Fault | None,
    ) -> Outcome:
        broken = _broken(fault)
        if broken is not None:
            return broken
        target = snapshot
        if others:
            target = self.device.running.clone()
            transplant(snapshot, target, mine, others)
        lines = self._problems(target, mine, others)
        if lines:
            return _failed(lines)
        if fault is not None and fault.kind == "commit_leaves":
            return Outcome(ok=True, details=self._success())
        self.device.running = target
        self.device.journal.forget(mine)
        self.device.locks.release_after_commit(user, self.device.settings.locks_gone_at_commit)
        self.device.remember(user, description)
        self.device.committed(mine)
        warnings = fault.lines(()) if fault is not None and fault.kind == "commit_warns" else ()
        return Outcome(ok=True, details=self._success(), warnings=warnings)

    def _problems(
        self, target: Tree, mine: Sequence[Change], others: Sequence[Change]
    ) -> tuple[str, ...]:
        paths = [path for change in mine for path in _paths(change)]
        checker = self.device.checker_for(target)
        lines = validate.problems(checker, paths, removals=bool(others))
        return lines or self.device.inconsistencies(target)

    def _success(self) -> tuple[str, ...]:
        done = "Configuration committed successfully"
        if self.device.settings.release < _RECENT:
            return (done,)
        size = max(1, len(self.device.versions[-1].xml) // 1024)
        return (
            done,
            f"Local configuration size: {size} KB",
            "Predefined configuration size: 14 MB",
            f"Total configuration size(local, predefined): {14 + size // 1024} MB",
            "Maximum recommended configuration size: 120 MB (11% configured)",
        )

    # -- validate -----------------------------------------------------------------

    def validate(self, command: Element, request: Request) -> Answer:
        """Queue a validation of the candidate (observed on 8.1)."""
        user = request.user
        fault = self.device.faults.take(VALIDATE, request)
        warnings = () if fault is None else fault.lines(())
        scope = scope_of_command(command)
        mine = [change for change in self.device.journal.changes if scope.covers(change)]
        snapshot = self.device.candidate.clone()
        chosen = set(mine)
        others = [each for each in self.device.journal.changes if each not in chosen]

        def work() -> Outcome:
            target = snapshot
            if others:
                target = self.device.running.clone()
                transplant(snapshot, target, mine, others)
            lines = self._problems(target, mine, others)
            if lines:
                return Outcome(ok=False, details=("Validation Error:", *_blank(lines)))
            return Outcome(ok=True, details=("Configuration is valid",), warnings=warnings)

        seconds = self.device.settings.job_seconds
        return queued(
            "Validate", self.device.jobs.submit("Validate", user, "", seconds, work).number
        )

    # -- revert and load ----------------------------------------------------------

    def revert(self, admins: Sequence[str] | None) -> Answer:
        """Put the running configuration back, for some administrators or for all."""
        return self.take_back(Scope(admins=None if admins is None else tuple(admins)))

    def take_back(self, scope: Scope) -> Answer:
        """Put the running configuration back, the whole of it or what a scope covers."""
        device = self.device
        if device.jobs.committing:
            raise ApiError("", "Local commit jobs are queued. Revert operation is not allowed.")
        mine = [change for change in device.journal.changes if scope.covers(change)]
        chosen = set(mine)
        others = [change for change in device.journal.changes if change not in chosen]
        if others and any(not change.path for change in device.journal.changes):
            raise ApiError("", _FULL_ONLY.format("revert"))
        if not others:
            device.load_candidate(device.running.clone())
            device.journal.forget(mine)
        elif mine:
            with device.candidate.transaction():
                transplant(device.running, device.candidate, mine, others)
                paths = [path for change in mine for path in _paths(change)]
                if validate.problems(device.checker, paths):
                    raise _RevertFailedError
            device.journal.forget(mine)
        return message_result("All changes were reverted from configuration")

    def load(self, document: bytes, name: str, user: str) -> Answer:
        """Replace the candidate by a document."""
        try:
            tree = Tree(parse(document), is_slot)
        except MalformedError as error:
            raise ApiError("", f"{name} is not valid XML") from error
        self.device.locks.refuse_edit(user, "")
        self.device.load_candidate(tree)
        whole = Touch(EDIT, ())
        self.device.follow([whole])
        if name == _RUNNING:
            self.device.journal.forget(self.device.journal.by(None))
        else:
            self.device.journal.add(user, self.device.now(), [whole])
        return _loaded(name)

    def load_partial(self, command: Element, user: str) -> Answer:
        """Load a part of a saved file (observed on 11.1)."""
        name, place = text_of(command.find("from")), text_of(command.find("from-xpath"))
        if name not in self.device.saved:
            raise ApiError("", f"{name} does not exist")
        nodes = xpath.select(Tree(parse(self.device.saved[name])), f"/config/{place}")
        if len(nodes) != 1:
            raise _NothingToLoadError(place)
        target = text_of(command.find("to-xpath"))
        args = {"xpath": target, "element": serialize(nodes[0]).decode()}
        action = "edit"
        if text_of(command.find("mode")) != "replace":
            action = "set"
            args["element"] = b"".join(serialize(child) for child in nodes[0]).decode()
        self.device.configurator.change(action, args, user)
        return _loaded(name)

    def load_named(self, command: Element, user: str) -> Answer:
        """Load what ``load config`` names: running, a saved file, or a version."""
        source = text_of(command.find("from"))
        number = text_of(command.find("version"))
        if number:
            for version in self.device.versions:
                if str(version.number) == number:
                    return self.load(version.xml, f"version {number}", user)
            raise ApiError("", f"version {number} does not exist")
        if source == _RUNNING:
            return self.load(self.device.running.to_bytes(), source, user)
        if source not in self.device.saved:
            raise ApiError("", f"{source} does not exist")
        return self.load(self.device.saved[source], source, user)


class _RevertFailedError(ApiError):
    def __init__(self) -> None:
        super().__init__("", "Failed to revert configuration.")

    def answer(self) -> Answer:
        """The message sits in the result here (observed on 11.1)."""
        text = f'<response status="error"><result>{self.inner()}</result></response>'
        return Answer(text.encode())


class _NothingToLoadError(ApiError):
    def __init__(self, place: str) -> None:
        super().__init__(
            "",
            f"input file doesn't have anything at {place}\n"
            ".Failed to compose effective config to load.",
        )

    def inner(self) -> str:
        """The message is nested here (observed on 11.1)."""
        return f"<msg><line>{super().inner()}</line></msg>"


def _loaded(name: str) -> Answer:
    return result(f"<msg><line><msg><line>Config loaded from {name}</line></msg></line></msg>")


def _paths(change: Change) -> tuple[Path, ...]:
    return (change.path, change.old) if change.old else (change.path,)


def _blank(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(f" {line}" for line in lines)


def _failed(lines: Sequence[str]) -> Outcome:
    return Outcome(ok=False, details=("Validation Error:", *_blank(lines), "Commit failed"))


def _broken(fault: Fault | None) -> Outcome | None:
    if fault is None:
        return None
    match fault.kind:
        case "commit_invalid":
            return _failed(fault.lines(("vsys -> vsys1 is invalid",)))
        case "commit_dies":
            lines = fault.lines(("client device phase 1 failure",))
            return Outcome(ok=False, details=("(Module: device)", *lines, "Commit failed"))
        case "commit_lost" if not fault.options.get("applied"):
            return Outcome(ok=False, details=())
        case _:
            return None


def _read(cmd: str) -> Element:
    try:
        return parse(cmd.encode())
    except MalformedError as error:
        raise malformed() from error


def queued(kind: str, number: int) -> Answer:
    """Say that a job of a kind was queued."""
    return result(
        f"<msg><line>{kind} job enqueued with jobid {number}</line></msg><job>{number}</job>",
        code="19",
    )
