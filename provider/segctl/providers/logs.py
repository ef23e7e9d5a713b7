"""What a device's own log tells: who changed what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who made a change, according to the device's own log; `time` is by the device's clock."""

    admin: str
    time: str
    command: str = ""
    client: str = ""
    host: str = ""
    #: whether it is the account segctl logs in with
    own: bool = False


@runtime_checkable
class Witness(Protocol):
    """An additional capability of sessions whose device logs who changed it."""

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Return who last changed each item, given as (kind, present and past names); read-only.

        None if the log does not say.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A line of a device's log of changes; `time` is by the device's clock, in ISO 8601.

    `where` is the place in the device's words. `own` says that it is the account segctl logs in
    with.
    """

    time: str
    admin: str
    command: str
    result: str = ""
    where: str = ""
    client: str = ""
    host: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLog:
    """A device's log of changes, and how far its clock is ahead of ours.

    `complete` says whether it was read back as far as was asked, or as it goes.
    """

    lines: tuple[Logged, ...]
    ahead: timedelta = timedelta()
    complete: bool = True


@runtime_checkable
class Logging(Protocol):
    """An additional capability of sessions whose device shows its log of changes."""

    def log(self, since: datetime | None) -> DeviceLog:
        """Return the log since a moment by our clock; read-only.

        Raises:
            DeviceError: the device does not show it.
        """
        ...
