"""Turn connection variables into a target: where a device is and who logs in, also on a worker."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.fleet.hosts import by_device
from segctl.inventory import VaultError, decrypt
from segctl.inventory.loading import MANAGER, RECEIVERS, VIA
from segctl.inventory.passwords import ANSIBLE_FILE, ANSIBLE_IDS, vault_secrets
from segctl.model.durations import parse_duration
from segctl.model.errors import AuthError, ConnectError, InventoryError, Problem
from segctl.model.scope import Scope
from segctl.transports.answers import Answers
from segctl.transports.credentials import VAULT_PASSWORD_FILE, Sealed, Secret, Withheld, login
from segctl.transports.target import Managed, Member, Target

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

#: The entry of a connection with what others share that reach the same device.
COMMON = "common answers"
#: So many connections to one manager are open at a time, however many firewalls it is asked about.
MOST_TO_A_MANAGER: Final = 4
#: The variable with the addresses to which a password may be sent.
MANAGEMENT = "SEGCTL_MANAGEMENT"
#: A DNS name or a pattern of such names, as opposed to a network.
_NAME = re.compile(r"(?=.*[A-Za-z])[0-9A-Za-z*_-]+(?:\.[0-9A-Za-z*_-]+)*", re.ASCII)


def portable(connection: Mapping[str, object]) -> dict[str, object]:
    """Return the connection variables that may leave this process; none of them is a secret."""
    return {name: _portable(value) for name, value in connection.items()}


def _portable(value: object) -> object:
    if isinstance(value, Secret):
        return value.sealed or Withheld()
    if isinstance(value, dict):  # the ways to the other members of a pair
        return portable(cast("dict[str, object]", value))
    return value


def receiving(connection: Mapping[str, object], names: Iterable[str]) -> Mapping[str, object]:
    """Return the connection of a device group with these firewalls as those that get its policy."""
    rows = cast("list[dict[str, Any]]", connection.get(RECEIVERS) or ())
    if not rows:
        return connection
    asked = frozenset(names)
    return {
        **connection,
        RECEIVERS: [{**row, "asked": (row["of"] or row["name"]) in asked} for row in rows],
    }


@contextmanager
def sharing(
    connections: Mapping[str, Mapping[str, object]], hosts: Iterable[tuple[str, str]]
) -> Generator[dict[str, Mapping[str, object]]]:
    """Return connections of which those to one device, or to one manager, share what they can.

    They share its API key and its connections; those to one manager also what it answers to all
    alike. For reading alone, in one command: what is changed is read anew, and so is what was
    planned before, when it is applied. At the end, the connections are closed.

    Args:
        connections: connection variables by host.
        hosts: name and platform of each host that is read.
    """
    common: dict[object, Answers] = {}
    found = dict(connections)
    for names in by_device(hosts, connections):
        if len(names) > 1:
            one = common[names] = Answers(most=1)
            found |= {name: {**connections.get(name, {}), COMMON: one} for name in names}
    for name, way in connections.items():
        if MANAGER in way:
            one = common.setdefault(way[MANAGER], Answers(most=MOST_TO_A_MANAGER))
            found[name] = {**way, COMMON: one}
    try:
        yield found
    finally:
        for one in common.values():
            one.close()


def target(host: str, connection: Mapping[str, object], scope: Scope) -> Target:
    """Return the target for a host: where it is and who logs in, from its connection variables.

    Raises:
        ConnectError: ``SEGCTL_MANAGEMENT`` does not allow its address.
        AuthError: there is no user or password, or a vaulted value cannot be decrypted.
    """

    def text(name: str) -> str:
        value = connection.get(name)
        if isinstance(value, Sealed):
            value = _opened(host, name, value)
        if isinstance(value, Withheld):
            raise AuthError(host, f"{name} is not sent to workers: make it a !vault value")
        return value.reveal() if isinstance(value, Secret) else str(value or "")

    def path(name: str) -> Path | None:
        return Path(text(name)) if text(name) else None

    def paths(name: str) -> tuple[Path, ...]:
        value = connection.get(name)
        if isinstance(value, list):
            return tuple(Path(str(one)) for one in cast("list[object]", value))
        return (Path(text(name)),) if text(name) else ()

    members = tuple(_members(connection, scope))
    managed = tuple(
        Managed(**row) for row in cast("list[dict[str, Any]]", connection.get(RECEIVERS) or ())
    )
    for address in (text("ansible_host") or host, *(member.host for member in members)):
        _check_address(host, address)
    password = connection.get("ansible_password")
    account = login(
        text(MANAGER) or host,
        user=text("ansible_user"),
        password=password if isinstance(password, Secret) else None,
        key_file=text("ansible_ssh_private_key_file"),
        sealed=(lambda: _opened(host, "ansible_password", password))
        if isinstance(password, Sealed)
        else None,
        withheld=isinstance(password, Withheld),
    )
    return Target(
        name=host,
        host=text("ansible_host") or host,
        port=int(text("ansible_port") or 0),
        user=account.user,
        password=account.password,
        scope=scope,
        ca_file=path("segctl_ca_file"),
        tls_fingerprint=text("segctl_tls_fingerprint"),
        tls_verify=connection.get("segctl_tls_verify") is not False,
        known_hosts=paths("segctl_known_hosts"),
        key_file=path("ansible_ssh_private_key_file"),
        ssh_fingerprint=text("segctl_ssh_fingerprint"),
        transcript=path("segctl_transcript"),
        timeout=parse_duration(text("segctl_timeout") or "60"),
        commit_timeout=parse_duration(text("segctl_commit_timeout") or "1200"),
        max_answer=int(float(text("segctl_max_answer_mb") or 96) * 2**20),
        allow_unsupported_version=connection.get("segctl_allow_unsupported_version") is True,
        members=members,
        managed=managed,
        via=Scope.of(text(VIA)),
        common=common if isinstance(common := connection.get(COMMON), Answers) else None,
    )


def _members(connection: Mapping[str, object], scope: Scope) -> Iterator[Member]:
    """Yield the members: an address alone is reached as the device itself."""
    ways = cast("dict[str, object]", connection.get("segctl_members") or {})
    for name, way in ways.items():
        if isinstance(way, dict):
            reached = target(name, cast("dict[str, object]", way), scope)
            yield Member(name=name, host=reached.host, way=reached)
        else:
            yield Member(name=name, host=str(way))


def _check_address(host: str, address: str) -> None:
    """Refuse an address outside the management networks, before a password is looked up.

    An inventory names addresses, so anyone who can change it could have a password sent anywhere.
    ``SEGCTL_MANAGEMENT`` holds networks and names (with ``*``), separated by spaces. It is set
    where segctl runs, where authors of the inventory cannot change it. Without it, every address
    is allowed.

    Raises:
        ConnectError: the address is in none of them, or an entry is neither a network nor a name.
    """
    allowed = os.environ.get(MANAGEMENT, "").split()
    if allowed and not any(_allows(host, one, address) for one in allowed):
        raise ConnectError(
            host,
            f"its address is {address}, which {MANAGEMENT} ({' '.join(allowed)}) does not allow: "
            "no password was looked up and nothing was sent; correct ansible_host, or the "
            "variable where segctl runs",
        )


def _allows(host: str, allowed: str, address: str) -> bool:
    try:
        network = ip_network(allowed)
    except ValueError as error:
        if not _NAME.fullmatch(allowed):
            raise ConnectError(
                host, f"{MANAGEMENT}: {allowed!r} is neither a network nor a name ({error})"
            ) from error
        name = address.lower().rstrip(".")
        return _NAME.fullmatch(name) is not None and fnmatchcase(name, allowed.lower())
    try:
        return ip_address(address) in network
    except ValueError:
        return False  # a host name must be allowed by name


def _opened(host: str, variable: str, sealed: Sealed) -> Secret:
    """Decrypt a vaulted value with the vault password of this machine."""

    def ask(vault_id: str) -> Secret:
        raise AuthError(host, f"{ANSIBLE_IDS} prompts for {vault_id}, but nobody can answer")

    try:
        secrets = vault_secrets(environment=os.environ, ask=ask)
        if secrets is None:
            raise AuthError(
                host,
                f"{variable} is vaulted: use --vault-password-file or --ask-vault-pass, or set "
                f"{VAULT_PASSWORD_FILE} where the session opens (with Dask: on the workers)",
            )
        return Secret(decrypt(sealed.ciphertext, secrets), sealed)
    except InventoryError as error:
        raise AuthError(host, f"cannot read the environment's vault password: {error}") from error
    except VaultError as error:
        raise AuthError(
            host,
            f"{variable} is vaulted, and the password that {VAULT_PASSWORD_FILE}, {ANSIBLE_FILE} "
            f"or {ANSIBLE_IDS} names does not decrypt it: {error}",
        ) from error


def unverified(host: str, connections: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """Warn about hosts whose identity is not verified."""
    connection = connections.get(host, {})
    for name, way in cast("dict[str, object]", connection.get("segctl_members") or {}).items():
        if isinstance(way, dict):
            yield from unverified(name, {name: cast("dict[str, object]", way)})
    if connection.get("segctl_tls_verify") is False and not connection.get(
        "segctl_tls_fingerprint"
    ):
        yield Problem(
            message=f"{host}: TLS is NOT verified (segctl_tls_verify: false): whoever answers at "
            "its address receives the password",
            hint="pin its certificate with segctl_tls_fingerprint, or name its CA in "
            "segctl_ca_file",
            severity="warning",
            kind="tls",
        )
