"""Firewalls that a hosts file declares to be mocks: that file alone says how they are reached.

Ansible lets ``host_vars`` beat a hosts file, and ``--extra-vars`` beat both. A mock that is reached
by those rules is, sooner or later, the real firewall. See docs/adr/0013.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.inventory.values import Place
from segctl.model.errors import Problem
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.inventory.model import Inventory, Layer

#: The variable of a host, in a YAML hosts file, that makes its entry there the one that counts.
MARK: Final = "segctl_mock"
#: Connection variables that say neither where a firewall is, nor who logs in, nor whom to trust.
_ANY_SOURCE: Final = frozenset(
    {
        "ansible_network_os",
        "segctl_allow_unsupported_version",
        "segctl_commit_timeout",
        "segctl_max_answer_mb",
        "segctl_timeout",
        "segctl_transcript",
        "segctl_verify_keys",
    }
)
#: Who logs in is as the entry says, where it does; else as the inventory says.
_ACCOUNT: Final = frozenset(
    {"ansible_become_password", "ansible_password", "ansible_ssh_pass", "ansible_user"}
)
#: Names below it never resolve (RFC 6761, section 6.4): they lead nowhere.
_NOWHERE: Final = ".invalid"


@dataclass(frozen=True, slots=True)
class Mock:
    """The entry of a hosts file that declares a host to be a mock."""

    variables: Mapping[object, object]
    place: Place


#: Stands for the entry of a firewall that is none of the mocks and is not to be reached.
NOWHERE: Final = Mock({"ansible_host": f"not-a-mock{_NOWHERE}", MARK: True}, Place(""))


def way_to(mock: Mock | None, variables: Mapping[str, object]) -> Mapping[str, object]:
    """Return a host's variables, those of the connection as its mock's entry has them, if any."""
    if mock is None:
        return variables
    own = {name: value for name, value in mock.variables.items() if isinstance(name, str)}
    others = {name: value for name, value in variables.items() if not _decides(mock, name)}
    return own | others


def _decides(mock: Mock, name: str) -> bool:
    """Whether the entry alone says what a connection variable is, also by leaving it out."""
    return name not in _ANY_SOURCE and (name not in _ACCOUNT or name in mock.variables)


def differing(entry: Mapping[str, object], connection: Mapping[str, object]) -> tuple[str, ...]:
    """Return the variables by which a connection leads elsewhere than a mock's entry."""
    names = {*entry, *connection} - {MARK} - _ANY_SOURCE
    return tuple(
        name
        for name in sorted(names)
        if name in entry or name not in _ACCOUNT
        if _text(connection.get(name)) != _text(entry.get(name))
    )


def otherwise_in_ansible(inventory: Inventory) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield the mocks that Ansible would not reach: the host, the variables, the entry's file."""
    mocks = {name: host.mock for name, host in inventory.hosts.items() if host.mock is not None}
    for name, layer in inventory.host_layers(mocks):
        entry = mocks[name].variables
        names = tuple(
            str(key) for key in entry if _text(layer.variables.get(str(key))) != _text(entry[key])
        )
        if names:
            yield name, names, mocks[name].place.file


def _text(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def check(
    inventory: Inventory, host: str, layer: Layer, connection: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield what is wrong with a firewall that is a mock, or would like to be one.

    Args:
        inventory: all of it.
        host: the firewall's name.
        layer: its variables, merged by Ansible's precedence.
        connection: the names of all connection variables.
    """
    mock = inventory.hosts[host].mock
    marked = layer.variables.get(MARK, False)
    if mock is None:
        if marked is not False:
            place = layer.origins.get(MARK)
            yield _problem(
                host,
                place,
                f"{MARK} counts only in a YAML hosts file, as `true` among the variables of a host",
                "give the file that segctl mock serve wrote as one more -i",
            )
        return
    if marked is not True:
        place = layer.origins.get(MARK)
        yield _problem(host, place, f"{mock.place.file} says that {host} is a mock", "drop this")
    address = str(mock.variables.get("ansible_host", host))
    if not _leads_to_a_mock(address):
        yield _problem(
            host,
            mock.place,
            f"a mock is on this machine, and {address} is not",
            f"give its ansible_host here, such as 127.0.0.1, or drop {MARK}",
        )
    above = [("--extra-vars", inventory.extra)]
    if host in inventory.play_hosts:
        above.append(("the play's vars", inventory.play))
    for source, over in above:
        for name in connection:
            if name not in over.variables or not _decides(mock, name):
                continue
            if str(over.variables[name]) != str(mock.variables.get(name)):
                yield _problem(
                    host,
                    mock.place,
                    f"{source} give {name}, which may lead to another firewall than the mock that "
                    "this file declares",
                    f"leave {name} out, or the overlay",
                )


def left_out(inventory: Inventory, firewalls: list[str], hosts: tuple[str, ...]) -> frozenset[str]:
    """Return firewalls that are not mocks and not chosen, where any host of the inventory is one.

    They lead nowhere: what asks more firewalls than were chosen does not meet a real one.
    """
    if all(host.mock is None for host in inventory.hosts.values()):
        return frozenset()
    others = set(firewalls) - set(hosts)
    return frozenset(name for name in others if inventory.hosts[name].mock is None)


def not_mocked(inventory: Inventory, firewalls: list[str], hosts: tuple[str, ...]) -> list[Problem]:
    """Return the chosen firewalls that are not mocks, where any host of the inventory is one."""
    mock = next((host.mock for host in inventory.hosts.values() if host.mock is not None), None)
    if mock is None:
        return []
    chosen = frozenset(hosts)
    return [
        _problem(
            name,
            mock.place,
            f"{name} is not among the mocks of this file: it would be the real firewall",
            f"run segctl mock serve again, leave {name} out with -l, or leave the overlay out",
        )
        for name in firewalls
        if name in chosen and inventory.hosts[name].mock is None
    ]


def _leads_to_a_mock(address: str) -> bool:
    """Whether an address belongs to this machine, or is not an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return address == "localhost" or address.endswith(_NOWHERE)


def _problem(host: str, place: Place | None, message: str, hint: str) -> Problem:
    return Problem(
        message=message,
        file=place.file if place else "",
        line=place.line if place else 0,
        column=place.column if place else 0,
        path=host,
        hint=hint,
        subject=host,
    )
