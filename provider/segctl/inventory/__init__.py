"""Ansible-style inventory files into the system under consideration.

`load` is what commands use; `read_inventory` is the Ansible part alone.
"""

from segctl.inventory.files import vault_password
from segctl.inventory.load import Loaded, digest, load
from segctl.inventory.model import Inventory
from segctl.inventory.output import dump, graph_text, host_json, list_json
from segctl.inventory.patterns import select
from segctl.inventory.reader import read_inventory
from segctl.inventory.schema import json_schema
from segctl.inventory.secret import Secret
from segctl.inventory.vault import VaultError, VaultSecrets, decrypt, encrypt

__all__ = [
    "Inventory",
    "Loaded",
    "Secret",
    "VaultError",
    "VaultSecrets",
    "decrypt",
    "digest",
    "dump",
    "encrypt",
    "graph_text",
    "host_json",
    "json_schema",
    "list_json",
    "load",
    "read_inventory",
    "select",
    "vault_password",
]
