"""Files of records to groups and coverage: what every command that looks at traffic begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Final

from segctl.observe.coverage import AHEAD, FUTURE, STEP, Coverage, FileTally, Witnesses
from segctl.observe.duplicates import Named, Seen
from segctl.observe.grouping import Groups
from segctl.observe.pairs import Pairs
from segctl.observe.readers import reader_of
from segctl.observe.readers.base import Addresses, Context
from segctl.observe.readers.conversations import Conversations
from segctl.observe.readers.panos_sessions import Sessions
from segctl.observe.sources import SourceError, Text, found
from segctl.observe.times import Clock, zone_of
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from segctl.observe.coverage import FileCoverage
    from segctl.observe.observation import Observation
    from segctl.observe.sources import Source

#: A field that only Zeek's records of connections have.
_CONNECTIONS: Final = "conn_state"
#: Rules that judge what no other rule does, where they deny.
_DEFAULTS: Final = frozenset({"interzone-default", "intrazone-default", "default"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How records are read.

    `now` and `since` are seconds since 1970; records that end before `since` are left out.
    `timezone` is where times without an offset are from, None where the user did not say: then
    UTC. `members` are the firewalls that members of pairs are, by the members' names.
    """

    now: float
    since: float | None = None
    timezone: str | None = None
    members: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read: the groups, and what they can show."""

    groups: Groups
    coverage: Coverage


def read(names: Sequence[str], options: ReadOptions, groups: Groups | None = None) -> Reading:
    """Read files and folders; ``-`` is standard input.

    Args:
        names: what to read.
        options: how.
        groups: takes the observations in; by default they are only counted.

    Raises:
        UsageError: a file does not exist, or this machine does not know the time zone.
    """
    run = _Run(options, Groups() if groups is None else groups)
    for source in _ordered([*found(names)]):
        with uncollected():  # a million values without a cycle: looking for one takes a third
            run.read(source)
    return run.result()


def _ordered(sources: list[Source]) -> list[Source]:
    """Return sources, those with connections last: what was asked in them is known by then."""
    return sorted(sources, key=_tells_connections) if len(sources) > 1 else sources


def _tells_connections(source: Source) -> bool:
    if source.path is None:
        return False
    try:
        text = Text(source)
    except SourceError:
        return False
    try:
        return _CONNECTIONS in text.head
    finally:
        text.close()


class _Run:
    """One pass over all files."""

    def __init__(self, options: ReadOptions, groups: Groups) -> None:
        self._options = options
        zone: tzinfo = UTC if options.timezone is None else zone_of(options.timezone)
        self._clock, self._seen, self._named = Clock(zone), Seen(), Named()
        self._conversations, self._sessions = Conversations(), Sessions()
        self._groups, self._witnesses, self._addresses = groups, Witnesses(), Addresses()
        self._files: list[FileCoverage] = []
        self._add = Pairs(options.members, self._witnesses).taking(self._groups.add)

    def read(self, source: Source) -> None:
        tally = FileTally(name=source.name)
        try:
            text = Text(source)
        except SourceError as error:
            tally.problem = str(error)
            self._files.append(tally.result())
            return
        try:
            self._read(text, tally)
        finally:
            text.close()
        tally.cut = tally.cut or text.cut
        tally.problem = tally.problem or text.problem
        self._files.append(tally.result())

    def _read(self, text: Text, tally: FileTally) -> None:
        reader = reader_of(text.head)
        if reader is None:
            tally.problem = _unknown(text.head)
            return
        tally.format = reader.name
        context = Context(
            file=tally,
            witnesses=self._witnesses,
            clock=self._clock,
            seen=self._seen,
            named=self._named,
            addresses=self._addresses,
            conversations=self._conversations,
            sessions=self._sessions,
        )
        self._count(reader.read(text, context), tally)

    def _usable(self, one: Observation, tally: FileTally) -> bool:
        """Whether an odd record is used: neither from the future nor older than is asked for."""
        if one.end is None:
            tally.undated += 1
        elif one.end > self._options.now + FUTURE:
            tally.future += 1
            return False
        elif one.end > self._options.now:
            self._witnesses[one.group.witness].ahead += 1
        else:
            tally.early += 1
            return False
        return True

    def _count(self, observations: Iterator[Observation], tally: FileTally) -> None:
        """Take every observation in; a million times, so that it does little."""
        add, spans, steps = self._add, dict[str, list[float]](), dict[str, int]()
        records, denied = dict[str, int](), set[tuple[str, bool]]()
        since, near = self._options.since or float("-inf"), self._options.now + AHEAD
        for one in observations:
            group, _, end, _, _, _ = one
            if (end is None or not since <= end <= near) and not self._usable(one, tally):
                continue
            add(one)
            name = group.witness
            records[name] = records.get(name, 0) + 1
            if end is not None:
                _widen(spans, name, end)
                if steps.get(name) != (step := int(end) // STEP):
                    steps[name] = step
                    self._witnesses[name].heard(end)
            if group.verdict == "deny":
                denied.add((name, group.rule in _DEFAULTS))
        for name, span in spans.items():
            for end in span:
                self._witnesses[name].heard(end)
        for name, default in denied:
            self._witnesses[name].denials = True
            self._witnesses[name].default_denials |= default
        for name, number in records.items():
            self._witnesses[name].records += number
            self._witnesses[name].formats.add(tally.format)
        tally.records += sum(records.values())

    def result(self) -> Reading:
        alone = FileTally(name="", format="functions without a connection")
        self._count(self._conversations.alone(), alone)
        unended = FileTally(name="", format="sessions that did not end")
        self._count(self._sessions.open(), unended)
        zone = self._options.timezone or "UTC"
        coverage = Coverage(
            files=tuple(self._files),
            witnesses=self._witnesses.results(),
            timezone=zone,
            forgot=self._seen.forgot or self._named.forgot,
            spilled=self._groups.spilled,
        )
        return Reading(groups=self._groups, coverage=coverage)


def _widen(spans: dict[str, list[float]], name: str, end: float) -> None:
    span = spans.get(name)
    if span is None:
        spans[name] = [end, end]
    elif end > span[1]:
        span[1] = end
    elif end < span[0]:
        span[0] = end


def _unknown(head: str) -> str:
    first = next((line for line in head.splitlines() if line.strip()), "")
    if not first:
        return "it is empty"
    return f"it is none of the formats that segctl reads; it begins with: {first[:100]}"
