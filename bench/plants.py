"""Generated manufacturers: inventories of any number of plants that talk to each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Plants of the manufacturer that is taken as one.
PLANTS = 14
#: Production cells of each plant; office, DMZ, campus and supervisory network come on top.
_CELLS = 24
#: The network that joins all plants; it is declared by the first.
_BACKBONE = "plant001/backbone"


def write(folder: Path, plants: int) -> None:
    """Write an inventory of at most 250 plants, each of 28 zones and one firewall.

    The firewalls of all plants meet in one backbone. In each plant a campus network holds the
    networks of the cells, two cells have the very same network, and some assets have two
    addresses, so that addresses must be told apart.
    """
    for name in ("group_vars", "host_vars"):
        (folder / name).mkdir(parents=True)
    lines = ["all:", "  children:"]
    for number in range(1, plants + 1):
        name = f"plant{number:03}"
        lines += [f"    {name}:", "      hosts:", f"        fw{number:03}:"]
        _dump(folder / f"group_vars/{name}.yml", _plant(number, plants))
        _dump(folder / f"host_vars/fw{number:03}.yml", _firewall(number))
    _dump(folder / "hosts.yml", lines)


def _dump(path: Path, lines: list[str]) -> None:
    path.write_text("---\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _plant(number: int, plants: int) -> list[str]:
    return [
        f"segctl_site: plant{number:03}",
        "segctl_zones:",
        *_zones(number),
        "segctl_conduits:",
        *_inner_conduits(),
        *_outer_conduits(number, plants),
    ]


def _zones(number: int) -> Iterator[str]:
    if number == 1:
        yield from _zone("backbone", 4, "172.16.0.0/16", {})
    yield from _zone("office", 4, f"172.20.{number}.0/24", _hosts(f"172.20.{number}", 3))
    yield from _zone("dmz", 3.5, f"172.21.{number}.0/24", _hosts(f"172.21.{number}", 4))
    yield from _zone("campus", 3, f"10.{number}.0.0/16", _hosts(f"10.{number}.200", 4))
    yield from _zone("supervisory", 2, f"10.{number}.100.0/24", _hosts(f"10.{number}.100", 6))
    for cell in range(1, _CELLS + 1):
        # the last two are one network
        part = f"10.{number}.{min(cell, _CELLS - 1)}"
        first = 10 if cell < _CELLS else 110
        yield from _zone(f"cell{cell:02}", 1, f"{part}.0/24", _hosts(part, 5, first))


def _hosts(part: str, count: int, first: int = 10) -> dict[str, list[str]]:
    """Return assets; each fifth has two addresses."""
    return {
        f"host{step}": [f"{part}.{first + step}"]
        + ([f"{part}.{first + 50 + step}"] if step % 5 == 4 else [])
        for step in range(count)
    }


def _zone(name: str, level: float, network: str, hosts: dict[str, list[str]]) -> Iterator[str]:
    yield f"  {name}:"
    yield f"    level: {level}"
    yield f"    networks: [{network}]"
    yield "    security_level: 2"
    if hosts:
        yield "    assets:"
    for host, addresses in hosts.items():
        yield f"      {host}: {json.dumps(addresses)}"


def _inner_conduits() -> Iterator[str]:
    for cell in range(1, _CELLS + 1):
        name, peer = f"cell{cell:02}", f"cell{cell % _CELLS + 1:02}"
        yield from _conduit(f"poll-{name}", "supervisory", name, ("host0", "host0"), "tcp/502")
        yield from _conduit(f"history-{name}", name, "dmz", ("host1", "host2"), "tcp/1433")
        yield from _conduit(f"peer-{name}", name, peer, ("host2", "host2"), "tcp/44818")
    for port in range(8):
        yield from _conduit(f"reports-{port}", "office", "dmz", ("", "host1"), f"tcp/{8440 + port}")
        yield from _conduit(
            f"jump-{port}", "dmz", "supervisory", ("host3", ""), f"tcp/{3389 + port}"
        )
    yield from _conduit("campus-web", "campus", "dmz", ("", "host1"), "tcp/443")


def _outer_conduits(number: int, plants: int) -> Iterator[str]:
    """Yield what each plant sends to the first one, and to the next."""
    if number > 1:
        yield from _conduit("to-head", "dmz", "plant001/dmz", ("host1", "host1"), "tcp/8443")
        yield from _conduit("mirror", "dmz", _BACKBONE, ("host2", ""), "tcp/873")
    if plants > 2:
        other = f"plant{number % plants + 1:03}/supervisory"
        yield from _conduit("to-next", "supervisory", other, ("host1", "host1"), "tcp/4840")


def _conduit(
    name: str, source: str, target: str, ends: tuple[str, str], service: str
) -> Iterator[str]:
    sender, receiver = ends
    yield f"  {name}:"
    yield f"    from: {source}"
    yield f"    to: {target}"
    yield f"    reason: traffic of {name}"
    yield "    owner: automation"
    yield "    flows:"
    yield "      traffic:"
    if sender:
        yield f"        source: [{sender}]"
    if receiver:
        yield f"        destination: [{receiver}]"
    yield f"        services: [{service}]"


def _firewall(number: int) -> list[str]:
    names = ["office", "dmz", "campus", "supervisory"]
    names += [f"cell{cell:02}" for cell in range(1, _CELLS + 1)]
    lines = [
        "ansible_network_os: paloaltonetworks.panos.panos",
        f"ansible_host: 192.0.2.{number}",
        "ansible_user: segctl",
        "segctl_zone_map:",
        f"  {_BACKBONE}: {{zone: backbone, interfaces: [ethernet1/1]}}",
    ]
    lines += [
        f"  {name}: {{zone: {name}, interfaces: [ethernet1/{port}]}}"
        for port, name in enumerate(names, 2)
    ]
    return lines
