"""Everything that one read of a firewall asks, in one document for `parse`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, ParseError
from segctl.providers.panos import (
    application_filters,
    contained,
    containers,
    content_ports,
    filled,
    locks,
    names,
    pushed,
    references,
    refusals,
    user_groups,
    version,
)
from segctl.providers.panos.budget import is_too_much
from segctl.providers.panos.jobs import last_commit
from segctl.providers.panos.member import SYSTEM, Member, clock
from segctl.providers.panos.parse import COUNTED_KINDS
from segctl.providers.panos.snapshot import Snapshot
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.providers.panos.location import Location
    from segctl.providers.panos.locks import Held
    from segctl.providers.panos.pair import Pair
    from segctl.transports.target import Target

#: Values that change by themselves: clocks, and content that no plan depends on.
_MOVING: Final = re.compile(
    rb"<(time|uptime|(?:av|threat|wildfire|url|logdb|device-dictionary)[\w-]*)>[^<]*</\1>"
)
_CLOCK: Final = re.compile(rb"<time>([^<]*)</time>")


def without_moving(system: bytes) -> bytes:
    """Return what a device says of itself without the values that change by themselves."""
    return _MOVING.sub(b"", system)


def _now(system: bytes) -> str:
    """Return the time by the device's clock, as it writes it."""
    match = _CLOCK.search(system)
    return match[1].decode(errors="replace") if match else ""


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads one virtual system of a firewall, or of the leading member of a pair.

    `target` has the name that the document bears, `token` is the run's own, whose locks are left
    out. `room` is how many bytes of answers still fit.
    """

    target: Target
    member: Member
    pair: Pair | None
    location: Location
    token: str = ""
    room: int = 0

    def read(self) -> bytes:
        """Return the running configuration and what is needed to judge it, in one document.

        The number of requests does not grow, however large the configuration is, but by one for
        each list in use that the device fetches. As long as nobody changes the device, and it
        fills no object that is in use, the document stays the same, byte for byte.
        """
        self.room = self.target.max_answer
        system = self.get({"type": "op", "cmd": SYSTEM})
        told = xml(self.target, system)
        self.member.writer.version = told.findtext("result/system/sw-version") or ""
        if told.get("status") == "success":  # the parser refuses what is not an answer
            version.check(self.target, self.member.writer.version)
        parts = {
            "system": without_moving(system),
            "pending": self.get({"type": "op", "cmd": refusals.CHANGES}),
            "vsys": self.config("show", self.location.xpath),
            "shared": self.config("show", names.SHARED),
            "applications": self.config("get", "/config/predefined/application/entry/@name"),
        }
        parts |= self._elsewhere(parts)
        if b"<entry" not in parts["vsys"]:  # the names of those that exist, for the message
            every = f"{names.DEVICE}/{self.location.container}/entry/@name"
            parts[references.SYSTEMS] = self.config("get", every)
        parts |= pushed.ask(self.get, parts, self.location.name)
        if containers.are_named(self._searchable(parts)):
            parts[containers.PART] = self.config("get", "/config/predefined/application-container")
        for kind in COUNTED_KINDS:
            counted = f"{self.location.all_of(kind)}/entry/@name"
            parts[f"count {kind}"] = self.config("get", counted)
        parts["locks"] = self.locks(system)
        if self.pair is not None:
            parts["pair"] = self.pair.part()
        parts |= self._filled(parts, system)
        return Snapshot(
            host=self.target.name,
            user=self.member.target.user,
            scope=str(self.location.scope),
            parts=parts,
            limit=self.target.max_answer,
        ).dump()

    def _searchable(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the answers without those that are refused as too much when they are parsed.

        A search of their text alone could take all the memory.
        """
        limit = self.target.max_answer
        return {name: part for name, part in parts.items() if not is_too_much(part, limit)}

    def _filled(self, parts: Mapping[str, bytes], system: bytes) -> dict[str, bytes]:
        """Return what objects hold that the device fills, and what is needed of applications.

        They come last, so that nothing else lacks room for them.
        """
        searchable = self._searchable(parts)
        held = [searchable[name] for name in pushed.CONFIGURED if name in searchable]
        found = filled.ask(self.get, held, self.location.name)
        found |= user_groups.ask(self.get, held, self.location.name)
        found |= contained.ask(self.get, held, self.location.name)
        if found:
            found[filled.AT] = _now(system).encode()
        found |= content_ports.ask(self.config, held, parts.get(containers.PART, b""))
        return found | application_filters.ask(self.config, held)

    def _elsewhere(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the other parts of the configuration that may refer to our objects.

        A delete is judged against the candidate, so if somebody has uncommitted changes, the
        candidate is read as well. Of the settings of the device, the candidate has what templates
        of Panorama give it, too: ``src="tpl"`` (measured on 11.x). Where nothing is uncommitted, it
        is read alone. Accounts (``mgt-config``) name no objects and are not read.
        """
        pending = b"<entry" in parts["pending"]
        found: dict[str, bytes] = {}
        for section in references.SECTIONS:
            where, settings = f"{names.DEVICE}/{section}", section == references.SETTINGS
            found[section] = self.config("get" if settings and not pending else "show", where)
            if pending:
                found[f"{section} candidate"] = self.config("get", where)
        if b"<multi-vsys>off</multi-vsys>" not in parts["system"]:
            others = f"{names.DEVICE}/vsys/entry[@name!={names.quote(self.location.name)}]"
            found[references.SYSTEMS] = self.config("get", others)
        return found

    def config(self, action: str, xpath: str) -> bytes:
        """Return the answer to a request of a part of the configuration."""
        return self.get({"type": "config", "action": action, "xpath": xpath})

    def get(self, params: Mapping[str, str]) -> bytes:
        """Return the answer to a request, as far as there is room."""
        answer = self.member.client.ask(params, limit=self.room)
        self.room -= len(answer.body)
        return answer.body

    def locks(self, system: bytes) -> bytes:
        """Return the locks as a part of the document, and whether our runs are alive.

        Those on the other member of a pair are among them: a run that died before a failover left
        its own there. Remaining leases are included only if there are such locks.
        """
        now = _now(system)
        rows = [locks.Row(lock=lock, clock=now) for lock in self.held(self.member)]
        others = [] if self.pair is None else self.pair.others()
        for other in others:
            held = self.held(other)
            theirs = clock(other.client) if any(lock.owner for lock in held) else ""
            where = f" on {other.target.name}"
            rows += [locks.Row(lock=lock, clock=theirs, where=where) for lock in held]
        tokens = {token for row in rows for token in row.lock.tokens} - {self.token}
        accounts = {each.target.user for each in (self.member, *others)}
        return locks.to_part(rows, accounts=accounts, pushed=self._last(tokens, others))

    def held(self, member: Member) -> list[Held]:
        """Return the locks of a member that concern what is read.

        Raises:
            ParseError: it refuses to list them.
        """
        try:
            return member.holding.held()
        except ApplyError as error:
            message = f"refuses to list its locks: {error.message}"
            raise ParseError(member.target.name, message) from error

    def _last(self, tokens: set[str], others: Sequence[Member]) -> str:
        """Return the run that made the last commit of these runs, if that was a change here."""
        for member in (self.member, *others) if tokens else ():
            commit = last_commit(member.jobs.ours(tokens))
            if commit is not None:
                here = commit.doing == "apply" and commit.replaced(self.location)
                return commit.token if here else ""
        return ""
