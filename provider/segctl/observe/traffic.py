"""What was seen against what is declared, added up: by conduit, zone, asset, user, application."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nlargest
from typing import TYPE_CHECKING, Final, Literal

from segctl.observe.observation import counted_by
from segctl.observe.standing import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.observe.grouping import Count, Groups
    from segctl.observe.observation import Flow, Function, Group
    from segctl.observe.standing import Standing, Standings, Status

By = Literal["conduit", "zone", "asset", "user", "application"]
BY: Final[tuple[By, ...]] = ("conduit", "zone", "asset", "user", "application")
#: What became of traffic: a conversation, nobody answered, or it was denied.
Outcome = Literal["conversation", "attempt", "denied"]
#: So many of each list are shown; the rest is counted.
TOP: Final = 20
LISTED: Final = 1000
#: Names in the place of one that is not there.
NO_ZONE, NO_USER, NO_APPLICATION = "no zone", "no user named", "no application named"
#: How the names begin that a firewall gives to what it does not recognise.
UNKNOWN: Final = ("unknown-", "insufficient-data", "non-syn-tcp")


@dataclass(slots=True, kw_only=True)
class Volume:
    """Sessions, bytes and distinct flows, with the time from the first to the last."""

    sessions: int = 0
    bytes: int = 0
    flows: int = 0
    first: float | None = None
    last: float | None = None

    def add(self, other: Volume) -> None:
        """Add another volume."""
        self.sessions += other.sessions
        self.bytes += other.bytes
        self.flows += other.flows
        if other.first is not None:
            self.first = other.first if self.first is None else min(self.first, other.first)
        if other.last is not None:
            self.last = other.last if self.last is None else max(self.last, other.last)


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of the summary; `statuses` are flows of conversations by how they stand."""

    name: str
    volume: Volume = field(default_factory=Volume)
    denied: int = 0
    attempts: int = 0
    statuses: dict[Status, int] = field(default_factory=dict["Status", int])


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFlow:
    """A flow that is worth a line of its own, with where its ends are and why it is listed."""

    flow: Flow
    standing: Standing
    volume: Volume
    applications: tuple[str, ...]
    functions: tuple[Function, ...]
    users: tuple[str, ...]
    witnesses: tuple[str, ...]
    denied_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """Threat records from one zone to another, of one kind; zones are keys or `NO_ZONE`."""

    source_zone: str
    destination_zone: str
    severity: str
    threat: str
    records: int
    sources: int
    destinations: int
    example: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All that was seen, added up.

    `standing` are conversations by how they stand to the inventory. `outcomes` are all flows by
    what became of them. `undeclared` are those with the most sessions, of `undeclared_flows`.
    """

    by: By
    rows: tuple[Row, ...]
    standing: dict[Status, Volume]
    outcomes: dict[Outcome, Volume]
    talkers: tuple[tuple[str, Volume], ...]
    users: tuple[tuple[str, Volume], ...]
    undeclared: tuple[SeenFlow, ...]
    undeclared_flows: int
    unproven: tuple[SeenFlow, ...]
    unproven_flows: int
    unknown: tuple[SeenFlow, ...]
    unknown_flows: int
    unknown_denied: tuple[SeenFlow, ...]
    unknown_denied_flows: int
    threats: tuple[Threat, ...]
    open_functions: tuple[tuple[str, str, int], ...]


def outcome_of(group: Group) -> Outcome:
    """Return what became of what a group is of."""
    if group.verdict == "deny":
        return "denied"
    return "attempt" if group.completed == "no" else "conversation"


def summarised(groups: Groups, standings: Standings, by: By) -> Summary:
    """Add up groups.

    A flow that several witnesses saw counts once, with the most that any of them saw.
    """
    adding = _Adding(standings, by)
    for flow, held in groups.flows():
        adding.add(flow, held)
    return adding.result()


@dataclass(slots=True, kw_only=True)
class _Part:
    """What was seen of one flow that ended alike and stands alike."""

    standing: Standing
    outcome: Outcome
    groups: list[tuple[Group, Count]] = field(default_factory=list["tuple[Group, Count]"])


def volume_of(groups: Sequence[tuple[Group, Count]]) -> Volume:
    """Return the most that one witness saw of a flow: others saw the same sessions."""
    if len(groups) == 1:
        count = groups[0][1]
        return Volume(
            sessions=count.sessions, bytes=count.bytes, flows=1, first=count.first, last=count.last
        )
    by_witness: dict[str, Volume] = {}
    for group, count in groups:
        held = by_witness.setdefault(counted_by(group), Volume())
        held.add(
            Volume(sessions=count.sessions, bytes=count.bytes, first=count.first, last=count.last)
        )
    whole = Volume(flows=1)
    for one in by_witness.values():
        whole.add(Volume(first=one.first, last=one.last))
        whole.sessions = max(whole.sessions, one.sessions)
        whole.bytes = max(whole.bytes, one.bytes)
    return whole


class _Top:
    """The flows with the most sessions, and how many there are; in one order for all inputs."""

    def __init__(self) -> None:
        self.count = 0
        self._held: list[SeenFlow] = []
        self._least: tuple[int, int, Flow, str] | None = None

    def wants(self, rank: tuple[int, int, Flow, str]) -> bool:
        """Count a flow; whether it is, so far, one of those with the most sessions."""
        self.count += 1
        return self._least is None or rank >= self._least

    def add(self, one: SeenFlow) -> None:
        self._held.append(one)
        if len(self._held) >= 4 * LISTED:
            self._held = nlargest(LISTED, self._held, key=_most)
            self._least = _most(self._held[-1])

    def result(self) -> tuple[SeenFlow, ...]:
        return tuple(nlargest(LISTED, self._held, key=_most))


def _most(one: SeenFlow) -> tuple[int, int, Flow, str]:
    return one.volume.sessions, one.volume.bytes, one.flow, one.standing.why


class _Adding:
    """Takes flows one after the other."""

    def __init__(self, standings: Standings, by: By) -> None:
        self._standings = standings
        self._by: By = by
        self._rows: dict[str, Row] = {}
        self._standing: dict[Status, Volume] = {name: Volume() for name in STATUSES}
        self._outcomes: dict[Outcome, Volume] = {
            "conversation": Volume(),
            "attempt": Volume(),
            "denied": Volume(),
        }
        self._talkers: dict[str, Volume] = {}
        self._users: dict[str, Volume] = {}
        self._undeclared, self._unproven, self._unknown = _Top(), _Top(), _Top()
        self._unknown_denied = _Top()
        self._threats: dict[tuple[str, str, str, str], list[tuple[Flow, int]]] = {}
        self._open: dict[tuple[str, str], int] = {}

    def add(self, flow: Flow, held: Iterable[tuple[Group, Count]]) -> None:
        """Add all that was seen of a flow."""
        parts: dict[tuple[Outcome, Status, str, str], _Part] = {}
        for group, count in held:
            standing = self._standings.of(group)
            if group.threat:
                self._threat(group, standing, count.records)
                continue
            outcome = outcome_of(group)
            key = (outcome, standing.status, standing.conduit, standing.flow)
            part = parts.setdefault(key, _Part(standing=standing, outcome=outcome))
            part.groups.append((group, count))
        for part in _least_shown(parts.values()):
            self._part(flow, part)

    def _part(self, flow: Flow, part: _Part) -> None:
        volume = volume_of(part.groups)
        self._outcomes[part.outcome].add(volume)
        names = [*self._names(flow, part)]
        for name in names:
            row = self._rows.setdefault(name, Row(name=name))
            if part.outcome == "conversation":
                row.volume.add(volume)
                status = part.standing.status
                row.statuses[status] = row.statuses.get(status, 0) + 1
            elif part.outcome == "denied":
                row.denied += volume.sessions
            else:
                row.attempts += volume.sessions
        if part.outcome != "conversation":
            self._denied(flow, part)
            return
        self._standing[part.standing.status].add(volume)
        self._talkers.setdefault(flow.source, Volume()).add(volume)
        users = {group.user for group, _ in part.groups if group.user}
        for user in users:
            self._users.setdefault(user, Volume()).add(volume)
        self._listed(flow, part, volume, tuple(sorted(users)))

    def _denied(self, flow: Flow, part: _Part) -> None:
        """List what was denied and is nothing that the witness recognises."""
        strange = [
            (group, count)
            for group, count in part.groups
            if part.outcome == "denied"
            and any(name.startswith(UNKNOWN) for name in group.applications)
        ]
        if strange:
            volume = volume_of(strange)
            users = {group.user for group, _ in strange if group.user}
            held = _Part(standing=part.standing, outcome="denied", groups=strange)
            self._listed(flow, held, volume, tuple(sorted(users)))

    def _listed(self, flow: Flow, part: _Part, volume: Volume, users: tuple[str, ...]) -> None:
        groups = [group for group, _ in part.groups]
        applications = sorted({name for group in groups for name in group.applications})
        functions = sorted({one for group in groups for one in group.functions})
        standing = part.standing
        denied = part.outcome == "denied"
        for one in () if denied else functions:
            if not one.access_class:
                key = (one.protocol, one.name)
                self._open[key] = self._open.get(key, 0) + 1
        lists: list[_Top] = []
        if denied:
            lists.append(self._unknown_denied)
        elif standing.status in {"undeclared", "no_zone"}:
            lists.append(self._undeclared)
        elif standing.status == "unproven":
            lists.append(self._unproven)
        if not denied and any(name.startswith(UNKNOWN) for name in applications):
            lists.append(self._unknown)
        rank = (volume.sessions, volume.bytes, flow, standing.why)
        wanted = [top for top in lists if top.wants(rank)]
        if not wanted:
            return
        seen = SeenFlow(
            flow=flow,
            standing=standing,
            volume=volume,
            applications=tuple(applications),
            functions=tuple(functions),
            users=users,
            witnesses=tuple(sorted({group.witness for group in groups})),
            denied_by=tuple(sorted({group.rule for group in groups if denied and group.rule})),
        )
        for top in wanted:
            top.add(seen)

    def _threat(self, group: Group, standing: Standing, records: int) -> None:
        key = (
            standing.source.zone or NO_ZONE,
            standing.destination.zone or NO_ZONE,
            group.severity,
            group.threat,
        )
        self._threats.setdefault(key, []).append((group.flow, records))

    def _names(self, flow: Flow, part: _Part) -> Iterator[str]:
        """Yield the rows that a flow is of."""
        standing, groups = part.standing, [group for group, _ in part.groups]
        source, destination = standing.source, standing.destination
        match self._by:
            case "conduit":
                named = standing.conduit and f"{standing.conduit}.{standing.flow}"
                way = f"{source.zone or NO_ZONE} → {destination.zone or NO_ZONE}"
                yield named if named and standing.status != "undeclared" else way
            case "zone":
                yield f"{source.zone or NO_ZONE} → {destination.zone or NO_ZONE}"
            case "asset":
                inner = flow.inner or flow.destination
                yield from dict.fromkeys(
                    (
                        source.asset or flow.source,
                        destination.asset or inner,
                    )
                )
            case "user":
                yield from sorted({group.user or NO_USER for group in groups})
            case "application":
                names = {
                    group.applications[-1] if group.applications else _port(flow)
                    for group in groups
                }
                yield from sorted(names)

    def result(self) -> Summary:
        """Return the sums, in an order that does not depend on that of the input."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.volume.sessions, row.name))
        opened = ((protocol, name, flows) for (protocol, name), flows in self._open.items())
        return Summary(
            by=self._by,
            rows=tuple(rows),
            standing=self._standing,
            outcomes=self._outcomes,
            talkers=_top(self._talkers, lambda one: one.bytes),
            users=_top(self._users, lambda one: one.sessions),
            undeclared=self._undeclared.result(),
            undeclared_flows=self._undeclared.count,
            unproven=self._unproven.result(),
            unproven_flows=self._unproven.count,
            unknown=self._unknown.result(),
            unknown_flows=self._unknown.count,
            unknown_denied=self._unknown_denied.result(),
            unknown_denied_flows=self._unknown_denied.count,
            threats=tuple(self._threat_rows()),
            open_functions=tuple(sorted(opened)),
        )

    def _threat_rows(self) -> Iterator[Threat]:
        for (source, destination, severity, threat), seen in sorted(self._threats.items()):
            flows = [flow for flow, _ in seen]
            yield Threat(
                source_zone=source,
                destination_zone=destination,
                severity=severity,
                threat=threat,
                records=sum(records for _, records in seen),
                sources=len({flow.source for flow in flows}),
                destinations=len({flow.destination for flow in flows}),
                example=min(flows),
            )


def _least_shown(parts: Iterable[_Part]) -> list[_Part]:
    """Return parts of one flow, without those that another witness proved to be declared.

    A sensor that names no application leaves a flow unproven that another one shows to be declared.
    """
    held = list(parts)
    if len(held) == 1:
        return held
    proven = {_declared_as(part): part for part in held if part.standing.status == "declared"}
    kept: list[_Part] = []
    for part in held:
        better = proven.get(_declared_as(part)) if part.standing.status == "unproven" else None
        if better is None:
            kept.append(part)
        else:
            better.groups += part.groups
    return kept


def _declared_as(part: _Part) -> tuple[str, str, str]:
    return part.outcome, part.standing.conduit, part.standing.flow


def _top(found: dict[str, Volume], size: Callable[[Volume], int]) -> tuple[tuple[str, Volume], ...]:
    ordered = sorted(found.items(), key=lambda item: (-size(item[1]), item[0]))
    return tuple(ordered[:TOP])


def _port(flow: Flow) -> str:
    return f"{flow.protocol}/{flow.port}" if flow.port else flow.protocol
