"""A log read window by window, from the newest back: a window that comes back full is halved.

A firewall answers at most so many entries, newest first, and says nothing of the others. Pages
beyond shift while new entries arrive, so none is asked for: time is what is cut.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import DeviceError
from segctl.providers.watching import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY: Final = 86400
#: So many requests for windows, and entries in them, are enough for one log of one firewall.
MOST_WINDOWS: Final = 300
MOST_RECORDS: Final = 100_000
#: And so many bytes of them, packed: ten times what so many records take.
MOST_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The entries of one window as lines, oldest first; `full` says that there may be more.

    `strange` are reasons why entries were left out, one for each. `span` is how many seconds there
    are from the oldest entry to the end of the window, where that is known.
    """

    lines: Sequence[str]
    full: bool
    strange: Sequence[str] = ()
    span: int | None = None


@dataclass(slots=True, kw_only=True)
class Walked:
    """What was read: packed text, oldest first, back to `first`, and what is missing in it."""

    first: int
    text: bytes = b""
    records: int = 0
    requests: int = 0
    cut: str = ""
    unread: str = ""
    left_out: dict[str, int] | None = None

    def without(self, reasons: Sequence[str]) -> None:
        """Count what was left out."""
        self.left_out = self.left_out or {}
        for why in reasons:
            self.left_out[why] = self.left_out.get(why, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How windows are chosen, in seconds: the first is a day at most.

    The next one is twice as wide where it is likely that `most` entries are not in it. Those that
    are `daily` do not cross midnight in UTC.
    """

    most: int
    widest: int
    narrowest: int = 1
    daily: bool = False


def walked(
    first: int,
    last: int,
    steps: Steps,
    ask: Callable[[int, int], Page],
    until: float,
) -> Walked:
    """Read from `last` back to `first`, both included, in seconds since 1970.

    Args:
        first: the oldest moment.
        last: the newest moment.
        steps: how windows are chosen.
        ask: returns the entries of a window, both ends included.
        until: when to stop, by the monotonic clock.
    """
    found, parts, end = Walked(first=last + 1), list[bytes](), last
    size = max(1, min(DAY, steps.widest, last - first + 1))
    full_at: list[int] = []
    while end >= first:
        if why := _enough(found, sum(map(len, parts)), until):
            found.cut = why
            break
        begin = max(first, end - size + 1, end // DAY * DAY if steps.daily else first)
        found.requests += 1
        try:
            page = ask(begin, end)
        except DeviceError as error:
            found.unread = error.message
            break
        width = end - begin + 1
        if page.full and width > steps.narrowest:
            # a little less than what its entries cover: it is asked again, and counted anew
            likely = width if page.span is None else 9 * page.span // 10
            size = max(steps.narrowest, min(width // 2, likely))
            continue
        full_at += [begin] if page.full else []
        found.without(page.strange)
        parts.append(packed(page.lines))
        found.records += len(page.lines)
        found.first, end = begin, begin - 1
        if 3 * len(page.lines) < steps.most:
            size = min(steps.widest, 2 * size)
    if full_at:
        more = f"{len(full_at)} times there were more entries than one answer holds within "
        found.cut = "; ".join(filter(None, (found.cut, f"{more}{steps.narrowest} s")))
    found.text = b"".join(reversed(parts))
    return found


def _enough(found: Walked, size: int, until: float) -> str:
    """Return why nothing older is asked for, empty if it is."""
    if found.records >= MOST_RECORDS:
        return f"it has more than {MOST_RECORDS:,} records: older ones were not asked for"
    if size > MOST_BYTES:
        return f"it takes more than {MOST_BYTES >> 20} MiB: older records were not asked for"
    if found.requests >= MOST_WINDOWS:
        return f"{MOST_WINDOWS} requests were made: what is older was not asked for"
    if time.monotonic() > until:
        return "it takes too long: what is older was not asked for"
    return ""
