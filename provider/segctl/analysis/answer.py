"""What a policy does with a flow: allowed, denied, partly or not to be told, with a packet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segctl.analysis.effective import permitted
from segctl.analysis.space import (
    NOTHING,
    PROTOCOLS,
    REAL,
    Box,
    Names,
    Space,
    addresses,
    host_of,
    service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.analysis.effective import Match, Permitted, Reading
    from segctl.analysis.space import Point
    from segctl.model.addresses import Interval
    from segctl.model.site import Host

Verdict = Literal["allow", "deny", "partly", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The applications to ask about.

    A use passes where all that it needs do (`together`) or any of them; nothing of it passes where
    none of its `own` does.
    """

    needed: tuple[str, ...]
    own: tuple[str, ...]
    together: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A flow through one device, in the device's words; ``port`` 0 is any port."""

    zones: tuple[tuple[str, str], ...]
    sources: tuple[Interval, ...]
    destinations: tuple[Interval, ...]
    protocol: str
    port: int
    user: str
    spoken: Spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A packet that shows what a policy does with a flow, and the rule that decides it."""

    source: Host
    destination: Host
    rule: str
    port: int = 0
    application: str = ""

    def __str__(self) -> str:
        """``10.20.2.5 → 10.20.1.11 modbus-read-coils``."""
        spoken = f" {self.application}" if self.application else ""
        return f"{self.source} → {self.destination}{spoken}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a policy does with a flow, by a packet that passes, one that does not, one unknown.

    ``why`` says for which reasons it cannot be told of `unknown`.
    """

    allowed: Example | None = None
    denied: Example | None = None
    unknown: Example | None = None
    why: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether all of it is allowed, none of it, some of it, or it cannot be told."""
        if self.allowed and self.denied:
            return "partly"
        if self.unknown:
            return "cannot tell"
        return "allow" if self.denied is None else "deny"


def answer(flow: Flow, reading: Reading) -> Answer:
    """Return what a policy does with a flow.

    A flow is asked about pair by pair of its addresses: a pair is allowed where a packet passes
    on any port that was asked about, at any time.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    found = Answer()
    for enter, leave in flow.zones:
        part = _between(flow, reading.between(enter, leave))
        found = Answer(
            allowed=found.allowed or part.allowed,
            denied=found.denied or part.denied,
            unknown=found.unknown or part.unknown,
            why=tuple(dict.fromkeys((*found.why, *part.why))),
        )
    return found


def _between(flow: Flow, chain: Sequence[Match]) -> Answer:
    source, destination = addresses(flow.sources), addresses(flow.destinations)
    pairs = Space((Box(source=source, destination=destination),)) & REAL
    names = dict.fromkeys((*flow.spoken.needed, *flow.spoken.own))
    asked = {name: _region(flow, name) & REAL for name in names}
    results = {name: permitted(chain, region) for name, region in asked.items()}
    own = [results[name] for name in flow.spoken.own]
    allowed_sure = _pairs_of(part.sure for part in own)
    allowed_can = _pairs_of(part.can for part in own)
    if flow.spoken.together:
        needed = [results[name] for name in flow.spoken.needed]
        denied_sure = _union(pairs - _pairs_of([part.can]) for part in needed)
        denied_can = _union(pairs - _pairs_of([part.sure]) for part in needed)
    else:
        denied_sure, denied_can = pairs - allowed_can, pairs - allowed_sure
    unknown = (allowed_can - allowed_sure) | (denied_can - denied_sure)
    why = tuple(dict.fromkeys(one for part in results.values() for one in part.why))
    return Answer(
        allowed=_passing(chain, own),
        denied=_refused(denied_sure, chain, results, flow, asked),
        unknown=_refused(unknown, chain, results, flow, asked) if unknown else None,
        why=why if unknown else (),
    )


def _region(flow: Flow, application: str) -> Space:
    first, last = (flow.port, flow.port) if flow.port else (0, 0xFFFF)
    protocol: str | int = flow.protocol if flow.protocol in PROTOCOLS else int(flow.protocol)
    return Space(
        (
            Box(
                source=addresses(flow.sources),
                destination=addresses(flow.destinations),
                service=service(protocol, first, last),
                application=Names(frozenset({application})),
                user=Names(frozenset({flow.user})),
            ),
        )
    )


def _pairs_of(parts: Iterable[Space]) -> Space:
    """Return the pairs of addresses of packets, whatever else they are."""
    return Space(
        tuple(
            dict.fromkeys(
                Box(source=box.source, destination=box.destination)
                for part in parts
                for box in part.boxes
            )
        )
    )


def _union(parts: Iterable[Space]) -> Space:
    found = NOTHING
    for part in parts:
        found = found | part
    return found


def _passing(chain: Sequence[Match], own: Iterable[Permitted]) -> Example | None:
    """Return the smallest packet that surely passes, of the first application of which one does."""
    return next((_told(part.sure.example(), chain) for part in own if part.sure), None)


def _refused(
    pairs: Space,
    chain: Sequence[Match],
    results: Mapping[str, Permitted],
    flow: Flow,
    asked: Mapping[str, Space],
) -> Example | None:
    """Return the smallest packet of some pairs, of an application that may not pass there."""
    if not pairs:
        return None
    names = flow.spoken.needed if flow.spoken.together else flow.spoken.own
    for name in names:
        stopped = (pairs & asked[name]) - results[name].sure
        if stopped:
            return _told(stopped.example(), chain)
    return None


def _told(point: Point, chain: Sequence[Match]) -> Example:
    rule = next(match.rule for match in chain if point in match.can)
    return Example(
        source=host_of(point.source),
        destination=host_of(point.destination),
        rule=rule,
        port=point.service & 0xFFFF,
        application=point.application,
    )
