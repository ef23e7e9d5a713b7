"""Whether conduits hold from end to end, through all the firewalls on each path.

What passes a path is what passes each firewall on it. Firewalls of two platforms name applications
differently: there, what passes is bounded in the words of each of them in turn, and the tightest of
the bounds counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.analysis.confirm import Judge
from segctl.analysis.proof import Counterexample, minus, verdict_of
from segctl.analysis.space import (
    ALL_NAMES,
    ALL_SERVICES,
    NOTHING,
    REAL,
    Box,
    Space,
    TooComplexError,
    common,
    meet,
)
from segctl.analysis.symbols import DEFAULT_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.crossings import Crossing, Path
    from segctl.analysis.declared import Permit
    from segctl.analysis.intended import Series
    from segctl.analysis.proof import Between, Proof, Verdict
    from segctl.analysis.space import Point
    from segctl.analysis.words import Platform
    from segctl.model.gate import Gate
    from segctl.model.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A firewall of which a proof was made: its platform, its names of our zones, its policy."""

    platform: str
    names: Mapping[str, str]
    proof: Proof
    policy: Policy
    words: Platform
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProof:
    """What was found on one path from a zone (key) to another, through these firewalls."""

    source: str
    destination: str
    firewalls: tuple[str, ...]
    examples: tuple[PathExample, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether it is proved; if not, whether it is certain that something differs."""
        return verdict_of([one for _, one in self.examples])


#: A packet, with the firewall in whose words it is written; none where a firewall is missing.
PathExample = tuple[str, Counterexample]


def end_to_end(series: Iterable[Series], held: Mapping[str, Proved]) -> Iterator[PathProof]:
    """Yield what is found on each path, of the firewalls of which there is a proof."""
    judges: dict[str, Judge] = {}
    for one in series:
        for path in one.paths:
            names = tuple(crossing.device for crossing in path)
            missing = [name for name in names if name not in held]
            try:
                found = (
                    [(name, _missing(name)) for name in missing]
                    if missing
                    else list(_Way(one, path, held, judges).examples())
                )
            except TooComplexError as error:
                found = [("", _unknown(one.source, one.destination, str(error)))]
            yield PathProof(
                source=one.source,
                destination=one.destination,
                firewalls=names,
                examples=tuple(found),
            )


def _missing(name: str) -> Counterexample:
    return _unknown("", "", f"what {name} permits is not known")


def _unknown(enter: str, leave: str, why: str) -> Counterexample:
    return Counterexample(direction="unknown", enter=enter, leave=leave, why=(why,))


class _Way:
    """One path, with what each firewall on it permits between the zones on its sides."""

    def __init__(
        self,
        series: Series,
        path: Path,
        held: Mapping[str, Proved],
        judges: dict[str, Judge],
    ) -> None:
        self._series = series
        self._path = path
        self._held = held
        self._judges = judges
        self._region = Space((Box(source=series.sources, destination=series.destinations),)) & REAL

    def examples(self) -> Iterator[tuple[str, Counterexample]]:
        """Yield what shows that more or less passes than is declared."""
        absent = [one for one in self._path if self._between(one) is None]
        if absent:
            for one in absent:
                yield one.device, _unknown(*self._pair(one), "it was not compared: see above")
            return
        for crossing in self._path:
            yield from self._lacking(crossing)
        yield from self._beyond()

    def _pair(self, crossing: Crossing) -> tuple[str, str]:
        names = self._held[crossing.device].names
        return names[crossing.enter], names[crossing.leave]

    def _between(self, crossing: Crossing) -> Between | None:
        return self._held[crossing.device].proof.between.get(self._pair(crossing))

    def _permits(self, crossing: Crossing) -> tuple[Permit, ...]:
        between = self._between(crossing)
        return tuple(
            one
            for one in (between.permits if between else ())
            if (one.need.source, one.need.destination)
            == (self._series.source, self._series.destination)
        )

    def _lacking(self, crossing: Crossing) -> Iterator[tuple[str, Counterexample]]:
        between = self._between(crossing)
        if between is None:
            return
        enter, leave = self._pair(crossing)
        for one in self._permits(crossing):
            lacking = minus(one.least, between.held.can)
            unsure = minus(one.least, between.held.sure)
            if not lacking and not unsure:
                continue
            packet = (lacking or unsure).example()
            decided = self._judge(crossing.device).decide(packet, enter, leave)
            wrong = bool(lacking) and decided.action == "allow"
            yield (
                crossing.device,
                Counterexample(
                    direction="denied" if lacking else "unknown",
                    enter=enter,
                    leave=leave,
                    packet=packet,
                    rule=decided.rule,
                    conduit=one.need.conduit,
                    flow=one.need.flow,
                    why=() if lacking else between.held.why,
                    disagreement=f"decided alone, it is allowed by {decided.rule}" if wrong else "",
                ),
            )

    def _judge(self, name: str) -> Judge:
        if name not in self._judges:
            one = self._held[name]
            self._judges[name] = Judge(one.policy, one.words, one.gates)
        return self._judges[name]

    def _beyond(self) -> Iterator[tuple[str, Counterexample]]:
        """Yield a packet that may pass the whole path beyond what is declared, if there is one."""
        found: list[tuple[Crossing, Space, Space]] = []
        for crossing in self._path:
            most = Space(tuple(box for one in self._permits(crossing) for box in one.most.boxes))
            can = minus(self._passing(crossing, surely=False), most)
            if not can:
                return
            found.append((crossing, can, minus(self._passing(crossing, surely=True), most)))
        certain = all(sure for _, _, sure in found)
        crossing, can, sure = found[0]
        enter, leave = self._pair(crossing)
        packet = (sure if certain else can).example()
        why = () if certain else tuple(dict.fromkeys(self._reasons()))
        yield (
            crossing.device,
            Counterexample(
                direction="permitted" if certain else "unknown",
                enter=enter,
                leave=leave,
                packet=packet,
                rule=self._judge(crossing.device).decide(packet, enter, leave).rule,
                why=why,
                disagreement=self._denied(packet) if certain else "",
            ),
        )

    def _reasons(self) -> Iterator[str]:
        for crossing in self._path:
            between = self._between(crossing)
            yield from between.held.why if between else ()
        if len({self._held[one.device].platform for one in self._path}) > 1:
            yield "the platforms on the path do not name applications alike"

    def _denied(self, packet: Point) -> str:
        """Say which firewall of the same platform denies a packet, decided alone."""
        platform = self._held[self._path[0].device].platform
        for crossing in self._path:
            if self._held[crossing.device].platform == platform:
                decided = self._judge(crossing.device).decide(packet, *self._pair(crossing))
                if decided.action != "allow":
                    return f"decided alone, {crossing.device} denies it by {decided.rule}"
        return ""

    def _passing(self, words_of: Crossing, *, surely: bool) -> Space:
        """Return what passes every firewall of the path, in the words of one of them."""
        platform = self._held[words_of.device].platform
        found = self._region
        for crossing in self._path:
            between = self._between(crossing)
            if between is None:
                return NOTHING
            space = between.held.sure if surely else between.held.can
            if self._held[crossing.device].platform != platform:
                space = _foreign(space, surely=surely)
            found = _together(found.boxes, space.boxes, surely=surely)
        return found


def _foreign(space: Space, *, surely: bool) -> Space:
    """Return what of a set is certain, or possible, where its applications mean nothing."""
    if surely:
        return Space(tuple(box for box in space.boxes if box.application == ALL_NAMES))
    return Space(tuple(box._replace(application=ALL_NAMES) for box in space.boxes))


def _together(left: Sequence[Box], right: Sequence[Box], *, surely: bool) -> Space:
    """Return what is in both; default ports that nobody knows may be any that the other has."""
    found: list[Box] = []
    for one in left:
        for other in right:
            first, second = one, other
            if not surely and _apart(one, other):
                first, second = _anywhere(one), _anywhere(other)
            if (both := meet(first, second)) is not None:
                found.append(both)
    if len(found) > 1:
        return Space(tuple(dict.fromkeys(found)))
    return Space(tuple(found))


def _apart(one: Box, other: Box) -> bool:
    return bool(common(one.service, DEFAULT_PORTS)) is not bool(
        common(other.service, DEFAULT_PORTS)
    )


def _anywhere(box: Box) -> Box:
    return box._replace(service=ALL_SERVICES) if common(box.service, DEFAULT_PORTS) else box
