"""Inventory files into everything a command needs: the site, its hosts, how to reach them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Final, cast

from segctl.errors import InventoryError, Problem
from segctl.intent import Site
from segctl.inventory.findings import find
from segctl.inventory.model import Inventory
from segctl.inventory.patterns import select
from segctl.inventory.reader import read_inventory
from segctl.inventory.secret import Secret
from segctl.inventory.site import build_site
from segctl.inventory.values import Encrypted
from segctl.inventory.vault import VaultError, VaultSecrets, decrypt

#: Connection variables handed on as they are.
_PLAIN: Final = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_network_os",
    "ansible_connection",
    "ansible_httpapi_use_ssl",
    "ansible_httpapi_port",
    "segctl_tls_fingerprint",
    "segctl_tls_verify",
    "segctl_timeout",
    "segctl_commit_timeout",
    "segctl_max_answer_mb",
)
_SECRETS: Final = ("ansible_password", "ansible_ssh_pass", "ansible_become_password")
_PATHS: Final = ("ansible_ssh_private_key_file", "segctl_ca_file", "segctl_known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An inventory without problems.

    `site` is of the whole inventory; `hosts` are what the limit selected, and
    `connections` says for every firewall how it is reached.
    """

    inventory: Inventory = field(repr=False)
    site: Site
    hosts: tuple[str, ...]
    connections: Mapping[str, Mapping[str, object]]
    warnings: tuple[Problem, ...]
    digest: str
    files: tuple[Path, ...]


def load(
    sources: Sequence[Path],
    *,
    limit: str | None = None,
    extra_vars: Sequence[str] = (),
    vault: VaultSecrets | None = None,
    today: date,
) -> Loaded:
    """Read the inventory and return everything it declares.

    Raises:
        InventoryError: with every problem there is.

    """
    inventory = read_inventory(sources, extra_vars=extra_vars, vault=vault)
    site, problems = build_site(inventory)
    if problems:
        raise InventoryError(problems)
    connections, unopened = _connections(inventory, site)
    return Loaded(
        inventory=inventory,
        site=site,
        hosts=select(inventory, limit),
        connections=connections,
        warnings=(*find(site, today), *unopened),
        digest=digest(site),
        files=tuple(Path(name) for name in inventory.files),
    )


def digest(site: Site) -> str:
    """Return the SHA-256 of what is declared, wherever it stands in the files."""
    text = json.dumps(_canonical(site), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _canonical(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _canonical(getattr(value, one.name)) for one in fields(value) if one.compare
        }
    if isinstance(value, tuple):
        return [_canonical(item) for item in cast("tuple[object, ...]", value)]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def _connections(
    inventory: Inventory, site: Site
) -> tuple[dict[str, Mapping[str, object]], list[Problem]]:
    connections: dict[str, Mapping[str, object]] = {}
    problems: list[Problem] = []
    names = [device.name for device in site.devices]
    opened: dict[str, Secret | VaultError] = {}
    for name, layer in inventory.host_layers(names):
        found: dict[str, object] = {}
        for key in (*_PLAIN, *_PATHS, *_SECRETS):
            value = layer.variables.get(key)
            if value is None:
                continue
            if key in _SECRETS:
                secret = _secret(value, inventory.vault, opened)
                if isinstance(secret, VaultError):
                    problems.append(_unopened(name, key, secret))
                    continue
                value = secret
            elif key in _PATHS:
                value = os.path.expanduser(str(value))  # noqa: PTH111 - a value, not a file yet
            found[key] = value
        connections[name] = found
    return connections, problems


def _secret(
    value: object, vault: VaultSecrets | None, opened: dict[str, Secret | VaultError]
) -> Secret | VaultError:
    if not isinstance(value, Encrypted):
        return Secret(str(value))
    if value.ciphertext not in opened:
        try:
            opened[value.ciphertext] = Secret(decrypt(value.ciphertext, vault))
        except VaultError as error:
            opened[value.ciphertext] = error
    return opened[value.ciphertext]


def _unopened(host: str, variable: str, error: VaultError) -> Problem:
    return Problem(
        message=f"{variable} is vaulted and cannot be opened: {error}",
        path=host,
        hint="give --vault-password-file or --ask-vault-pass to reach the device",
        severity="warning",
    )
