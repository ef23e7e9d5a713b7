"""The graph of groups and hosts while inventory sources are being read into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from segctl.inventory.values import PREFIX, Origins, Place, Variables

if TYPE_CHECKING:
    from segctl.inventory.mocked import Mock

#: Names that stand for this machine even when no source has them.
LOCALHOST: Final = ("127.0.0.1", "localhost", "::1")


class TreeError(ValueError):
    """A group or host that cannot be added where a source wants it."""


@dataclass(slots=True)
class Group:
    """One group: hosts and children in the order they were added."""

    name: str
    variables: Variables = field(default_factory=Variables)
    origins: Origins = field(default_factory=Origins)
    hosts: dict[str, None] = field(default_factory=dict[str, None])
    children: dict[str, None] = field(default_factory=dict[str, None])
    parents: dict[str, None] = field(default_factory=dict[str, None])
    priority: int = 1


@dataclass(slots=True)
class Host:
    """One host with the variables its source gave it and the groups it is directly in.

    `outside` are groups it left although one of its groups is below them. `mock` is the entry that
    declares it to be a mock, the last one if there are several.
    """

    name: str
    variables: Variables = field(default_factory=Variables)
    origins: Origins = field(default_factory=Origins)
    groups: dict[str, None] = field(default_factory=dict[str, None])
    outside: frozenset[str] = frozenset()
    mock: Mock | None = None


class Tree:
    """Groups and hosts by name, in the order they were first seen."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.hosts: dict[str, Host] = {}
        for name in ("all", "ungrouped"):
            self.add_group(name)
        self.add_child("all", "ungrouped")

    def add_group(self, name: object) -> Group:
        """Return the group of that name, new or not."""
        if not name:
            msg = f"{name!r} is not a valid group name"
            raise TreeError(msg)
        if not isinstance(name, str):
            msg = f"a group name must be text, not {name!r}"
            raise TreeError(msg)
        if name not in self.groups:
            self.groups[name] = Group(name)
        return self.groups[name]

    def add_host(self, name: str, group: str, port: int | None = None) -> None:
        """Add a host to a group; only the first port counts, as in Ansible."""
        if not name:
            msg = "a host name must not be empty"
            raise TreeError(msg)
        if name not in self.hosts:
            self.hosts[name] = Host(name)
            if port:
                self.hosts[name].variables["ansible_port"] = port
        self.groups[group].hosts[name] = None
        self.hosts[name].groups[group] = None

    def add_child(self, parent: str, child: str) -> None:
        """Make `child`, a group or else a host, a member of the group `parent`."""
        if child not in self.groups:
            if child in self.hosts:
                self.add_host(child, parent)
                return
            msg = f"{child!r} is not a known host nor group"
            raise TreeError(msg)
        if parent == child or child in self.ancestors(parent):
            msg = f"group {child!r} would contain itself through {parent!r}"
            raise TreeError(msg)
        self.groups[parent].children[child] = None
        self.groups[child].parents[parent] = None

    def set_variable(self, entity: str, name: object, value: object, place: Place | None) -> None:
        """Set a variable of a group or else a host: a group of the same name wins."""
        owner = self.groups.get(entity) or self.hosts[entity]
        if name == "ansible_group_priority" and isinstance(owner, Group):
            try:
                owner.priority = int(value)  # type: ignore[call-overload] # a wrong one raises
            except (TypeError, ValueError) as error:
                msg = f"ansible_group_priority must be a number, not {value!r}"
                raise TreeError(msg) from error
            return
        owner.variables[name] = value  # type: ignore[index] # a name in a file may be anything
        if type(name) is str and name.startswith(PREFIX):
            owner.origins[name] = place or Place()

    def ancestors(self, group: str) -> set[str]:
        """Return the names of all groups that contain `group`."""
        found: set[str] = set()
        pending = list(self.groups[group].parents)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(self.groups[name].parents)
        return found

    def reconcile(self) -> None:
        """Apply Ansible's rules: every group is under `all`, every host in some group."""
        for name, group in self.groups.items():
            if name != "all" and not group.parents:
                self.add_child("all", name)
        for host in self.hosts.values():
            if "ungrouped" in (groups := self._groups_of(host)):
                if groups - {"all", "ungrouped"}:
                    self._leave_ungrouped(host, groups)
            elif not groups - {"all"}:
                self.add_child("ungrouped", host.name)

    def _groups_of(self, host: Host) -> set[str]:
        return set(host.groups).union(*(self.ancestors(name) for name in host.groups))

    def _leave_ungrouped(self, host: Host, groups: set[str]) -> None:
        """Take the host out of `ungrouped`, and out of what is only above that."""
        if "ungrouped" not in host.groups:
            return
        del host.groups["ungrouped"]
        del self.groups["ungrouped"].hosts[host.name]
        left = {"ungrouped"}
        for above in self.ancestors("ungrouped") - {"all"}:
            if not any(above in self.ancestors(name) for name in groups - left):
                left.add(above)
        host.outside = frozenset(left)

    def depths(self) -> dict[str, int]:
        """Return for each group the length of the longest way down to it from `all`."""
        depths = dict.fromkeys(self.groups, 0)
        waiting = {name: len(group.parents) for name, group in self.groups.items()}
        ready = [name for name, count in waiting.items() if not count]
        while ready:
            name = ready.pop()
            for child in self.groups[name].children:
                depths[child] = max(depths[child], depths[name] + 1)
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        return depths
