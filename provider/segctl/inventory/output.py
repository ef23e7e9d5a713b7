"""What ``ansible-inventory`` prints: `--list`, `--host`, `--graph`."""

from __future__ import annotations

import json
from datetime import date
from json.encoder import encode_basestring
from operator import itemgetter
from typing import TYPE_CHECKING, Final, cast

from segctl.inventory.patterns import match, select, split
from segctl.inventory.tree import LOCALHOST
from segctl.inventory.values import Encrypted, Unsafe
from segctl.inventory.vault import VaultError, decrypt
from segctl.model.errors import InventoryError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.inventory.model import Inventory

#: Variables Ansible adds or reserves, and never prints.
_INTERNAL: Final = frozenset(
    {
        "ansible_async_path",
        "ansible_collection_name",
        "ansible_config_file",
        "ansible_dependent_role_names",
        "ansible_diff_mode",
        "ansible_facts",
        "ansible_forks",
        "ansible_inventory_sources",
        "ansible_limit",
        "ansible_play_batch",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_role_names",
        "ansible_playbook_python",
        "ansible_role_name",
        "ansible_role_names",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_verbosity",
        "ansible_version",
        "group_names",
        "groups",
        "hostvars",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "play_hosts",
        "playbook_dir",
        "role_name",
        "role_names",
        "role_path",
        "role_uuid",
    }
)


def list_json(inventory: Inventory, limit: str | None = None) -> dict[str, object]:
    """Return what ``ansible-inventory --list`` prints."""
    hosts = select(inventory, limit)
    available = frozenset(hosts)
    result: dict[str, object] = {}
    for name, group in inventory.groups.items():
        entry: dict[str, object] = {}
        members = [host for host in group.hosts if host in available]
        if members and name != "all":
            entry["hosts"] = members
        if group.children:
            entry["children"] = list(group.children)
        if entry:
            result[name] = entry
    variables: dict[str, object] = {}
    plain = _Plain(marked=True)
    for host, layer in inventory.host_layers(hosts):
        visible = _visible(layer.variables)
        if visible:
            variables[host] = {_key(name): plain.of(value) for name, value in visible.items()}
    result["_meta"] = {"hostvars": variables, "profile": "inventory_legacy"}
    return result


def host_json(inventory: Inventory, pattern: str) -> dict[str, object]:
    """Return what ``ansible-inventory --host`` prints.

    Raises:
        InventoryError: the pattern is not exactly one host.

    """
    hosts = match(inventory, split(pattern))
    if not hosts and pattern in LOCALHOST:
        variables = inventory.implicit_layer(pattern).variables
    elif len(hosts) == 1:
        variables = inventory.host_layer(hosts[0]).variables
    else:
        raise _error(f"{pattern!r} is not exactly one host")
    return _shown(variables)


def _shown(variables: Mapping[str, object]) -> dict[str, object]:
    visible = _visible(variables)
    return {_key(name): _host_value(value) for name, value in visible.items()}


def graph_text(inventory: Inventory, group: str = "all", *, variables: bool = False) -> str:
    """Return what ``ansible-inventory --graph`` prints, with ``--vars`` when asked.

    Raises:
        InventoryError: there is no such group.

    """
    if group not in inventory.groups:
        raise _error(f"{group!r} is not a group")
    return "\n".join(_graph(inventory, group, 0, variables=variables))


def graph_json(
    inventory: Inventory, group: str = "all", *, variables: bool = False
) -> dict[str, object]:
    """Return the same tree in the form of a YAML inventory: children, hosts and variables.

    Raises:
        InventoryError: there is no such group.

    """
    if group not in inventory.groups:
        raise _error(f"{group!r} is not a group")
    return {group: _branch(inventory, group, variables=variables)}


def _branch(inventory: Inventory, name: str, *, variables: bool) -> dict[str, object]:
    group = inventory.groups[name]
    hosts = list(group.hosts) if name != "all" else []
    branch: dict[str, object] = {
        "children": {
            child: _branch(inventory, child, variables=variables) for child in group.children
        },
        "hosts": {
            host: _shown(inventory.host_layer(host).variables) if variables else {}
            for host in hosts
        },
    }
    if variables:
        branch["vars"] = _shown(inventory.group_layer(name).variables)
    return branch


def _graph(inventory: Inventory, name: str, depth: int, *, variables: bool) -> Iterable[str]:
    yield _indented(f"@{name}:", depth)
    group = inventory.groups[name]
    for child in group.children:
        yield from _graph(inventory, child, depth + 1, variables=variables)
    for host in group.hosts if name != "all" else ():
        yield _indented(host, depth + 1)
        if variables:
            yield from _graph_variables(inventory, inventory.host_layer(host).variables, depth + 2)
    if variables:
        shown = dict(inventory.group_layer(name).variables)
        if group.priority != 1:
            shown["ansible_group_priority"] = group.priority
        yield from _graph_variables(inventory, shown, depth + 1)


def _graph_variables(
    inventory: Inventory, variables: Mapping[str, object], depth: int
) -> Iterable[str]:
    for name, value in sorted(_visible(variables).items(), key=lambda item: str(item[0])):
        shown = value
        if isinstance(value, Encrypted):
            try:
                shown = decrypt(value.ciphertext, inventory.vault)
            except VaultError as error:
                raise _error(f"{name} is vaulted and cannot be opened: {error}") from error
        yield _indented(f"{{{name} = {shown}}}", depth)


def _indented(text: str, depth: int) -> str:
    return f"{'  |' * depth}--{text}" if depth else text


def _visible(variables: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in variables.items() if name not in _INTERNAL}


def _host_value(value: object) -> object:
    """Return the value of one variable; only below a key `vars` are unsafe strings marked."""
    if not isinstance(value, dict):
        return _Plain().of(value)
    items = cast("dict[object, object]", value).items()
    return {
        _key(key): _Plain(marked=key == "vars" and type(item) in {dict, list}).of(item)
        for key, item in items
    }


class _Plain:
    """Turns values into what JSON can hold, unsafe strings in Ansible's notation if `marked`.

    Containers that many hosts share through their groups are turned once.
    """

    def __init__(self, *, marked: bool = False) -> None:
        self._marked = marked
        self._done: dict[int, object] = {}

    def of(self, value: object) -> object:
        """Return the value as JSON can hold it."""
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None or kind is float:
            return value
        if isinstance(value, (dict, list)):
            known = id(cast("object", value))
            if known not in self._done:
                self._done[known] = self._container(cast("object", value))
            return self._done[known]
        if isinstance(value, Encrypted):
            return {"__ansible_vault": value.ciphertext}
        if isinstance(value, Unsafe):
            return {"__ansible_unsafe": str(value)} if self._marked else str(value)
        return value.isoformat() if isinstance(value, date) else str(value)

    def _container(self, value: object) -> object:
        if isinstance(value, list):
            return [self.of(item) for item in cast("list[object]", value)]
        items = cast("dict[object, object]", value).items()
        return {_key(key): self.of(item) for key, item in items}


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, (int, float)) else str(key)


def _error(message: str) -> InventoryError:
    return InventoryError((Problem(message=message),))


def dump(value: object) -> str:
    """Return JSON in the form ``ansible-inventory`` prints it: sorted, indented by four.

    `json.dumps` does the same several times slower: with an indent it runs in Python, and it
    knows nothing of what many hosts share.
    """
    return _Writer().text(value, "\n")


class _Writer:
    """Writes JSON values; a container met again at the same depth is written from memory."""

    def __init__(self) -> None:
        self._written: dict[tuple[int, str], str] = {}

    def text(self, value: object, newline: str) -> str:
        """Return a value as JSON; `newline` ends in the indent of the line it begins on."""
        if type(value) is str:
            return encode_basestring(value)
        if not isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False)
        known = (id(cast("object", value)), newline)
        if known not in self._written:
            self._written[known] = self._container(cast("object", value), newline)
        return self._written[known]

    def _container(self, value: object, newline: str) -> str:
        deeper = f"{newline}    "
        text = self.text
        if isinstance(value, list):
            items = [text(item, deeper) for item in cast("list[object]", value)]
            return f"[{deeper}{f',{deeper}'.join(items)}{newline}]" if items else "[]"
        pairs = [
            f"{encode_basestring(key)}: {text(item, deeper)}"
            for key, item in sorted(cast("dict[str, object]", value).items(), key=itemgetter(0))
        ]
        return f"{{{deeper}{f',{deeper}'.join(pairs)}{newline}}}" if pairs else "{}"
