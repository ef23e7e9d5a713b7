"""A Panorama as a state machine: its own configuration, and the firewalls it manages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from segctl_mocks.panos import schema, validate
from segctl_mocks.panos.answers import Answer, ApiError
from segctl_mocks.panos.appliance import Device
from segctl_mocks.panos.commit import queued
from segctl_mocks.panos.faults import PUSH, Request
from segctl_mocks.panos.jobs import Outcome
from segctl_mocks.panos.panorama import baseline, compose, groups, orders, showings
from segctl_mocks.panos.panorama.push import Push
from segctl_mocks.panos.panorama.standing import Standings
from segctl_mocks.panos.traffic.store import Collected
from segctl_mocks.panos.tree import parse, text_of
from segctl_mocks.panos.units import EDIT, Touch

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from segctl_mocks.panos.jobs import Clock
    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.mock import PanosMock
    from segctl_mocks.panos.settings import Settings
    from segctl_mocks.panos.tree import Element, Path, Tree

PASSED_ON = frozenset({"op", "config", "export", "commit", "user-id"})
"""Types of requests that go to the firewall that ``target`` names. Measured on 11.x: op, config and
export do, log and version do not; of the other two clients rely on it (pan-os-python)."""
_BASES = "bases/"
_VERDICTS = 100


class PanoramaDevice(Device):
    """A Panorama."""

    platform = schema.PANORAMA
    tables = "panorama-"
    commands = showings.COMMANDS

    def __init__(
        self,
        settings: Settings,
        users: Mapping[str, str],
        config: bytes | None = None,
        clock: Clock = time.time,
        *,
        firewalls: Iterable[PanosMock] = (),
        pairs: Iterable[tuple[str, str]] = (),
    ) -> None:
        document = config or baseline.factory(settings.hostname, settings.sw_version, tuple(users))
        super().__init__(settings, users, parse(document), clock)
        self.firewalls = {firewall.settings.serial: firewall for firewall in firewalls}
        known = [one.device.traffic for one in self.firewalls.values()]
        logs = [one for one in known if one is not None]
        self.traffic = Collected(logs) if logs else None
        self.peers = {mine: other for pair in pairs for mine, other in (pair, pair[::-1])}
        self.unplugged: set[str] = set()
        self.standings = Standings()
        self.verdicts: dict[Hashable, tuple[str, ...]] = {}
        self._checksums: dict[str, str] = {}
        self._summed: Tree | None = None
        groups.manage(self.candidate, self.firewalls)
        groups.follow(self.candidate, [Touch(EDIT, ())])
        self.start_over()

    def connected(self, serial: str) -> PanosMock | None:
        """Return a firewall that is connected now."""
        known = serial in orders.serials(self.running)
        return self.firewalls.get(serial) if known and serial not in self.unplugged else None

    def checksum(self, group: str) -> str:
        """Return the sum of a group's running policy."""
        if self._summed is not self.running:
            self._summed, self._checksums = self.running, {}
        if group not in self._checksums:
            self._checksums[group] = compose.checksum(self.running, group)
        return self._checksums[group]

    # -- requests -----------------------------------------------------------------

    def _dispatch(self, request: Request, params: Mapping[str, str]) -> Answer:
        serial = params.get("target", "")
        if not serial or request.type not in PASSED_ON:
            return super()._dispatch(request, params)
        firewall = self.connected(serial)
        if firewall is None:
            raise ApiError("13", f"{serial} not connected")
        passed = {name: value for name, value in params.items() if name not in {"target", "key"}}
        with firewall.device.lock:
            answer = firewall.device.handle_as(request.user, passed)
        firewall.save(lazily=True)
        return answer

    def commit_otherwise(self, command: Element, request: Request) -> Answer:
        """Queue a push."""
        if command.tag != "commit-all":
            return super().commit_otherwise(command, request)
        collectors = text_of(command.find("log-collector-config/log-collector-group"))
        if collectors:
            return orders.sent_to_collectors(collectors)
        order = orders.read(command, self.running)
        if len(self.verdicts) > _VERDICTS:
            self.verdicts.clear()
        self.locks.refuse_commit(request.user, set(order.names))
        fault = self.faults.take(PUSH, request)
        push = Push(self, order, request)
        lost = fault is not None and fault.kind == "push_lost"
        sends = fault is None or fault.options.get("applied") is not False
        job = self.jobs.submit(
            "CommitAll",
            request.user,
            order.description,
            self.settings.job_seconds,
            push.outcome if sends else lambda: Outcome(ok=False, details=()),
            stuck=fault is not None and fault.kind == "push_stuck",
            lost=lost,
            begin=push.begin if sends else None,
            tail=push.tail,
        )
        push.number = job.number
        self.log.add("commit-all", request.user, self.now(), [()], outcome="Submitted")
        return queued("Commit", job.number)

    def push_now(self, request: Request) -> None:
        """Carry out a push at once.

        Raises:
            ApiError: it is refused, or fails on a firewall.
        """
        self.finish_pushes()
        self.committer.handle(request)
        job = self.jobs.jobs[-1]
        self.finish_pushes()
        if job.outcome is None or not job.outcome.ok:
            raise ApiError("", "push failed")

    def finish_pushes(self) -> None:
        """Let the time of queued commits and pushes be over, here and on the firewalls."""
        self.finish_jobs()
        for firewall in self.firewalls.values():
            with firewall.device.lock:
                firewall.device.finish_jobs()
        self.settle()

    def move_group(self, group: str, above: str, user: str) -> Answer:
        """Queue the move of a device group below another; unsure: the kind and texts of the job."""
        groups.refuse_move(self.candidate, group, above)
        self.locks.refuse_edit(user, group)

        def work() -> Outcome:
            tree = self.candidate
            try:
                with tree.transaction():
                    touch = groups.move(tree, group, above)
                    lines = validate.problems(self.checker, self._below(group))
                    if lines:
                        raise ApiError("", *lines)  # noqa: TRY301 - undoes the move
            except ApiError as error:
                return Outcome(ok=False, details=error.lines)
            self.journal.add(user, self.now(), [touch])
            return Outcome(ok=True, details=("Device group moved successfully",))

        seconds = self.settings.job_seconds
        return queued("MoveDG", self.jobs.submit("MoveDG", user, "", seconds, work).number)

    def _below(self, group: str) -> list[Path]:
        """Return where a group is and those below it."""
        tree = self.candidate
        names = [name for name in groups.names(tree) if group in groups.lineage(tree, name)]
        return [groups.place(groups.GROUP, name) for name in names]

    # -- what differs from a firewall ----------------------------------------------

    def follow(self, touched: Sequence[Touch]) -> Sequence[Touch]:
        """Keep what Panorama notes of groups and templates up to date."""
        return groups.follow(self.candidate, touched)

    def inconsistencies(self, tree: Tree) -> tuple[str, ...]:
        """Refuse a firewall in two groups."""
        return groups.twice(tree)

    def committed(self, changes: Sequence[Change]) -> None:
        """Let every firewall miss what runs from now on."""
        self.standings.committed(changes)

    def lock_kind(self, scope: str) -> str:
        """Return what a lock's scope is the name of.

        Raises:
            ApiError: there is nothing of that name; unsure: wording.
        """
        for kind in groups.KINDS:
            if scope in groups.names(self.candidate, kind):
                return kind
        raise ApiError("", f"{scope} is invalid")

    def facts(self) -> dict[str, Any]:
        """Return what is remembered of the firewalls, and which are not connected."""
        return {"standings": self.standings.to_json(), "unplugged": sorted(self.unplugged)}

    def restore_facts(self, facts: Mapping[str, Any]) -> None:
        """Bring that back."""
        self.standings.load(facts["standings"])
        self.unplugged = set(facts["unplugged"])

    def documents(self) -> Mapping[str, bytes]:
        """Return the configurations that firewalls were given last."""
        return {f"{_BASES}{name}.xml": data for name, data in self.standings.bases.items()}

    def restore_document(self, name: str, data: bytes) -> None:
        """Bring one back."""
        self.standings.bases[name.removeprefix(_BASES).removesuffix(".xml")] = data
