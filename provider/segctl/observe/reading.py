"""Files of records to groups and coverage: what every command that looks at traffic begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from datetime import timezone as dt_timezone
from typing import TYPE_CHECKING, Final

from segctl.observe.coverage import (
    AHEAD,
    FUTURE,
    SKEW,
    AskedCoverage,
    Coverage,
    FileTally,
    RuleCount,
    Witnesses,
)
from segctl.observe.duplicates import Named, Seen
from segctl.observe.grouping import Groups
from segctl.observe.pairs import Pairs
from segctl.observe.readers import TOLD, reader_of
from segctl.observe.readers.base import Addresses, Context, RefusedError
from segctl.observe.readers.conversations import Conversations
from segctl.observe.readers.panos_sessions import Sessions
from segctl.observe.sources import Source, SourceError, Text, found
from segctl.observe.times import STEP, Clock, zone_of
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from segctl.observe.coverage import FileCoverage, Unheard
    from segctl.observe.observation import Observation
    from segctl.providers.watching import Answer

#: A field that only Zeek's records of connections have.
_CONNECTIONS: Final = "conn_state"
#: Rules that judge what no other rule does, where they deny.
_DEFAULTS: Final = frozenset({"interzone-default", "intrazone-default", "default"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How records are read.

    `now` and `since` are seconds since 1970; records that end before `since` are left out.
    `timezone` is where times without an offset are from, None where the user did not say: then
    UTC. With `digests`, those of the files are worked out. `members` are the firewalls that members
    of pairs are, by the members' names.
    """

    now: float
    since: float | None = None
    timezone: str | None = None
    digests: bool = False
    members: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What devices told: each answer with the name of its host, and the hosts that told nothing.

    `conduits` are the conduits of rules, by host and rule.
    """

    answers: Sequence[tuple[str, Answer]] = ()
    failed: Sequence[Unheard] = ()
    conduits: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def called(self) -> dict[str, str]:
        """Return the host that each serial number is of, where it is of one."""
        hosts: dict[str, set[str]] = {}
        for device, answer in self.answers:
            hosts.setdefault(answer.serial, set()).add(device)
        return {serial: min(names) for serial, names in hosts.items() if serial and len(names) == 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read: the groups, what they can show, and the digests of files if asked for."""

    groups: Groups
    coverage: Coverage
    digests: tuple[str, ...] = ()


def read(
    names: Sequence[str],
    options: ReadOptions,
    groups: Groups | None = None,
    told: Told | None = None,
) -> Reading:
    """Read files and folders; ``-`` is standard input.

    A device is one witness, whichever of its members saw something, and whether it told so itself
    or a file does.

    Args:
        names: what to read.
        options: how.
        groups: takes the observations in; by default they are only counted.
        told: what devices told.

    Raises:
        UsageError: a file does not exist, or this machine does not know the time zone.
    """
    run = _Run(options, Groups() if groups is None else groups, told or Told())
    with uncollected():  # a million values without a cycle: looking for one takes a third
        for device, answer in run.told.answers:
            if answer.way != "session table":
                run.hear(device, answer)
    for source, text in _ordered([*found(names)], digest=options.digests):
        with uncollected():
            run.read(source, opened=text)
    for device, answer in run.told.answers:
        if answer.way == "session table":  # a log may tell how an open session began
            run.hear(device, answer)
    return run.result()


def _ordered(
    sources: list[Source], *, digest: bool
) -> list[tuple[Source, Text | SourceError | None]]:
    """Return sources, those with connections last: what was asked in them is known by then.

    A pipe gives what it holds only once, so it comes with its text, which is open already.
    """
    if len(sources) < 2:
        return [(source, None) for source in sources]
    looked = [(source, *_looked_at(source, digest=digest)) for source in sources]
    return [(source, text) for source, text, _ in sorted(looked, key=lambda one: one[2])]


def _looked_at(source: Source, *, digest: bool) -> tuple[Text | SourceError | None, bool]:
    """Return what a pipe gave or why a source cannot be read, and whether it has connections."""
    if source.path is None:
        return None, False
    try:
        text = Text(source, digest=digest)
    except SourceError as error:
        return error, False
    connections = _CONNECTIONS in text.head
    if text.once:
        return text, connections
    text.close()
    return None, connections


class _Run:
    """One pass over all files."""

    def __init__(self, options: ReadOptions, groups: Groups, told: Told) -> None:
        self._options = options
        self.told, self._called = told, told.called()
        zone: tzinfo = UTC if options.timezone is None else zone_of(options.timezone)
        self._clock, self._seen, self._named = Clock(zone), Seen(), Named()
        self._conversations, self._sessions = Conversations(), Sessions()
        self._groups, self._witnesses, self._addresses = groups, Witnesses(), Addresses()
        self._files: list[FileCoverage] = []
        self._digests: list[str] = []
        self._add = Pairs(options.members, self._witnesses).taking(self._groups.add)

    def hear(self, device: str, answer: Answer) -> None:
        """Take in what a device told."""
        if not answer.text:
            return
        source = Source(name=f"{answer.member}: {answer.way}", path=None, data=answer.text)
        self.read(source, device, answer)
        if abs(answer.ahead) > SKEW:
            self._witnesses[device].received(-answer.ahead)

    def read(
        self,
        source: Source,
        device: str = "",
        answer: Answer | None = None,
        opened: Text | SourceError | None = None,
    ) -> None:
        """Take in a file, which may have been opened already, or what a device told."""
        tally = FileTally(name=source.name)
        try:
            if isinstance(opened, SourceError):
                raise opened
            text = opened or Text(source, digest=self._options.digests)
        except SourceError as error:
            tally.problem = str(error)
            self._files.append(tally.result())
            return
        try:
            self._read(text, tally, device, answer)
            if self._options.digests:
                self._digests.append(text.digest())
        finally:
            text.close()
        tally.cut = tally.cut or text.cut
        tally.problem = tally.problem or text.problem
        self._files.append(tally.result())

    def _read(
        self, text: Text, tally: FileTally, device: str = "", answer: Answer | None = None
    ) -> None:
        reader = TOLD[answer.way] if answer is not None else reader_of(text.head)
        if reader is None:
            tally.problem = _unknown(text.head)
            return
        tally.format = reader.name
        context = Context(
            file=tally,
            witnesses=self._witnesses,
            clock=self._clock if answer is None else _clock_of(answer),
            seen=self._seen,
            named=self._named,
            addresses=self._addresses,
            conversations=self._conversations,
            sessions=self._sessions,
            answer=answer,
            device=device,
            called=self._called,
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
            name = one.group.witness
            if not self._is_witness(name, tally):
                return False
            self._witnesses[name].ahead += 1
        else:
            tally.early += 1
            return False
        return True

    def _is_witness(self, name: str, tally: FileTally) -> bool:
        """Whether a witness is one of those that count."""
        try:
            self._witnesses[name]
        except RefusedError as error:
            tally.refuse(str(error), 0, f"a record of {name}")
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
            name = group.witness
            if name not in records and not self._is_witness(name, tally):
                continue
            add(one)
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
        self._add_up(records, tally)

    def _add_up(self, records: Mapping[str, int], tally: FileTally) -> None:
        for name, number in records.items():
            self._witnesses[name].records += number
            self._witnesses[name].formats.add(tally.format)
        tally.records += sum(records.values())

    def result(self) -> Reading:
        left = {
            "functions without a connection": self._conversations.alone(),
            "sessions that did not end": self._sessions.open(),
        }
        for what, observations in left.items():
            tally = FileTally(name=what, format=what)
            self._count(observations, tally)
            if tally.result().refusals:
                self._files.append(tally.result())
        zone = self._options.timezone or "UTC"
        coverage = Coverage(
            files=tuple(self._files),
            witnesses=self._witnesses.results(),
            timezone=zone,
            forgot=self._seen.forgot or self._named.forgot,
            spilled=self._groups.spilled,
            asked=tuple(_asked(device, answer) for device, answer in self.told.answers),
            failed=tuple(self.told.failed),
            counters=tuple(_counters(self.told)),
        )
        return Reading(groups=self._groups, coverage=coverage, digests=tuple(self._digests))


def _clock_of(answer: Answer) -> Clock:
    return Clock(dt_timezone(timedelta(seconds=answer.offset)))


def _asked(device: str, answer: Answer) -> AskedCoverage:
    return AskedCoverage(
        device=device,
        member=answer.member,
        way=answer.way,
        serial=answer.serial,
        first=answer.first,
        last=answer.last,
        requests=answer.requests,
        records=answer.records,
        left_out=answer.left_out,
        cut=answer.cut,
        unread=answer.unread,
        ahead=answer.ahead,
    )


def _counters(told: Told) -> Iterator[RuleCount]:
    for device, answer in told.answers:
        for one in answer.hits:
            yield RuleCount(
                device=device,
                rule=one.rule,
                conduit=told.conduits.get((device, one.rule), ""),
                packets=one.count,
            )


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
