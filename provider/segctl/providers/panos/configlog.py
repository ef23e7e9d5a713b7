"""A firewall's configuration log: which administrator last changed each live item.

A query is a job: ask, then fetch until it has finished. Fields and their values: the vendor's
"Config Log Fields" (PAN-OS administrator's guide, 9.1 to 11.1) and a recorded answer of 10.1.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.durations import format_duration
from segctl.model.errors import ConnectError, ParseError
from segctl.providers.logs import Author, DeviceLog, Logged
from segctl.providers.panos.elements import reason
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.location import Location
    from segctl.transports.target import Target

Steps = tuple[tuple[str, str], ...]

#: Entries per query, and how many are read before the log counts as silent.
PAGE, MOST = 500, 2000
#: Lines that are read where the whole log is asked for.
HISTORY = 20_000
#: How the log writes a moment, once its slashes are dashes.
_STAMP = "%Y-%m-%d %H:%M:%S"
_POLL = 0.2
_STEP = re.compile(r"""/([A-Za-z0-9_.-]+)(?:\[@name=(?:'([^']*)'|"([^"]*)")\])?""")
#: Results that changed nothing.
_REFUSED = frozenset({"Failed", "Unauthorized"})
#: Commands on a container that affect everything in it.
_SWEEPING = frozenset({"delete", "edit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the log."""

    admin: str
    time: str
    command: str
    client: str
    host: str
    result: str
    steps: Steps
    #: the place in words, if the device writes no xpath
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The present and past places of an item of ours."""

    steps: tuple[Steps, ...]
    words: tuple[str, ...]

    def touched_by(self, entry: Entry) -> bool:
        """Whether a log line is about this item."""
        if not entry.steps:
            return entry.words in self.words
        for steps in self.steps:
            if entry.steps[: len(steps)] == steps:
                return True
            around = len(entry.steps) > 2 and steps[: len(entry.steps)] == entry.steps
            if around and entry.command in _SWEEPING:
                return True
        return False


def steps_of(xpath: str) -> Steps:
    """Return the steps of an xpath, each with its entry's name, up to the first complex one."""
    steps: list[tuple[str, str]] = []
    place = 0
    while (match := _STEP.match(xpath, place)) is not None:
        steps.append((match[1], match[2] or match[3] or ""))
        place = match.end()
    return tuple(steps)


def wanted(place: Location, kind: str, called: Iterable[str]) -> Wanted:
    """Return the places of an item, for each of its names; none where it is of another kind."""
    if kind not in place.containers:
        return Wanted(steps=(), words=())
    container = place.all_of(kind)
    words = f"{place.container} {place.name} {place.containers[kind].replace('/', ' ')}"
    return Wanted(
        steps=tuple((*steps_of(container), ("entry", name)) for name in called),
        words=tuple(_squeezed(f"{words} {name}") for name in called),
    )


def authors(
    lines: Iterable[Entry],
    items: Sequence[Wanted],
    *,
    user: str,
    pending: Iterable[tuple[str, str]] = (),
) -> tuple[Author | None, ...]:
    """Return who last changed each item in the running configuration.

    Lines after the last commit are about the candidate, and so are those of an administrator
    whose change of the same place is still uncommitted. A device logs the rename of an object, and
    not the references it rewrites for that (rename: PAN-OS XML API, "references follow"). So where
    the last line on an item is our account's and somebody renamed an object after it, nobody is
    named.

    Args:
        lines: the log, newest first; read only as far as needed.
        items: what is asked about.
        user: the account segctl logs in with.
        pending: owner and xpath of uncommitted changes.
    """
    staged = [(owner, steps_of(xpath)) for owner, xpath in pending]
    by_item: dict[int, Author | None] = {}
    committed = rewritten = False
    for line in lines:
        if line.result in _REFUSED:
            continue
        if line.command.startswith("commit"):
            committed = True
            continue
        if not committed or any(_overlap(line, owner, steps) for owner, steps in staged):
            continue
        for index, item in enumerate(items):
            if index not in by_item and item.touched_by(line):
                author = _author(line, user)
                by_item[index] = None if author.own and rewritten else author
        rewritten = rewritten or _rewrites(line, user)
        if len(by_item) == len(items):
            break
    return tuple(by_item.get(index) for index in range(len(items)))


def _rewrites(line: Entry, user: str) -> bool:
    """Whether a line may have changed what refers to its object, by somebody else's hand."""
    of_a_rule = any(tag == "rules" for tag, _ in line.steps)
    return line.command == "rename" and line.admin != user and not of_a_rule


def _overlap(line: Entry, owner: str, steps: Steps) -> bool:
    depth = min(len(line.steps), len(steps))
    return line.admin == owner and line.steps[:depth] == steps[:depth]


def _author(line: Entry, user: str) -> Author:
    return Author(
        admin=line.admin,
        time=line.time,
        command=line.command,
        client=line.client,
        host=line.host,
        own=line.admin == user,
    )


def read_log(
    target: Target, ask: Callable[[Mapping[str, str]], bytes], most: int = MOST
) -> Iterator[Entry]:
    """Yield the log's lines, newest first, a page at a time.

    Raises:
        DeviceError: the device does not show its log.
    """
    for skip in range(0, most, PAGE):
        page = _page(target, ask, skip)
        yield from page
        if len(page) < PAGE:
            return


def whole(
    target: Target,
    ask: Callable[[Mapping[str, str]], bytes],
    *,
    now: datetime,
    clock: str,
    since: datetime | None,
) -> DeviceLog:
    """Return the log since a moment, its oldest line last.

    Args:
        target: the device, and the account we use there.
        ask: sends a request.
        now: the moment by our clock.
        clock: the same moment as the device says it, in its own time zone.
        since: from when by our clock; None for as far back as `HISTORY` lines reach.

    Raises:
        ParseError: the device's clock cannot be read.
        DeviceError: the device does not show its log.
    """
    ahead = moment(target, clock) - now.replace(microsecond=0)
    last = (since + ahead).strftime(_STAMP) if since is not None else ""
    lines: list[Logged] = []
    for entry in read_log(target, ask, HISTORY):
        if entry.time < last:
            return DeviceLog(lines=tuple(lines), ahead=ahead)
        lines.append(_logged(entry, target.user))
    return DeviceLog(lines=tuple(lines), ahead=ahead, complete=len(lines) < HISTORY)


def moment(target: Target, clock: str) -> datetime:
    """Return a time as `show system info` has it, such as ``Sun Nov 29 07:40:40 2026``."""
    try:
        return datetime.strptime(clock.strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError as error:
        raise ParseError(target.name, f"its clock shows {clock.strip()[:40]!r}") from error


def _logged(entry: Entry, user: str) -> Logged:
    named = " ".join(f"{tag} {name}".strip() for tag, name in entry.steps)
    return Logged(
        time=entry.time.replace(" ", "T", 1),
        admin=entry.admin,
        command=entry.command,
        result=entry.result,
        where=entry.words or named,
        client=entry.client,
        host=entry.host,
        own=entry.admin == user,
    )


def _page(target: Target, ask: Callable[[Mapping[str, str]], bytes], skip: int) -> Sequence[Entry]:
    query = {"type": "log", "log-type": "config", "dir": "backward"}
    answer = _answer(target, ask({**query, "nlogs": str(PAGE), "skip": str(skip)}))
    job = answer.findtext("result/job") or ""
    deadline = time.monotonic() + target.timeout
    while True:
        answer = _answer(target, ask({"type": "log", "action": "get", "job-id": job}))
        if answer.findtext("result/job/status") == "FIN":
            return [_entry(line) for line in answer.iterfind("result/log/logs/entry")]
        if time.monotonic() > deadline:
            raise ConnectError(
                target.name,
                f"its log query took over {format_duration(target.timeout)} (segctl_timeout)",
            )
        time.sleep(_POLL)


def _answer(target: Target, body: bytes) -> Element:
    root = xml(target, body)
    if root.get("status") != "success":
        raise ParseError(target.name, f"does not show its configuration log: {reason(root)}")
    return root


def _entry(line: Element) -> Entry:
    def text(tag: str) -> str:
        return (line.findtext(tag) or "").strip()

    return Entry(
        admin=text("admin"),
        time=(text("time_generated") or text("receive_time")).replace("/", "-"),
        command=text("cmd"),
        client=text("client"),
        host=text("host"),
        result=text("result"),
        steps=steps_of(text("full-path")),
        words=_squeezed(text("path")),
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())
