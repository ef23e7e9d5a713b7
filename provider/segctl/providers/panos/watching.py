"""What a firewall tells of its traffic: its session table, then its logs or the sums of them.

The session table comes first: a session that ends afterwards is in it, one that ended before in the
log, and none in both. Words of its filter: the vendor's CLI reference.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from segctl.model.errors import DeviceError, ParseError
from segctl.providers.panos import logged
from segctl.providers.panos.asking import PATIENCE, Asking
from segctl.providers.panos.configlog import moment
from segctl.providers.panos.member import SYSTEM
from segctl.providers.watching import Answer, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl.providers.panos.member import Member
    from segctl.providers.panos.windows import Walked
    from segctl.providers.watching import Watch, Way

#: So many open sessions are asked for at most: more is an answer that nobody can hold.
MOST_SESSIONS: Final = 5000
#: If there are more, only those are that are at least so old, in seconds: no log tells of them yet.
_AGES: Final = (0, 3600, 86400, 7 * 86400, 30 * 86400)
_SESSION: Final = frozenset(
    [
        *("source", "dst", "xsource", "xdst", "sport", "dport", "proto", "from", "to", "vsys"),
        *("application", "security-rule", "src-user", "state", "start-time", "total-byte-count"),
        *("idx",),
    ]
)
#: No clock is this far from UTC by its zone.
_ZONES: Final = timedelta(hours=15)
_QUARTER: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Who answered, as its answers bear it."""

    answer: Answer
    asking: Asking
    first: int
    last: int

    def told(self, way: Way, walked: Walked) -> Answer:
        """Return what was read of a log."""
        return replace(
            self.answer,
            way=way,
            first=float(walked.first),
            last=float(self.last),
            requests=walked.requests,
            records=walked.records,
            left_out=tuple(sorted((walked.left_out or {}).items())),
            cut=walked.cut,
            unread=walked.unread,
            text=walked.text,
        )


def tried(member: Member, vsys: str, watch: Watch) -> Iterator[Answer]:
    """Yield what a member of a pair tells; of one that does not answer, that."""
    way: Way = "traffic log" if watch.each else "traffic report"
    now = datetime.now(UTC).timestamp()
    try:
        found = _begun(member, vsys, watch, "")
    except DeviceError as error:
        yield Answer(member=member.target.name, way=way, first=now, last=now, unread=error.message)
    else:
        yield from _told(member, vsys, watch, found)


def seen(member: Member, vsys: str, watch: Watch, serial: str = "") -> Iterator[Answer]:
    """Yield what one firewall tells; what it does not is `Answer.unread`.

    Args:
        member: the firewall, or a Panorama for it.
        vsys: the virtual system.
        watch: what is asked.
        serial: of the firewall for which a Panorama answers, empty where none does.

    Raises:
        DeviceError: it does not answer, or its clock is wrong.
    """
    yield from _told(member, vsys, watch, _begun(member, vsys, watch, serial))


def _told(member: Member, vsys: str, watch: Watch, found: _Found) -> Iterator[Answer]:
    yield _table(member, vsys, found)
    yield found.told("traffic log" if watch.each else "traffic report", _log(found, watch))
    if watch.threats:
        yield found.told(
            "threat log", logged.entries(found.asking, "threat", found.first, found.last)
        )


def _log(found: _Found, watch: Watch) -> Walked:
    if watch.each:
        return logged.entries(found.asking, "traffic", found.first, found.last)
    return logged.sums(found.asking, found.first, found.last)


def _begun(member: Member, vsys: str, watch: Watch, serial: str) -> _Found:
    """Return who answers, and by which clock.

    Raises:
        DeviceError: nobody does, or the clock is wrong.
    """
    name = member.target.name
    system = member.client.op(SYSTEM)
    now = datetime.now(UTC)
    own = (system.findtext("result/system/serial") or "").strip()
    clock = moment(member.target, system.findtext("result/system/time") or "") - now
    if abs(clock) > _ZONES:
        raise ParseError(name, f"its clock is wrong: it shows {now + clock:%Y-%m-%d}")
    offset = _QUARTER * round(clock.total_seconds() / _QUARTER)
    ahead = clock.total_seconds() - offset
    asking = Asking(
        target=member.target,
        send=_sender(member, collected=bool(serial)),
        serial=serial or own,
        vsys=vsys,
        clock=timedelta(seconds=round(clock.total_seconds())),
        until=time.monotonic() + PATIENCE,
        collected=bool(serial),
    )
    told = Answer(
        member=name,
        way="traffic log",
        serial=asking.serial,
        offset=float(offset),
        ahead=ahead,
    )
    last = int(now.timestamp())
    first = min(last, int(watch.since.timestamp()))
    return _Found(answer=told, asking=asking, first=first, last=last)


def _sender(member: Member, *, collected: bool) -> Callable[[Mapping[str, str]], bytes]:
    """Return what sends a request for logs; a Panorama answers those itself, for all firewalls."""

    def send(params: Mapping[str, str]) -> bytes:
        client = member.client
        passed_on, client.passed_on = client.passed_on, "" if collected else client.passed_on
        try:
            return client.ask(params).body
        finally:
            client.passed_on = passed_on

    return send


# --- sessions ------------------------------------------------------------------------------------


def _table(member: Member, vsys: str, found: _Found) -> Answer:
    """Return the sessions that are open: of many, those that are old."""
    empty = replace(found.answer, way="session table", first=float(found.first))
    requests = 0
    try:
        for age in _AGES:
            requests += 1
            number = _number(member, _command(vsys, age, count=True))
            if number <= MOST_SESSIONS:
                requests += 1
                return _listed(member, vsys, replace(empty, requests=requests), age)
    except DeviceError as error:
        now = datetime.now(UTC).timestamp()
        return replace(empty, last=now, requests=requests, unread=error.message)
    return replace(
        empty,
        last=datetime.now(UTC).timestamp(),
        requests=requests,
        unread=f"more than {MOST_SESSIONS:,} sessions are open, of any age",
    )


def _listed(member: Member, vsys: str, empty: Answer, age: int) -> Answer:
    lines: list[str] = []
    others = 0
    for entry in member.client.op(_command(vsys, age)).iterfind("result/entry"):
        fields = {str(one.tag): one.text for one in entry if one.text and one.tag in _SESSION}
        if fields.get("vsys", vsys) != vsys:
            others += 1
        else:
            lines.append(json.dumps(fields, separators=(",", ":")))
    why = "they are of another virtual system than was asked for"
    old = f"only sessions of at least {age // 3600} h were asked for: so many are open"
    return replace(
        empty,
        last=datetime.now(UTC).timestamp(),
        records=len(lines),
        left_out=((why, others),) if others else (),
        cut=old if age else "",
        text=packed(lines),
    )


def _number(member: Member, command: str) -> int:
    """Return a number of sessions.

    Raises:
        ParseError: the answer is none.
    """
    text = (member.client.op(command).findtext("result/member") or "").strip()
    if not (text.isascii() and text.isdigit()):
        message = f"counts its sessions as {text[:40]!r}"
        raise ParseError(member.target.name, message)
    return int(text)


def _command(vsys: str, age: int, *, count: bool = False) -> str:
    words = {"vsys-name": vsys}
    words |= {"min-age": str(age)} if age else {}
    words |= {"count": "yes"} if count else {}
    inside = "".join(f"<{word}>{escape(text)}</{word}>" for word, text in words.items())
    return f"<show><session><all><filter>{inside}</filter></all></session></show>"
