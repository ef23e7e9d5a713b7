"""Inventory sources in YAML or JSON: groups with `hosts`, `vars` and `children`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from segctl.inventory.mocked import MARK, Mock
from segctl.inventory.names import HostPatternError, expand
from segctl.inventory.tree import Tree, TreeError
from segctl.inventory.values import Items, Place, Places
from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTIONS = ("vars", "children", "hosts")


class GroupsReader:
    """Reads one parsed YAML source into a tree; collects problems and carries on."""

    def __init__(self, tree: Tree, file: str, places: Places) -> None:
        self._tree = tree
        self._file = file
        self._places = places
        self.problems: list[Problem] = []
        #: what Ansible passes over
        self.lost: list[Problem] = []

    def read(self, data: Mapping[object, object]) -> None:
        """Add all groups of the document."""
        for name in data:
            place = self._place(data, name)
            known = self._group(name, data[name], place, str(name))
            if not known and not isinstance(data[name], (dict, type(None))):
                self._lose_group(data[name], place, str(name))

    def _group(self, name: object, data: object, place: Place, path: str) -> bool:
        if not isinstance(data, (dict, type(None))):
            known = isinstance(name, str) and name in self._tree.groups
            if known:
                self._lose_group(data, place, path)
            return known
        try:
            group = self._tree.add_group(name).name
        except TreeError as error:
            self._problem(place, path, str(error), "quote the name")
            return False
        if data is not None:
            self._sections(group, cast("dict[object, object]", data), path)
        return True

    def _sections(self, group: str, data: dict[object, object], path: str) -> None:
        for section, value in data.items():
            where = f"{path}.{section}"
            if section not in _SECTIONS:
                close = get_close_matches(str(section).lower(), _SECTIONS, n=1)
                hint = f"did you mean {close[0]}?" if close else "a group has hosts, children, vars"
                place = self._place(data, section)
                self._lose(place, where, f"unknown key {section!r} in group {group!r}", hint)
                continue
            if value is None:
                continue
            items: object = {value: None} if isinstance(value, str) else value
            if not isinstance(items, dict):
                self._problem(
                    self._place(data, section),
                    where,
                    f"must be a mapping, not {_kind(items)}",
                    f"write each name under {section}: with a colon after it",
                )
                continue
            self._section(str(section), group, cast("dict[object, object]", items), where)

    def _section(self, section: str, group: str, items: dict[object, object], path: str) -> None:
        places = self._places.get(id(items), {})
        for key, value in items.items():
            place = places.get(key, Place(self._file))
            where = f"{path}.{key}"
            try:
                if section == "vars":
                    self._tree.set_variable(group, key, value, place)
                elif section == "children":
                    self._child(group, key, value, place, where)
                else:
                    self._hosts(group, key, value, place, where)
            except (TreeError, HostPatternError) as error:
                self._problem(place, where, str(error), "")

    def _child(self, group: str, key: object, value: object, place: Place, path: str) -> None:
        if self._group(key, value, place, path) or key in self._tree.hosts:
            self._tree.add_child(group, cast("str", key))
        elif isinstance(key, str):
            self._problem(place, path, f"{key!r} is not a known host nor group", "")

    def _hosts(self, group: str, key: object, value: object, place: Place, path: str) -> None:
        if not isinstance(key, str):
            self._problem(place, path, f"a host name must be text, not {key!r}", "quote it")
            return
        variables: object = value or {}
        if not isinstance(variables, dict):
            self._problem(
                place,
                path,
                f"the variables of a host must be a mapping, not {_kind(variables)}",
                "write `name: value` lines below the host",
            )
            return
        own = cast("dict[object, object]", variables)
        places: Items = self._places.get(id(own), {})
        names, port = expand(key)
        for name in names:
            self._tree.add_host(name, group, port)
            for variable, content in own.items():
                at = places.get(variable, place)
                self._tree.set_variable(name, variable, content, at)
            if own.get(MARK) is True:
                self._tree.hosts[name].mock = Mock(own, places.get(MARK, place))

    def _place(self, container: Mapping[object, object], key: object) -> Place:
        return self._places.get(id(container), {}).get(key, Place(self._file))

    def _problem(self, place: Place, path: str, message: str, hint: str) -> None:
        self.problems.append(self._at(place, path, message, hint))

    def _lose_group(self, data: object, place: Place, path: str) -> None:
        hint = "write hosts: or children: below it, and each name there with a colon after it"
        self._lose(place, path, f"a group must be a mapping, not {_kind(data)}", hint)

    def _lose(self, place: Place, path: str, message: str, hint: str) -> None:
        self.lost.append(self._at(place, path, message, hint))

    def _at(self, place: Place, path: str, message: str, hint: str) -> Problem:
        return Problem(
            message=message,
            file=self._file,
            line=place.line,
            column=place.column,
            path=path,
            hint=hint,
        )


def _kind(value: object) -> str:
    names: dict[type, str] = {
        list: "a list",
        str: "text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)
