"""The inventory as read: groups, hosts, and each host's variables by Ansible's precedence."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.inventory.values import Items, Origins, Places, Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.inventory.tree import Group, Host
    from segctl.inventory.vault import VaultSecrets
    from segctl.model.errors import Problem


@dataclass(frozen=True, slots=True)
class Layer:
    """Variables from one place, with the places of segctl's own among them."""

    variables: Variables = field(default_factory=Variables)
    origins: Origins = field(default_factory=Origins)

    def onto(self, below: Layer) -> None:
        """Put this layer's variables over those of `below`, in place."""
        below.variables.update(self.variables)
        below.origins.update(self.origins)


@dataclass(frozen=True, slots=True)
class VarsFolder:
    """What ``group_vars`` and ``host_vars`` of one folder hold, by group and by host."""

    groups: Mapping[str, Layer]
    hosts: Mapping[str, Layer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """A variable file that declares nothing to segctl, though it holds something or should.

    `problem` says why, `text` is what it holds, as far as that can be read, and `owner` the group
    or host that it belongs to, empty if it belongs to none.
    """

    problem: Problem
    text: str = ""
    owner: str = ""

    def names(self, word: str) -> bool:
        """Whether it may declare something of this name."""
        key = rf"(?:^|[{{,])[ \t]*[\"']?{re.escape(word)}[\"']?[ \t]*:"
        return re.search(key, self.text, re.MULTILINE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything the sources declare.

    `unread` warns of files that no group or host reads, `surroundings` of what lies around the
    sources; `lost` is what Ansible passes over and nothing but a listing may be made without.
    """

    groups: Mapping[str, Group]
    hosts: Mapping[str, Host]
    depths: Mapping[str, int]
    beside: tuple[VarsFolder, ...] = ()
    adjacent: tuple[VarsFolder, ...] = ()
    extra: Layer = field(default_factory=Layer)
    #: variables of a play, and its hosts: above the inventory's, below `extra`
    play: Layer = field(default_factory=Layer)
    play_hosts: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    unread: tuple[Problem, ...] = ()
    surroundings: tuple[Problem, ...] = ()
    lost: tuple[Problem, ...] = ()
    silent: tuple[Silent, ...] = ()
    places: Places = field(default_factory=dict[int, Items], repr=False)
    vault: VaultSecrets | None = field(default=None, repr=False)

    def groups_of(self, host: str) -> frozenset[str]:
        """Return the names of all groups the host is in, directly or not."""
        found: set[str] = set()
        pending = list(self.hosts[host].groups)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(self.groups[name].parents)
        return frozenset(found - self.hosts[host].outside)

    def hosts_of(self, group: str) -> list[str]:
        """Return all hosts of a group and of the groups below it, nearest groups first."""
        names: dict[str, None] = {}
        level = [group]
        seen: set[str] = set()
        while level:
            below: list[str] = []
            for name in level:
                if name not in seen:
                    seen.add(name)
                    names.update(self.groups[name].hosts)
                    below += self.groups[name].children
            level = below
        return list(names)

    def group_layer(self, group: str) -> Layer:
        """Return the variables of one group alone, its files included."""
        own = self.groups[group]
        layer = Layer(dict(own.variables), dict(own.origins))
        for folder in (*self.beside, *self.adjacent):
            if found := folder.groups.get(group):
                found.onto(layer)
        return layer

    def host_layer(self, host: str) -> Layer:
        """Return all variables of one host, merged by precedence."""
        return next(layer for _, layer in self.host_layers((host,)))

    def implicit_layer(self, name: str) -> Layer:
        """Return the variables of this machine, which needs no inventory to be known."""
        layer = self._from_groups(frozenset({"all"}))
        layer.variables["ansible_connection"] = "local"
        layer.variables["ansible_python_interpreter"] = sys.executable or "/usr/bin/python"
        return self._host_files(name, layer)

    def _host_files(self, name: str, layer: Layer) -> Layer:
        for folder in (*self.beside, *self.adjacent):
            if found := folder.hosts.get(name):
                found.onto(layer)
        if name in self.play_hosts:
            self.play.onto(layer)
        self.extra.onto(layer)
        return layer

    def host_layers(self, hosts: Iterable[str] | None = None) -> Iterator[tuple[str, Layer]]:
        """Yield each host with its merged variables; what groups give is merged once."""
        merged: dict[frozenset[str], Layer] = {}
        direct: dict[tuple[object, ...], frozenset[str]] = {}
        for name in self.hosts if hosts is None else hosts:
            host = self.hosts[name]
            key = (*host.groups, host.outside)
            groups = direct.get(key)
            if groups is None:
                groups = direct[key] = self.groups_of(name)
            base = merged.get(groups)
            if base is None:
                base = merged[groups] = self._from_groups(groups)
            layer = Layer(base.variables | host.variables, base.origins | host.origins)
            yield name, self._host_files(name, layer)

    def _from_groups(self, names: frozenset[str]) -> Layer:
        ranked = sorted(
            (self.groups[name] for name in names if name != "all"),
            key=lambda group: (self.depths[group.name], group.priority, group.name),
        )
        layer = Layer()
        for group in (self.groups["all"], *ranked):
            layer.variables.update(group.variables)
            layer.origins.update(group.origins)
        for folders in (self.beside, self.adjacent):
            for folder in folders:
                if found := folder.groups.get("all"):
                    found.onto(layer)
        for folders in (self.beside, self.adjacent):
            for folder in folders:
                for group in ranked:
                    if found := folder.groups.get(group.name):
                        found.onto(layer)
        return layer
