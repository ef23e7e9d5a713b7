"""Moments in records, as seconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

#: Seconds of one step in which a witness was heard or not.
STEP: Final = 900
#: What follows a minute, as ``:07``.
SECONDS: Final = {f":{second:02}": second for second in range(60)}
#: So many minutes are remembered: two months of one witness.
_REMEMBERED: Final = 100_000


def zone_of(name: str) -> tzinfo:
    """Return the time zone with a name such as ``Europe/Berlin``.

    Raises:
        UsageError: this machine does not know it.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"--timezone must be a name such as Europe/Berlin or UTC that this machine knows, not "
            f"{name!r}"
        ) from None


def moment(text: str, zone: tzinfo) -> float:
    """Return a moment in ISO 8601 or with slashes; without an offset it is in `zone`.

    Raises:
        ValueError: it is not a moment.
    """
    when = datetime.fromisoformat(text.strip().replace("/", "-"))
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()


def when_text(seconds: float | None) -> str | None:
    """Return a moment in UTC, to the second; None where it is unknown."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Clock:
    """The local clock of witnesses, read ``YYYY/MM/DD hh:mm:ss`` a million times.

    `minutes` has when minutes began that were set before, by witness and ``YYYY/MM/DD hh:mm``.
    """

    def __init__(self, zone: tzinfo) -> None:
        """Take the zone in which times without an offset are."""
        self.zone = zone
        self.minutes: dict[tuple[str, str], float] = {}
        self._cleared = False

    def known(self, witness: str, text: str) -> float | None:
        """Return a moment whose minute was set before, else None."""
        base = self.minutes.get((witness, text[:16]))
        second = SECONDS.get(text[16:])
        return None if base is None or second is None else base + second

    def set(self, witness: str, text: str, offset: str) -> float:
        """Return a moment, and remember its minute.

        Args:
            witness: whose clock it is.
            text: the local time.
            offset: the same moment with its offset, as a record may give it beside; else empty.

        Raises:
            ValueError: it is not a moment.
        """
        zone = datetime.fromisoformat(offset).tzinfo if offset else None
        local = datetime.fromisoformat(text.replace("/", "-"))
        when = local.replace(tzinfo=zone or self.zone)
        if len(self.minutes) >= _REMEMBERED:
            self.minutes.clear()
            self._cleared = True
        found = when.timestamp()
        self.minutes[witness, text[:16]] = found - when.second
        return found

    def apart(self, other: Clock) -> bool:
        """Whether minutes that both know begin at the same time, and there is room for all."""
        mine = self.minutes
        if any(mine.get(key, base) != base for key, base in other.minutes.items()):
            return False
        new = sum(key not in mine for key in other.minutes)
        return not other._cleared and len(mine) + new <= _REMEMBERED

    def join(self, other: Clock) -> None:
        """Remember the minutes that were set there."""
        self.minutes |= other.minutes
