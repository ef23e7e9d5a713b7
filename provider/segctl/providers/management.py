"""How a device is managed, and what it needs of others: read from the device, not declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What is not known of a device that is judged by a snapshot, which keeps no address of a server.
NOT_KEPT: Final = "a snapshot does not keep its addresses and servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """An address of the device's own.

    `zone` is the zone of its interface: what comes there is judged by the device's own policy. It
    is empty for an interface for management only, which no policy of the device judges. `manages`
    says whether the device answers there to those who manage it.
    """

    address: str
    interface: str
    zone: str = ""
    manages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that the device asks of others, such as the time.

    `hosts` are addresses, or names of which only the device knows the addresses; `services` are
    such as ``udp/123``. It asks from `source`, empty where that is not known, through an interface
    in `zone`, which is empty for one for management only.
    """

    name: str
    hosts: tuple[str, ...]
    services: tuple[str, ...]
    source: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """How a device is managed and what it needs; `unread` says what of that is not known."""

    planes: tuple[Plane, ...] = ()
    needs: tuple[Need, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it is known from the device, and not left out of a snapshot."""
        return NOT_KEPT not in self.unread


def without_addresses(management: Management | None) -> Management | None:
    """Return what a snapshot keeps of it: that it is not known. None where there is none."""
    return None if management is None else Management(unread=(NOT_KEPT,))
