"""How the firewalls stand now: each with its state, its age and what is stale, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.model.durations import format_duration
from segctl.report.escape import html_text
from segctl.report.labels import counted
from segctl.report.plant_page.tables import plain_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Any

#: How a firewall stands to what is declared for it.
Standing: TypeAlias = Literal["in sync", "drifted", "cannot tell"]
#: So many changes are listed in words, the newest of them.
MOST_NAMED = 20
_OLD = "the firewalls have not been read for too long"
_HEADS = ("Firewall", "State", "Last read", "What")
_PAST = ("Time", "Firewall", "Was", "Is", "What")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNow:
    """How a firewall stood at the last look.

    `items` are what has drifted, `told` is why it cannot be told how it stands, or who is cut off
    on it. `read` is when it was last read, None if it never was; `before` is how it stood then,
    where that is over.
    """

    name: str
    standing: Standing
    items: tuple[str, ...] = ()
    told: str = ""
    read: datetime | None = None
    before: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A change of how a firewall stands, or of what has drifted on it, and when it was seen."""

    moment: datetime
    device: str
    was: Standing
    now: Standing
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How all firewalls stood at the last look, which began at `moment`.

    `error` is why there was no newer one, `tried` when that was. `patience` is how many seconds a
    reading is good for.
    """

    moment: datetime
    devices: tuple[DeviceNow, ...]
    every: float
    patience: float
    error: str = ""
    tried: datetime | None = None

    def stale(self, at: datetime) -> bool:
        """Whether it is so old that nobody can tell how the firewalls stand.

        Nobody can either where the clock was set back, to long before it was read.
        """
        return abs((at - self.moment).total_seconds()) > self.patience


def standing_at(device: DeviceNow, now: Now, at: datetime) -> Standing:
    """Return how a firewall stands at a moment: an old reading says nothing of it."""
    return "cannot tell" if now.stale(at) else device.standing


def now_lines(now: Now, at: datetime) -> Iterator[str]:
    """Yield how the firewalls stand, as lines of HTML, as of a moment."""
    if now.error:
        when = f"{now.tried or now.moment:%Y-%m-%d %H:%M:%S %Z}"
        yield f'<p class="bad"><b>Not read at {when}</b>, so this is what was read before:</p><ul>'
        for line in now.error.splitlines()[:MOST_NAMED]:
            yield f'<li class="error">{html_text(line)}</li>'
        yield "</ul>"
    stale = now.stale(at)
    states = [standing_at(one, now, at) for one in now.devices]
    counts = [(word, states.count(word)) for word in ("in sync", "drifted", "cannot tell")]
    said = ", ".join(f"{number} {word}" for word, number in counts if number)
    total = counted(len(states), "firewall")
    yield f'<p id="standing" class="headline">{total}: {said or "none"}</p>'
    old = format_duration(round((at - now.moment).total_seconds()))
    age = f"read {old} ago, at {now.moment:%Y-%m-%d %H:%M:%S %Z}"
    again = f"again every {format_duration(now.every)}"
    if stale:
        yield f'<p class="bad"><b>Stale</b>: {age}. How firewalls stand now cannot be told.</p>'
    else:
        yield f'<p class="facts">{age}; {again}</p>'
    yield from plain_table(_HEADS, (_row(one, now, at) for one in now.devices))


def _row(device: DeviceNow, now: Now, at: datetime) -> tuple[str, ...]:
    standing = standing_at(device, now, at)
    read = "never"
    if device.read is not None:
        old = format_duration(round((at - device.read).total_seconds()))
        read = f"{device.read:%Y-%m-%d %H:%M:%S %Z}, {old} ago"
    what = "; ".join(text for text in (device.told, named(device.items)) if text)
    was = device.before if standing == device.standing else device.standing
    if was is not None and standing == "cannot tell":
        what = f"{what}; {was} when it was last read" if what else f"{was} when it was last read"
    return device.name, standing, read, what


def named(items: Sequence[str]) -> str:
    """Return the first of what has drifted in words, and how many more there are."""
    more = len(items) - MOST_NAMED
    return ", ".join(items[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def turn_lines(turns: Sequence[Turn], since: datetime) -> Iterator[str]:
    """Yield what has changed since a moment, the newest first, as lines of HTML."""
    yield f'<p class="facts">Since {since:%Y-%m-%d %H:%M:%S %Z}, as far as each look saw it</p>'
    if not turns:
        yield "<p>Nothing has changed.</p>"
        return
    yield from plain_table(
        _PAST,
        (
            (f"{one.moment:%Y-%m-%d %H:%M:%S %Z}", one.device, one.was, one.now, one.what)
            for one in reversed(turns)
        ),
    )


def now_json(now: Now, turns: Sequence[Turn], at: datetime) -> dict[str, Any]:
    """Return the document of how the firewalls stand, as of a moment."""
    document: dict[str, Any] = {
        "format_version": "1.0",
        "read": now.moment.isoformat(),
        "age": round((at - now.moment).total_seconds(), 1),
        "every": now.every,
        "stale": now.stale(at),
        "firewalls": [
            {
                "name": one.name,
                "state": standing_at(one, now, at).replace(" ", "_"),
                "read": one.read.isoformat() if one.read else None,
                "items": list(one.items),
                "message": one.told or (_OLD if now.stale(at) else ""),
            }
            for one in now.devices
        ],
        "changes": [
            {
                "time": one.moment.isoformat(),
                "name": one.device,
                "was": one.was.replace(" ", "_"),
                "is": one.now.replace(" ", "_"),
                "what": one.what,
            }
            for one in turns
        ],
    }
    if now.error:
        document["error"] = {"code": "cannot_tell", "message": now.error}
    elif now.stale(at):
        document["error"] = {"code": "cannot_tell", "message": _OLD}
    return document
