"""Ansible-style inventory files into the system under consideration.

`load` is what commands use; `read_inventory` is the Ansible part alone.
Names are imported at their first use: listing hosts needs nothing of zones and conduits.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl.inventory.files import vault_password
    from segctl.inventory.loading import Loaded, digest, load
    from segctl.inventory.model import Inventory
    from segctl.inventory.output import dump, graph_json, graph_text, host_json, list_json
    from segctl.inventory.patterns import select
    from segctl.inventory.reader import read_inventory
    from segctl.inventory.schema_document import json_schema
    from segctl.inventory.vault import VaultError, VaultSecrets, decrypt, encrypt

_HOMES = {
    "Inventory": "model",
    "Loaded": "loading",
    "VaultError": "vault",
    "VaultSecrets": "vault",
    "decrypt": "vault",
    "digest": "loading",
    "dump": "output",
    "encrypt": "vault",
    "graph_json": "output",
    "graph_text": "output",
    "host_json": "output",
    "json_schema": "schema_document",
    "list_json": "output",
    "load": "loading",
    "read_inventory": "reader",
    "select": "patterns",
    "vault_password": "files",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Inventory",
    "Loaded",
    "VaultError",
    "VaultSecrets",
    "decrypt",
    "digest",
    "dump",
    "encrypt",
    "graph_json",
    "graph_text",
    "host_json",
    "json_schema",
    "list_json",
    "load",
    "read_inventory",
    "select",
    "vault_password",
]
