"""What names of applications on different platforms have to do with each other.

A platform without applications names functions by protocol and access class (``modbus.read``);
others have applications of their own, of which the catalogue knows protocol and class.
"""

from __future__ import annotations

from typing import Literal

from segctl.analysis.space import ALL_NAMES, NO_NAMES, Names
from segctl.protocols import catalogue

#: What a name has to do with another: all of it is in the other, none, or nobody knows.
Relation = Literal["in", "apart", "unknown"]


def common_names(one: Names, other: Names) -> tuple[Names, Names]:
    """Return what two sets of names of different platforms can have in common, and surely have.

    Names of the finer platform stay: ``modbus-read-coils`` is in ``modbus.read``. What is left of
    any application goes by no name of either platform that is left out.
    """
    if ALL_NAMES in (one, other) or (one.but and other.but):
        both = one & other
        return both, both
    if one.but or other.but:
        listed, left_out = (other, one) if one.but else (one, other)
        return _left(listed.listed, left_out.listed)
    can: set[str] = set()
    sure: set[str] = set()
    for name, rest in ((one, other), (other, one)):
        for each in name.listed:
            relations = {_relation(each, held) for held in rest.listed}
            if "in" in relations:
                can.add(each)
                sure.add(each)
            elif "unknown" in relations:
                return ALL_NAMES, NO_NAMES
    return Names(frozenset(can)), Names(frozenset(sure))


def _left(listed: frozenset[str], left_out: frozenset[str]) -> tuple[Names, Names]:
    """Return what can be left of some names without others, and what surely is."""
    can: set[str] = set()
    sure: set[str] = set()
    for name in listed:
        relations = {_overlap(name, other) for other in left_out}
        if "in" not in relations:
            can.add(name)
        if relations <= {"apart"}:
            sure.add(name)
    return Names(frozenset(can)), Names(frozenset(sure))


def _overlap(name: str, other: str) -> Relation:
    """Return what a name has to do with another one, which may be the finer; then it is unknown.

    Of a name that is the coarser some is left without the other, but nobody knows what.
    """
    if _is_function(name) and not _is_function(other):
        return "apart" if _relation(other, name) == "apart" else "unknown"
    return _relation(name, other)


def covers(names: Names, name: str) -> bool:
    """Whether everything that a name stands for is surely in a set of another platform's names."""
    if names == ALL_NAMES or (not names.but and name in names.listed):
        return True
    if names.but:
        return False
    if any(_relation(name, held) == "in" for held in names.listed):
        return True
    protocol, word = _function(name)
    held = catalogue().protocols.get(protocol) if _is_function(name) else None
    if held is None:
        return False
    own = {one.name for one in held.usable if one.access_class == word and not one.base}
    return bool(own) and own <= names.listed


def _relation(name: str, other: str) -> Relation:
    """Return what a name has to do with another one, of the same or the coarser platform."""
    if name == other:
        return "in"
    if not _is_function(other):
        return "apart" if _apart(name, other) or _is_function(name) else "unknown"
    protocol, word = _function(name)
    held, of = _function(other)
    if not protocol:
        return "unknown"
    if protocol != held:
        return "apart"
    if not word:
        return "unknown"
    return "in" if word in (of, "session") else "apart"


def _apart(name: str, other: str) -> bool:
    """Whether two names of applications are surely different ones of one platform."""
    return not _is_function(name) and all(_function(each)[0] for each in (name, other))


def _is_function(name: str) -> bool:
    protocol, _, word = name.partition(".")
    return bool(word) and protocol in catalogue().protocols


def _function(name: str) -> tuple[str, str]:
    """Return protocol and class of a name, what is not known of it empty."""
    known = catalogue()
    if _is_function(name):
        protocol, _, word = name.partition(".")
        return protocol, word
    protocol_of, entry = known.protocol_of(name), known.application(name)
    if protocol_of is None or entry is None:
        return "", ""
    sure = not entry.single and entry.class_confidence != "low"
    return protocol_of.id, entry.access_class if sure else ""
