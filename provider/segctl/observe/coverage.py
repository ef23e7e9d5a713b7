"""What records can show and what they cannot: windows, gaps, cuts, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from segctl.observe.readers.base import RefusedError
from segctl.observe.times import STEP

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping

    from segctl.observe.readers.base import Sign
    from segctl.providers.watching import Way

#: A witness that is silent for less than this is not worth a word.
SHORTEST_GAP: Final = 3600
#: So many of the longest gaps are listed for each witness.
LISTED_GAPS: Final = 10
#: Clocks that differ by less than this may be the time a record takes.
SKEW: Final = 120.0
#: A record from further ahead than this is not believed; from nearer, the zone may be wrong.
FUTURE: Final = 86400.0
AHEAD: Final = 300.0
#: No plant has more: names beyond are made up, as anyone who reaches a collector can do.
MOST_WITNESSES: Final = 10_000
#: So many types of records that are not about traffic are told apart in a file.
MOST_OTHERS: Final = 100
_FURTHER: Final = "of further types"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Lines that were refused for one reason: how many, and where the first one stands."""

    why: str
    count: int
    line: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCoverage:
    """What was read of one file.

    `format` is empty where it is none that segctl reads. `lines` counts all that were looked at,
    `records` those that were used, `evidence` messages whose functions were. `others` counts
    records that are not about traffic, by type. `cut` says why the file does not hold all that it
    was to hold, `problem` why nothing or not all of it could be read.
    """

    name: str
    format: str = ""
    lines: int = 0
    records: int = 0
    evidence: int = 0
    duplicates: int = 0
    future: int = 0
    early: int = 0
    undated: int = 0
    refusals: tuple[Refusal, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    cut: str = ""
    problem: str = ""

    @property
    def refused(self) -> int:
        """How many lines were refused."""
        return sum(one.count for one in self.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCoverage:
    """When one witness was heard.

    `gaps` are the longest times in which nothing of it was, as (from, to); `gap_count` and
    `gap_seconds` are of all. `skew` is by how many seconds its clock differs from the receiver's.
    `assumed_zone` says that its times have no offset, so that they were taken as in the zone of
    ``--timezone``. `sampled` says that it looked at some packets only, `limited` that it wrote down
    some records only.
    `denials` says whether it recorded anything that was denied. `hosts` are names by which its
    records call it besides.
    """

    name: str
    formats: tuple[str, ...]
    records: int
    first: float | None = None
    last: float | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    gap_count: int = 0
    gap_seconds: float = 0.0
    duplicates: int = 0
    ahead: int = 0
    skew: float | None = None
    assumed_zone: bool = False
    sampled: bool = False
    limited: bool = False
    denials: bool = False
    default_denials: bool = False
    versions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCoverage:
    """What a device was asked, and what it told: one member, in one way.

    `device` is the host, `member` the firewall of it that was asked. The other fields are those of
    `segctl.providers.watching.Answer`, in the same units.
    """

    device: str
    member: str
    way: Way
    serial: str
    first: float
    last: float
    requests: int
    records: int
    left_out: tuple[tuple[str, int], ...] = ()
    cut: str = ""
    unread: str = ""
    ahead: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A device that was asked and told nothing: why, and the code of that error."""

    device: str
    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """Packets that a rule let pass or dropped, by its counter: who sent them is not known.

    `conduit` is empty for what no rule of a conduit counted. Since when it counts is not told.
    """

    device: str
    rule: str
    conduit: str
    packets: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What all files together can show.

    `timezone` is the zone in which times without an offset were taken. `forgot` says that there
    were too many records to find every duplicate, `spilled` that there were more groups than fit
    in memory. `asked` is what devices were asked, `failed` why some told nothing at all, by name.
    `counters` are what rules counted.
    """

    files: tuple[FileCoverage, ...]
    witnesses: tuple[WitnessCoverage, ...]
    timezone: str
    forgot: bool = False
    spilled: bool = False
    asked: tuple[AskedCoverage, ...] = ()
    failed: tuple[Unheard, ...] = ()
    counters: tuple[RuleCount, ...] = ()

    @property
    def records(self) -> int:
        """How many records were used, also of conversations and sessions without an end."""
        return sum(one.records for one in self.witnesses)

    @property
    def refused(self) -> int:
        """How many lines were refused."""
        return sum(one.refused for one in self.files)

    def called(self, known: Collection[str]) -> dict[str, str]:
        """Return which of the `known` hosts each witness is, where its records call it so."""
        found = {one.name: [name for name in one.hosts if name in known] for one in self.witnesses}
        return {name: hosts[0] for name, hosts in found.items() if len(hosts) == 1}


@dataclass(slots=True, kw_only=True)
class FileTally:
    """What is counted while a file is read."""

    name: str
    format: str = ""
    lines: int = 0
    records: int = 0
    evidence: int = 0
    duplicates: int = 0
    future: int = 0
    early: int = 0
    undated: int = 0
    cut: str = ""
    problem: str = ""
    _refusals: dict[str, list[int | str]] = field(default_factory=dict[str, "list[int | str]"])
    _others: dict[str, int] = field(default_factory=dict[str, int])

    def refuse(self, why: str, line: int, text: str) -> None:
        """Count a line that is refused; the first one of each reason is kept to be shown."""
        known = self._refusals.get(why)
        if known is None:
            self._refusals[why] = [1, line, text[:200]]
        else:
            known[0] = int(known[0]) + 1

    def other(self, kind: str, number: int = 1) -> None:
        """Count records that are understood but are not about traffic."""
        if kind not in self._others and len(self._others) >= MOST_OTHERS:
            kind = _FURTHER
        self._others[kind] = self._others.get(kind, 0) + number

    def join(self, other: FileTally) -> None:
        """Add what was counted of the part of the file that follows."""
        self.format = self.format or other.format
        for why, (count, line, text) in other._refusals.items():
            self.refuse(why, self.lines + int(line), str(text))
            known = self._refusals[why]
            known[0] = int(known[0]) + int(count) - 1
        for kind, number in other._others.items():
            self.other(kind, number)
        self.lines += other.lines
        self.records += other.records
        self.evidence += other.evidence
        self.duplicates += other.duplicates
        self.future += other.future
        self.early += other.early
        self.undated += other.undated
        self.cut = self.cut or other.cut
        self.problem = self.problem or other.problem

    def result(self) -> FileCoverage:
        """Return what was counted."""
        refusals = (
            Refusal(why=why, count=int(count), line=int(line), example=str(example))
            for why, (count, line, example) in self._refusals.items()
        )
        return FileCoverage(
            name=self.name,
            format=self.format,
            lines=self.lines,
            records=self.records,
            evidence=self.evidence,
            duplicates=self.duplicates,
            future=self.future,
            early=self.early,
            undated=self.undated,
            refusals=tuple(sorted(refusals, key=lambda one: (-one.count, one.line))),
            others=tuple(sorted(self._others.items())),
            cut=self.cut,
            problem=self.problem,
        )


@dataclass(slots=True, kw_only=True)
class WitnessTally:
    """What is counted while records of one witness are read."""

    name: str
    records: int = 0
    first: float | None = None
    last: float | None = None
    duplicates: int = 0
    ahead: int = 0
    skew: float | None = None
    assumed_zone: bool = False
    sampled: bool = False
    limited: bool = False
    denials: bool = False
    default_denials: bool = False
    formats: set[str] = field(default_factory=set[str])
    versions: set[str] = field(default_factory=set[str])
    hosts: set[str] = field(default_factory=set[str])
    steps: set[int] = field(default_factory=set[int])

    def heard(self, when: float) -> None:
        """Take down that something was heard at a moment."""
        if self.first is None or when < self.first:
            self.first = when
        if self.last is None or when > self.last:
            self.last = when
        self.steps.add(int(when) // STEP)

    def received(self, delay: float) -> None:
        """Take down how long after its own time a record was received, by another clock."""
        if self.skew is None or abs(delay) < abs(self.skew):
            self.skew = delay

    def join(self, other: WitnessTally) -> None:
        """Add what was counted of the same witness."""
        self.records += other.records
        for when in (other.first, other.last):
            if when is not None:
                self.heard(when)
        self.duplicates += other.duplicates
        self.ahead += other.ahead
        if other.skew is not None:
            self.received(other.skew)
        self.assumed_zone |= other.assumed_zone
        self.sampled |= other.sampled
        self.limited |= other.limited
        self.denials |= other.denials
        self.default_denials |= other.default_denials
        self.formats |= other.formats
        self.versions |= other.versions
        self.hosts |= other.hosts
        self.steps |= other.steps

    def result(self) -> WitnessCoverage:
        """Return what was counted."""
        gaps = [*self._gaps()]
        longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:LISTED_GAPS]
        skew = self.skew if self.skew is not None and abs(self.skew) > SKEW else None
        return WitnessCoverage(
            name=self.name,
            formats=tuple(sorted(self.formats)),
            records=self.records,
            first=self.first,
            last=self.last,
            gaps=tuple(sorted(longest)),
            gap_count=len(gaps),
            gap_seconds=sum(last - first for first, last in gaps),
            duplicates=self.duplicates,
            ahead=self.ahead,
            skew=skew,
            assumed_zone=self.assumed_zone,
            sampled=self.sampled,
            limited=self.limited,
            denials=self.denials,
            default_denials=self.default_denials,
            versions=tuple(sorted(self.versions)),
            hosts=tuple(sorted(self.hosts)),
        )

    def _gaps(self) -> Iterator[tuple[float, float]]:
        steps = sorted(self.steps)
        for before, after in pairwise(steps):
            silent = (after - before - 1) * STEP
            if silent >= SHORTEST_GAP:
                yield float((before + 1) * STEP), float(after * STEP)


class Witnesses:
    """The tallies of all witnesses, by name: those of the first so many."""

    def __init__(self, most: int = MOST_WITNESSES) -> None:
        """Keep the tallies of `most` witnesses."""
        self._most = most
        self._tallies: dict[str, WitnessTally] = {}

    def __getitem__(self, name: str) -> WitnessTally:
        """Return the tally of a witness.

        Raises:
            RefusedError: there are too many already.
        """
        found = self._tallies.get(name)
        if found is None:
            if len(self._tallies) >= self._most:
                raise RefusedError(
                    f"the files name more than {self._most:,} witnesses: no plant has so many, so "
                    "names are made up"
                )
            found = self._tallies[name] = WitnessTally(name=name)
        return found

    def apart(self, other: Witnesses) -> bool:
        """Whether there is room for the witnesses of `other`."""
        return len(self._tallies.keys() | other._tallies.keys()) <= self._most

    def join(self, other: Witnesses) -> None:
        """Add what was counted there."""
        for name, tally in other._tallies.items():
            self[name].join(tally)

    def results(self) -> tuple[WitnessCoverage, ...]:
        """Return what was counted, by name."""
        named: Mapping[str, WitnessTally] = self._tallies
        return tuple(named[name].result() for name in sorted(named))


class Signs:
    """Takes down what records tell of their witnesses, once for each minute of a clock."""

    def __init__(self, witnesses: Witnesses, *, alone: bool = False) -> None:
        """Tell `witnesses`; `alone`, keep signs by their minutes, to be joined."""
        self._witnesses = witnesses
        self._kept: list[tuple[tuple[str, str], Sign]] | None = [] if alone else None

    def take(self, minute: tuple[str, str], sign: Sign) -> None:
        """Take a sign down: the witness's serial number and minute, and what it tells."""
        witness = self._witnesses[sign.witness]
        if self._kept is not None:
            self._kept.append((minute, sign))
            return
        witness.assumed_zone |= sign.assumed_zone
        if sign.version:
            witness.versions.add(sign.version)
        if sign.host:
            witness.hosts.add(sign.host)
        if sign.delay is not None:
            witness.received(sign.delay)

    def join(self, other: Signs, known: Container[tuple[str, str]]) -> None:
        """Take down what was kept there, but of minutes that are `known` already."""
        for minute, sign in other._kept or ():
            if minute not in known:
                self.take(minute, sign)
