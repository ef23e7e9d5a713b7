"""Names of objects: addresses and groups of zones, services, schedules.

Address objects are called ``zone.asset``, ``zone.asset.address`` (of several) or
``zone.net.network``, the group of all of a zone ``zone``, by the zone's label. Services are
``segctl-tcp-502``, schedules ``segctl-`` and their name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segctl.compiler.naming.short import is_shortened
from segctl.model.addresses import interval, interval_text
from segctl.model.site import ACCESS_CLASSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: Begins what is ours and cannot be tagged, services too.
PREFIX = "segctl-"
_NETWORK = ".net"
#: What may be the address of one of several of an asset, at the end of a name.
_HOST = re.compile(r"\.([0-9]+(?:\.[0-9]+){3}|[0-9a-f]*+_[0-9a-f_]*+)\Z", re.ASCII)


def network_object(zone: str, address: str) -> str:
    """Return the name of a network or range that is `zone`'s own, by the zone's label."""
    return f"{zone}{_NETWORK}.{_spell(address)}"


def asset_object(zone: str, asset: str, address: str = "") -> str:
    """Return the name of an asset's address; `address` where it has several."""
    return f"{zone}.{asset}.{_spell(address)}" if address else f"{zone}.{asset}"


def _spell(address: str) -> str:
    """Write an address with characters that names may have."""
    return address.replace("/", "-").replace(":", "_")


def _read(spelled: str) -> str:
    """Return the address that a name spells, nothing where it is none."""
    first, hyphen, last = spelled.replace("_", ":").partition("-")
    length = hyphen and last.isascii() and last.isdecimal()
    text = f"{first}/{last}" if length else f"{first}{hyphen}{last}"
    try:
        return text if interval_text(interval(text)) == text else ""
    except ValueError:
        return ""


def decode_network(name: str) -> tuple[str, str] | None:
    """Return zone and address that the name of a network spells, None for any other name."""
    zone, found, spelled = name.rpartition(f"{_NETWORK}.")
    address = _read(spelled)
    return (zone, address) if found and zone and address else None


def decode_several(name: str) -> tuple[str, str] | None:
    """Return what stands before the address that a name ends in, and the address.

    None where it ends in none, as the name of an asset with one address does not.
    """
    for match in _HOST.finditer(name):
        address = _read(match[1])
        if address and match.start():
            return name[: match.start()], address
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """What an address object's name says before its address.

    `text` is a zone's label for a ``network``, else a zone's label, a dot and an asset: of an
    ``asset`` with one address, or of one that has ``several``.
    """

    kind: Literal["network", "asset", "several"]
    text: str


def read_object(name: str, address: str) -> Stem:
    """Take the address off an address object's name."""
    stem = name.removesuffix(f".{_spell(address)}")
    if stem == name:
        return Stem(kind="asset", text=name)
    if stem.endswith(_NETWORK):
        return Stem(kind="network", text=stem.removesuffix(_NETWORK))
    return Stem(kind="several", text=stem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What an address object is: a zone's, of an asset unless it is a network."""

    zone: str
    asset: str = ""
    several: bool = False

    def encode(self, address: str) -> str:
        """Return the name of the object that holds `address`."""
        if not self.asset:
            return network_object(self.zone, address)
        return asset_object(self.zone, self.asset, address if self.several else "")


def decode_object(
    name: str, address: str, *, zones: Collection[str], limit: int
) -> tuple[Named, ...]:
    """Return every reading of an address object's name, none of a shortened one.

    Args:
        name: the name on the device.
        address: the addresses that the object holds, as text.
        zones: the labels of all zones it may be of.
        limit: how long names may be on the platform.
    """
    if is_shortened(name, limit):
        return ()
    return tuple(dict.fromkeys(_readings(name, address, zones)))


def _readings(name: str, address: str, zones: Collection[str]) -> Iterator[Named]:
    stem = read_object(name, address)
    if stem.kind == "network" and stem.text in zones:
        yield Named(zone=stem.text)
    if stem.kind != "asset":
        text = name.removesuffix(f".{_spell(address)}")
        for zone in heads(text):
            if zone in zones:
                yield Named(zone=zone, asset=below(text, zone), several=True)
    for zone in heads(name):
        if zone in zones:
            yield Named(zone=zone, asset=below(name, zone))


def heads(name: str) -> Iterator[str]:
    """Yield what stands before each dot of a name, the longest first: what may be a zone."""
    end = len(name)
    while (end := name.rfind(".", 0, end)) >= 0:
        yield name[:end]


def below(name: str, head: str) -> str:
    """Return what stands below `head` in a name, all of it where it does not begin so."""
    return name[len(head) + 1 :] if head and name.startswith(f"{head}.") else name


def service_name(protocol: str, ports: str = "") -> str:
    """Return the name of a service: ``tcp`` or ``udp`` with ports, or ``icmp``."""
    return f"{PREFIX}{protocol}-{ports}" if ports else f"{PREFIX}{protocol}"


def decode_service(name: str) -> tuple[str, str] | None:
    """Return protocol and ports of a service by its name, None where it is not one of ours."""
    if not name.startswith(PREFIX):
        return None
    protocol, _, ports = name.removeprefix(PREFIX).partition("-")
    return protocol, ports


def function_name(protocol: str, access_class: str) -> str:
    """Return what stands for an access class where a platform has no applications for it."""
    return f"{protocol}.{access_class}"


def decode_function(name: str) -> tuple[str, str] | None:
    """Return protocol and access class of such a name, None for any other."""
    protocol, _, access_class = name.rpartition(".")
    return (protocol, access_class) if protocol and access_class in ACCESS_CLASSES else None


def schedule_name(name: str) -> str:
    """Return the name on the device of a schedule that the inventory declares."""
    return f"{PREFIX}{name}"


def decode_schedule(name: str, limit: int) -> str | None:
    """Return what the inventory calls a schedule of ours, None where its name does not say."""
    if not name.startswith(PREFIX) or is_shortened(name, limit):
        return None
    return same_schedule(name)


def same_schedule(name: str) -> str:
    """Return what an inventory may call a schedule of ours for its name to come out again.

    Of a shortened name that is not what it was called before it was shortened.
    """
    return name.removeprefix(PREFIX)


def is_prefixed(name: str) -> bool:
    """Whether the name of something that cannot be tagged says that it is ours."""
    return name.startswith(PREFIX)
