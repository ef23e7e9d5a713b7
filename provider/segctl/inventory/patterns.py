"""Host patterns as in ``--limit``: `a:&b:!c`, wildcards, `~regex`, indices, `@file`."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final

from segctl.inventory import files
from segctl.inventory.names import split_port
from segctl.inventory.tree import LOCALHOST
from segctl.model.errors import InventoryError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.inventory.model import Inventory

_SUBSCRIPT: Final = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]$")
_COLON_LIST: Final = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_WILD: Final = frozenset(".?*[")


def select(inventory: Inventory, limit: str | None) -> tuple[str, ...]:
    """Return the hosts a ``--limit`` leaves, in inventory order.

    Raises:
        InventoryError: a pattern is not valid or an index matches no host.

    """
    everything = inventory.hosts_of("all")
    if limit is None:
        return tuple(everything)
    wanted = frozenset(match(inventory, limit_patterns(limit)))
    return tuple(host for host in everything if host in wanted)


def limit_patterns(limit: str) -> list[str]:
    """Return the single patterns of a limit, those in ``@file`` included."""
    patterns: list[str] = []
    for part in split(limit):
        if part.startswith("@"):
            text = files.read_text(part[1:], None)
            patterns += [line.strip() for line in text.split("\n")]
        else:
            patterns.append(part)
    return patterns


def split(pattern: str) -> list[str]:
    """Split a pattern at commas, or else at colons that are no port, range or IPv6."""
    if "," in pattern:
        parts = pattern.split(",")
    elif split_port(pattern) is not None:
        parts = [pattern]
    else:
        # a bracket without an end stands for nothing, and must not be looked for from each one
        end = pattern.rfind("]") + 1
        parts = _COLON_LIST.findall(pattern[:end] + pattern[end:].replace("[", ":"))
    return [part.strip() for part in parts if part.strip()]


def match(inventory: Inventory, patterns: Iterable[str]) -> list[str]:
    """Return the hosts that match: first what is named, then `&`, then `!`."""
    given = [pattern for pattern in patterns if pattern]
    plain = [pattern for pattern in given if pattern[0] not in "&!"]
    both = [pattern for pattern in given if pattern[0] == "&"]
    without = [pattern for pattern in given if pattern[0] == "!"]
    hosts: dict[str, None] = {}
    for pattern in plain or ["all"]:
        hosts.update(dict.fromkeys(_one(inventory, pattern)))
    for pattern in both:
        keep = frozenset(_one(inventory, pattern))
        hosts = {host: None for host in hosts if host in keep}
    for pattern in without:
        drop = frozenset(_one(inventory, pattern))
        hosts = {host: None for host in hosts if host not in drop}
    return list(hosts)


def unmatched(inventory: Inventory, patterns: Iterable[str]) -> list[str]:
    """Return the names among the patterns, those after `&` and `!` included, that nothing has.

    Ansible passes over them, so that a mistyped ``!name`` leaves out nothing.
    """
    found: list[str] = []
    for pattern in patterns:
        bare = pattern[1:] if pattern[:1] in {"&", "!"} else pattern
        subscript = _SUBSCRIPT.match(bare)
        name = subscript[1] if subscript else bare
        plain = bool(name) and name[0] != "~" and not _WILD - {"."} & set(name)
        known = bare in inventory.hosts or name in inventory.groups
        if plain and not known and not _matches(inventory, name):
            found.append(bare)
    return found


def _one(inventory: Inventory, pattern: str) -> list[str]:
    if pattern in inventory.hosts:
        return [pattern]
    bare = pattern[1:] if pattern[0] in "&!" else pattern
    if not bare:
        raise _invalid(pattern)
    subscript = None if bare[0] == "~" else _SUBSCRIPT.match(bare)
    found = _matches(inventory, subscript[1] if subscript else bare)
    if not found or subscript is None:
        return found
    first = int(subscript[2] or subscript[3])
    if subscript[2] is None and subscript[4] != "" and int(subscript[4]):
        return found[first : int(subscript[4]) + 1]
    if subscript[2] is None and subscript[4] == "":
        return found[first:]
    try:
        return [found[first]]
    except IndexError as error:
        raise _invalid(pattern, "the index matches no host") from error


def _matches(inventory: Inventory, expression: str) -> list[str]:
    """Return what an expression finds; a host found twice counts twice for an index."""
    matches = _matcher(expression)
    groups = [name for name in inventory.groups if matches.match(name)]
    found = [host for group in groups for host in inventory.hosts_of(group)]
    if not groups or expression[0] == "~" or _WILD & set(expression):
        found += [name for name in inventory.hosts if matches.match(name)]
    if not found and expression in LOCALHOST:
        return [name for name in inventory.hosts if name in LOCALHOST][:1]
    return found


def _matcher(expression: str) -> re.Pattern[str]:
    try:
        if expression[0] == "~":
            return re.compile(expression[1:])
        return re.compile(fnmatch.translate(expression))
    except re.error as error:
        raise _invalid(expression, str(error)) from error


def _invalid(pattern: str, why: str = "") -> InventoryError:
    message = f"not a valid host pattern: {pattern}" + (f" ({why})" if why else "")
    return InventoryError((Problem(message=message, file="--limit"),))
