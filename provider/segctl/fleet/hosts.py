"""Which hosts of the inventory are one device: parts of it, reached at the same address."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from segctl.inventory.loading import MEMBERS, RECEIVERS, VIA
from segctl.model.errors import UnsupportedError
from segctl.providers.base import provider
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Way = tuple[str, str]


def by_device(
    hosts: Iterable[tuple[str, str]], connections: Mapping[str, Mapping[str, object]]
) -> list[tuple[str, ...]]:
    """Return the hosts that are one device together, in the order of the first of each.

    Two hosts are one device if their platform lets several be one, and an address and port of the
    one, or of its peer, is one of the other, too. Behind a manager the serial number tells.

    Args:
        hosts: name and platform of each.
        connections: connection variables by host.
    """
    groups: list[tuple[list[str], set[Way]]] = []
    for name, platform in hosts:
        ways = set(_ways_of(name, platform, connections.get(name, {})))
        found = [group for group in groups if group[1] & ways]
        if not found:
            groups.append(([name], ways))
            continue
        first, *more = found
        for names, others in more:
            first[0].extend(names)
            first[1].update(others)
            groups.remove((names, others))
        first[0].append(name)
        first[1].update(ways)
    return [tuple(names) for names, _ in groups]


def _ways_of(name: str, platform: str, connection: Mapping[str, object]) -> Iterator[Way]:
    """Yield how a host is reached if its platform lets it be one of several on a device."""
    try:
        capabilities = provider(platform).capabilities
    except UnsupportedError:
        return  # each of them says so by itself
    if capabilities.joins and connection.get(VIA):  # reached at the address of its manager
        for row in cast("list[dict[str, object]]", connection.get(RECEIVERS) or []):
            if row.get("serial"):
                yield str(row["serial"]), VIA
    elif capabilities.joins:
        yield from _ways(name, connection, str(capabilities.port))


def _ways(name: str, connection: Mapping[str, object], default: str) -> Iterator[Way]:
    """Yield address and port of a host and of its peer; one that is vaulted is unlike any other."""
    address = connection.get("ansible_host") or name
    port = _text(connection.get("ansible_port") or "") or default
    if _text(address):
        yield _text(address).lower().rstrip("."), port
    for peer, way in cast("dict[str, object]", connection.get(MEMBERS) or {}).items():
        if isinstance(way, dict):
            yield from _ways(peer, cast("dict[str, object]", way), default)
        else:
            yield str(way).lower(), port


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return str(value) if isinstance(value, str | int) else ""
