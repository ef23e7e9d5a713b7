"""What a Linux host tells of its traffic: its connections, its kernel's log, its counters.

A connection that is over is in no list, and rules write to NFLOG unless they are told otherwise,
which no command reads: a gateway tells less than its records do. The journal is read without sudo,
whose lines cannot hold a time that changes. Measured with conntrack 1.4.7 on a
kernel 6.1: the entries of one family, and on standard error how many there were.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError
from segctl.providers.counting import Hits
from segctl.providers.nftables import names
from segctl.providers.watching import Answer, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from segctl.providers.nftables.table import Counter
    from segctl.transports.ssh_exec import Answer as Output

CONNTRACK: Final = "/usr/sbin/conntrack -L -f {}"
FAMILIES: Final = ("ipv4", "ipv6")
TRACKED: Final = "/usr/bin/cat /proc/net/nf_conntrack"
JOURNAL: Final = "/usr/bin/journalctl -k -q -o short-iso --no-pager --since=@{}"
#: The commands that a read-only session may send for this.
READERS: Final = (
    re.compile(r"(?:sudo -n )?/usr/sbin/conntrack -L -f ipv[46]"),
    re.compile(rf"(?:sudo -n )?{re.escape(TRACKED)}"),
    re.compile(
        r"/usr/bin/journalctl -k -q -o short-iso --no-pager --since=@[0-9]{1,11}",
        re.ASCII,
    ),
)
_SHOWN: Final = re.compile(r"(\d{1,9}) flow entries have been shown", re.ASCII)
#: A line has a hundred bytes and more, but so many short ones would take gigabytes.
_MOST_LINES: Final = 400_000
#: A log statement of ours without a group, in a listing: it writes to the kernel's log.
_TO_KERNEL: Final = re.compile(r'"log": ?\{"prefix": ?"segctl [^"]*"\}')
_UNTOLD: Final = "nftables does not tell since when a rule counts"


def connections(host: str, run: Callable[[str], Output], now: datetime) -> Answer:
    """Return the connections that a host tracks now."""
    moment = now.timestamp()
    empty = Answer(member=host, way="connections", first=moment, last=moment, requests=1)
    lines: list[str] = []
    why = ""
    for family in FAMILIES:
        answer = run(CONNTRACK.format(family))
        if answer.code != 0:
            why = answer.reason
            break
        found = _lines(host, answer.out)
        told = _SHOWN.search(answer.err)
        if told is None or int(told[1]) != len(found):
            shown = told[1] if told else "no number of"
            message = f"conntrack says that it showed {shown} connections, and showed {len(found)}"
            raise ParseError(host, message)
        lines += found
    else:
        return _of(empty, lines, requests=len(FAMILIES))
    answer = run(TRACKED)
    if answer.code == 0:
        return _of(empty, _lines(host, answer.out), requests=2)
    return _unread(empty, f"{why}; and without conntrack: {answer.reason}")


def kernel_log(
    host: str, run: Callable[[str], Output], since: datetime, now: datetime, listing: str
) -> Answer | None:
    """Return what our rules wrote to the kernel's log; None where none of them does."""
    if not _TO_KERNEL.search(listing):
        return None
    empty = Answer(
        member=host,
        way="kernel log",
        first=since.timestamp(),
        last=now.timestamp(),
        requests=1,
    )
    answer = run(JOURNAL.format(max(0, int(since.timestamp()))))
    if answer.code != 0:
        return _unread(empty, answer.reason)
    ours = [line for line in _lines(host, answer.out) if "segctl " in line and "SRC=" in line]
    return _of(empty, ours, requests=1)


def counters(host: str, held: Iterable[Counter], now: datetime) -> Answer:
    """Return the packets that our rules counted, and those that none of them let pass."""
    hits = [
        Hits(rule=names.counted_rule(one.name) or one.name, count=one.packets, doubt=_UNTOLD)
        for one in held
        if names.counted_rule(one.name) is not None or one.name == names.DENIED
    ]
    moment = now.timestamp()
    return Answer(
        member=host,
        way="rule counters",
        first=moment,
        last=moment,
        requests=1,
        records=len(hits),
        hits=tuple(hits),
    )


def _lines(host: str, text: str) -> list[str]:
    """Return the lines of an answer.

    Raises:
        ParseError: there are so many that they are none of connections or of a log.
    """
    if text.count("\n") > _MOST_LINES:
        raise ParseError(host, f"answers with more than {_MOST_LINES} lines about its traffic")
    return [line for line in text.split("\n") if line.strip()]


def _of(empty: Answer, lines: list[str], *, requests: int) -> Answer:
    return replace(empty, records=len(lines), requests=requests, text=packed(lines))


def _unread(empty: Answer, why: str) -> Answer:
    return replace(empty, unread=why)
