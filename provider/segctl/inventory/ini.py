"""Inventory sources in Ansible's INI format: `[group]`, `[group:vars]`, `[group:children]`."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass
from typing import Final, cast

from segctl.inventory.names import HostPatternError, expand
from segctl.inventory.tree import Tree, TreeError
from segctl.inventory.values import Place, Unsafe
from segctl.model.errors import Problem

_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$")
_GROUP: Final = re.compile(r"([^:\]\s]+)\s*(?:#.*)?$")
#: Bits of the longest number that Python writes as text (sys.int_info): 4300 digits.
_LONGEST: Final = 14_000
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$", re.ASCII)
_LITERAL_WORDS: Final = {"True": True, "False": False, "None": None}


@dataclass(slots=True)
class _Pending:
    """A group that was named before its own section came."""

    line: int
    kind: str
    parents: list[str]


class IniReader:
    """Reads one INI source into a tree; collects problems and carries on."""

    def __init__(self, tree: Tree, file: str) -> None:
        self._tree = tree
        self._file = file
        self._line = 0
        self._column = 1
        self._group = "ungrouped"
        self._state = "hosts"
        self._pending: dict[str, _Pending] = {}
        self.problems: list[Problem] = []

    def read(self, text: str) -> None:
        """Add everything the text declares."""
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            self._line = number
            self._column = raw.index(line) + 1
            try:
                self._declaration(line)
            except (TreeError, HostPatternError, _LineError) as error:
                self._problem(number, str(error))
        for name, pending in self._pending.items():
            self._undefined(name, pending)

    def _undefined(self, name: str, pending: _Pending) -> None:
        if pending.kind == "vars":
            message = f"[{name}:vars] is for a group that is not defined: {name!r}"
        else:
            message = f"[{pending.parents[-1]}:children] names an undefined group {name!r}"
        self._column = 1
        self._problem(pending.line, message, hint=f"add a section [{name}]")

    def _declaration(self, line: str) -> None:
        if match := _SECTION.match(line):
            self._section(match[1], match[2] or "hosts")
        elif line.startswith("[") and line.endswith("]"):
            msg = f"not a valid section: {line}; it must not hold spaces"
            raise _LineError(msg)
        elif self._state == "hosts":
            self._host(line)
        elif self._state == "vars":
            name, value = self._assignment(line, "a variable is written name=value")
            self._tree.set_variable(self._group, name.strip(), literal(value.strip()), self._at())
        else:
            self._child(line)

    def _section(self, group: str, state: str) -> None:
        if state not in {"hosts", "children", "vars"}:
            msg = f"[{group}:{state}] is of unknown kind; use :vars, :children or neither"
            raise _LineError(msg)
        self._group, self._state = group, state
        if group not in self._tree.groups:
            if state == "vars" and group not in self._pending:
                self._pending[group] = _Pending(self._line, "vars", [])
            self._tree.add_group(group)
        if group in self._pending and state != "vars":
            self._resolve(group)

    def _resolve(self, group: str) -> None:
        pending = self._pending.pop(group)
        for parent in pending.parents:
            self._tree.add_child(parent, group)

    def _child(self, line: str) -> None:
        match = _GROUP.match(line)
        if match is None:
            msg = f"a group name is expected, not {line!r}"
            raise _LineError(msg)
        child = match[1]
        if child in self._tree.groups:
            self._tree.add_child(self._group, child)
        elif child in self._pending:
            self._pending[child].parents.append(self._group)
        else:
            self._pending[child] = _Pending(self._line, "children", [self._group])

    def _host(self, line: str) -> None:
        try:
            pattern, *assignments = shlex.split(line, comments=True)
        except ValueError as error:
            msg = f"not a host line: {error}"
            raise _LineError(msg) from error
        names, port = expand(pattern)
        if pattern.strip().endswith(":") and port is None:
            msg = f"a host pattern must not end in a colon: {pattern!r}; is this YAML?"
            raise _LineError(msg)
        if any(name.strip() == "---" for name in names):
            msg = "'---' begins a YAML file; name it .yml"
            raise _LineError(msg)
        values: dict[str, object] = {}
        for word in assignments:
            name, value = self._assignment(word, "host variables are written name=value")
            values[name] = literal(value)
        for host in names:
            self._tree.add_host(host, self._group, port)
            for name, content in values.items():
                self._tree.set_variable(host, name, content, self._at())

    def _assignment(self, text: str, expected: str) -> tuple[str, str]:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"{expected}, not {text!r}"
            raise _LineError(msg)
        return name, value

    def _at(self) -> Place:
        return Place(self._file, self._line, self._column, self._line, self._column)

    def _problem(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(
            Problem(
                message=message,
                file=self._file,
                line=line,
                column=self._column,
                hint=hint,
            )
        )


class _LineError(ValueError):
    """A line that is not what its section holds."""


def literal(text: str) -> object:
    """Return the value Ansible gives the text after ``name=`` in an INI file."""
    if _WORD.match(text):
        return _LITERAL_WORDS.get(text, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _plain(cast("object", ast.literal_eval(text)), text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text


def _plain(value: object, text: str) -> object:
    """Reduce Python literals to what variables can hold."""
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, text) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {key: _plain(item, text) for key, item in items}
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        msg = "a number that Python cannot write"
        raise ValueError(msg)
    if value is ...:
        return "..."
    if isinstance(value, complex):
        return str(value)
    if isinstance(value, bytes):
        return Unsafe(value.decode(errors="surrogateescape"))
    return value
