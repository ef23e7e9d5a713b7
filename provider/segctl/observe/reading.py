"""Files of records to groups and coverage: what every command that looks at traffic begins with."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from datetime import timezone as dt_timezone
from typing import TYPE_CHECKING, Final, Protocol

from segctl.observe.coverage import (
    AHEAD,
    FUTURE,
    SKEW,
    AskedCoverage,
    Coverage,
    FileTally,
    RuleCount,
)
from segctl.observe.grouping import Groups
from segctl.observe.memory import Memory
from segctl.observe.pieces import UnseenError, cut, refuse_unseen
from segctl.observe.readers import READERS, TOLD, reader_of
from segctl.observe.readers.base import Addresses, Context, RefusedError
from segctl.observe.sources import Source, SourceError, Text, digest_of, found
from segctl.observe.times import STEP, Clock, zone_of
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from segctl.observe.coverage import FileCoverage, Unheard
    from segctl.observe.observation import Observation
    from segctl.observe.pieces import Piece
    from segctl.providers.watching import Answer

#: A field that only Zeek's records of connections have.
_CONNECTIONS: Final = "conn_state"
_BY_NAME: Final = {reader.name: reader for reader in READERS}
_TOO_MANY: Final = "it has more groups than fit in memory at once"
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
    """What was read: the groups, what they can show, and the digests of files if asked for.

    `pieces` is how many pieces others were given, `again` how many of them had to be read once
    more here, since they go on with what came before, `unseen` files that others do not see.
    """

    groups: Groups
    coverage: Coverage
    digests: tuple[str, ...] = ()
    pieces: int = 0
    again: int = 0
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece to be read by itself; `groups` is empty, and takes it in. `called` names hosts."""

    piece: Piece
    options: ReadOptions
    groups: Groups
    called: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What a piece came to, read by itself; `unread` says why it was not, and has to be here."""

    tally: FileTally
    memory: Memory
    groups: Groups
    digest: str = ""
    unread: str = ""


class Readers(Protocol):
    """Others who read pieces (`read_piece`)."""

    @property
    def piece(self) -> int:
        """Of about how many bytes a piece is to be."""
        ...

    def read(self, work: Sequence[Work], /) -> Generator[Partial]:
        """Yield what pieces come to, in their order, with few of them ahead."""
        ...


def read(
    names: Sequence[str],
    options: ReadOptions,
    groups: Groups | None = None,
    told: Told | None = None,
    readers: Readers | None = None,
) -> Reading:
    """Read files and folders; ``-`` is standard input.

    A device is one witness, whichever of its members saw something, and whether it told so itself
    or a file does.

    Args:
        names: what to read.
        options: how.
        groups: takes the observations in; by default they are only counted.
        told: what devices told.
        readers: who reads pieces of the files; what comes of it is the same, to the byte.

    Raises:
        UsageError: a file does not exist, or this machine does not know the time zone.
    """
    told = told or Told()
    run = _Run(options, Groups() if groups is None else groups, told)
    with uncollected():  # a million values without a cycle: looking for one takes a third
        for device, answer in run.told.answers:
            if answer.way != "session table":
                run.hear(device, answer)
    sources = _ordered([*found(names)], digest=options.digests)
    if readers is not None:
        run.read_apart(sources, readers)
    else:
        for source, text in sources:
            with uncollected():
                run.read(source, opened=text)
    for device, answer in run.told.answers:
        if answer.way == "session table":  # a log may tell how an open session began
            run.hear(device, answer)
    return run.result()


def read_piece(work: Work) -> Partial:
    """Read a piece by itself; what cannot be told from it alone is left to whoever joins it."""
    run = _Run(work.options, work.groups, Told(), alone=True)
    run.called = dict(work.called)
    tally = FileTally(name=work.piece.source.name)
    digest, unread = "", ""
    try:
        refuse_unseen(work.piece)
        with uncollected():
            digest = run.read_part(work.piece, tally)
    except (SourceError, UnseenError) as error:
        unread = str(error)
    if work.groups.spilled:
        unread = _TOO_MANY
    if unread:
        groups = work.groups.fresh()
        work.groups.close()
        empty = _Run(work.options, groups, Told(), alone=True)
        return Partial(tally=tally, memory=empty.memory, groups=groups, unread=unread)
    return Partial(tally=tally, memory=run.memory, groups=work.groups, digest=digest)


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

    def __init__(
        self, options: ReadOptions, groups: Groups, told: Told, *, alone: bool = False
    ) -> None:
        self._options = options
        self.told, self.called = told, told.called()
        zone: tzinfo = UTC if options.timezone is None else zone_of(options.timezone)
        self.memory = Memory(zone, options.members, alone=alone)
        self._groups, self._witnesses = groups, self.memory.witnesses
        self._addresses = Addresses()
        self._files: list[FileCoverage] = []
        self._digests: list[str] = []
        self._add = self.memory.pairs.taking(self._groups.add)
        self._pieces = self._again = 0
        self._unseen: list[str] = []

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

    def read_apart(
        self, sources: Sequence[tuple[Source, Text | SourceError | None]], readers: Readers
    ) -> None:
        """Have files read in pieces by others, and take these in as if read one after the other."""
        pieces = [() if text is not None else cut(one, readers.piece) for one, text in sources]
        options = replace(self._options, members=dict(self._options.members))
        work = [
            Work(
                piece=piece,
                options=options,
                groups=self._groups.fresh(),
                called=self.called,
            )
            for parts in pieces
            for piece in parts
        ]
        self._pieces = len(work)
        with closing(readers.read(work)) as partials:
            for (source, text), parts in zip(sources, pieces, strict=True):
                with uncollected():
                    if parts:
                        self._join(source, parts, partials)
                    else:
                        self.read(source, opened=text)

    def _join(self, source: Source, parts: Sequence[Piece], partials: Iterator[Partial]) -> None:
        """Take in the parts of a file; behind where one of them ends early nothing is read."""
        whole, digests = FileTally(name=source.name), list[str]()
        for piece in parts:
            partial = next(partials)
            if not (whole.problem or whole.cut):
                tally, digest = self._taken(piece, partial)
                whole.join(tally)
                digests.append(digest)
        if self._options.digests and digests[0]:
            self._digests.append(digests[0] if len(parts) == 1 else digest_of(source))
        self._files.append(whole.result())

    def _taken(self, piece: Piece, partial: Partial) -> tuple[FileTally, str]:
        """Take in what a piece came to; it is read here where that depends on what came before."""
        early = piece.format and (partial.tally.cut or partial.tally.problem)
        if not (partial.unread or early) and self.memory.apart(partial.memory):
            self.memory.join(partial.memory)
            self._groups.absorb(partial.groups)
            return partial.tally, partial.digest
        partial.groups.close()
        if partial.unread and partial.unread != _TOO_MANY:
            self._unseen.append(piece.source.name)
        else:
            self._again += 1
        tally = FileTally(name=piece.source.name)
        try:
            return tally, self.read_part(piece, tally)
        except SourceError as error:
            tally.problem = str(error)
            return tally, ""

    def read_part(self, piece: Piece, tally: FileTally) -> str:
        """Read a part of a file, and return the digest of it, if asked for.

        Raises:
            SourceError: it cannot be opened.
        """
        text = Text(piece.source, digest=self._options.digests)
        try:
            self._read(text, tally, known=piece.format)
            return text.digest() if self._options.digests else ""
        finally:
            text.close()
            tally.cut = tally.cut or text.cut
            tally.problem = tally.problem or text.problem

    def _read(
        self,
        text: Text,
        tally: FileTally,
        device: str = "",
        answer: Answer | None = None,
        *,
        known: str = "",
    ) -> None:
        reader = TOLD[answer.way] if answer is not None else _BY_NAME.get(known)
        reader = reader or reader_of(text.head)
        if reader is None:
            tally.problem = _unknown(text.head)
            return
        tally.format = reader.name
        context = Context(
            file=tally,
            witnesses=self._witnesses,
            signs=self.memory.signs,
            clock=self.memory.clock if answer is None else _clock_of(answer),
            seen=self.memory.seen,
            named=self.memory.named,
            addresses=self._addresses,
            conversations=self.memory.conversations,
            sessions=self.memory.sessions,
            answer=answer,
            device=device,
            called=self.called,
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
            "functions without a connection": self.memory.conversations.alone(),
            "sessions that did not end": self.memory.sessions.open(),
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
            forgot=self.memory.seen.forgot or self.memory.named.forgot,
            spilled=self._groups.spilled,
            asked=tuple(_asked(device, answer) for device, answer in self.told.answers),
            failed=tuple(self.told.failed),
            counters=tuple(_counters(self.told)),
        )
        return Reading(
            groups=self._groups,
            coverage=coverage,
            digests=tuple(self._digests),
            pieces=self._pieces,
            again=self._again,
            unseen=tuple(dict.fromkeys(self._unseen)),
        )


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
