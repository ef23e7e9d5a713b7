"""What objects held that a firewall fills by itself: read from its answers.

An answer that is not understood says nothing: then it cannot be told what the object holds.

Sources: recorded answers of ``show object dynamic-address-group`` (groups of the virtual system
name it, shared ones none; members are registered addresses or objects) and of ``show dns-proxy
fqdn all`` (a table of text: a name, below it its addresses, ``::  unknown`` where there are none;
earlier releases write more columns and the object's name); notes measured on PAN-OS 11.1
(OptivEdge: the answer about a list, which counts the entries that are valid and those that are
not).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from segctl.model.addresses import interval
from segctl.model.errors import ParseError
from segctl.model.filled import Filled
from segctl.model.policy import Address, AddressGroup
from segctl.providers.panos import elements, filled, user_groups
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.filled import Lasting
    from segctl.model.policy import Policy, Rule
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.snapshot import Snapshot

LIST: Final = "a list that the device fetches"
GROUP: Final = "a group whose members the device fills in"
NAME: Final = "a name that the device looks up"
REGION: Final = "a region"
#: A host's name, at the beginning of a line of the table of names.
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.?")
_OBJECT: Final = re.compile(r"\(Objectname .*\):?", re.IGNORECASE)
_NOBODY: Final = frozenset({"::", "0.0.0.0"})  # noqa: S104 - what stands for no address
_TIME: Final = re.compile(r"[0-9A-Za-z :,.+/-]{1,40}")
#: Codes of countries, which the device knows besides what it is told of them.
_CODE: Final = re.compile("[A-Za-z0-9]{1,3}")
_ADDRESSED: Final = re.compile("[0-9a-fA-F.:/-]+")
#: The type of a member that is an address with a tag.
_REGISTERED: Final = "registered-ip"


class _NotUnderstoodError(ValueError):
    """An answer holds something that is not understood; it says what."""


@dataclass(slots=True)
class _Room:
    """How many addresses may still be kept."""

    left: int = filled.MOST_ADDRESSES

    def take(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return addresses that are all understood.

        Raises:
            _NotUnderstoodError: one is not, or there are too many.
        """
        if len(texts) > self.left:
            message = f"it and others hold more than {filled.MOST_ADDRESSES} addresses"
            raise _NotUnderstoodError(message)
        for text in texts:
            try:
                interval(text)
            except ValueError:
                message = f"it holds {text[:60]!r}, which is no address"
                raise _NotUnderstoodError(message) from None
        self.left -= len(texts)
        return tuple(texts)


def read(
    snapshot: Snapshot,
    policy: Policy,
    pushed: Iterable[Rule],
    *,
    roots: Sequence[Element | None],
    lists: frozenset[str],
    regions: frozenset[str],
    dynamic_users: frozenset[str],
) -> dict[str, Filled]:
    """Return what the objects held that rules use, and the addresses of regions.

    Args:
        snapshot: the document, which may have answers about them.
        policy: the device's rules, and all objects that a name may mean, whoever owns them.
        pushed: further rules.
        roots: the rest of the virtual system's configuration, and of what is shared.
        lists: the names of lists that are pushed.
        regions: the names of regions that are pushed.
        dynamic_users: the names of groups of users that are pushed and that the device fills in.
    """
    known = lists.union(*(_entry_names(root, "external-list") for root in roots))
    reader = _Reader(snapshot, policy)
    found: dict[str, Filled] = {}
    for name in sorted(_named((*policy.rules, *pushed), policy)):
        one = reader.filled(name, known)
        if one is not None:
            found[name] = replace(one, at=reader.at)
    others = {item.name for item in (*policy[Address], *policy[AddressGroup])}
    dynamic = dynamic_users.union(*(_entry_names(root, "dynamic-user-group") for root in roots))
    users = user_groups.read(snapshot, (*policy.rules, *pushed), reader.at, dynamic)
    return users | _regions(roots, frozenset({*regions, *known, *others})) | found


def not_asked(
    policy: Policy, rules: Iterable[Rule], lists: frozenset[str], why: str
) -> dict[str, Filled]:
    """Return the objects that a firewall fills and that rules use, where nobody was asked.

    Args:
        policy: rules, and all objects that a name may mean.
        rules: further rules.
        lists: the names of lists.
        why: the reason why nothing was asked.
    """
    groups = {item.name for item in policy[AddressGroup] if not item.members}
    hosts = {item.name for item in policy[Address] if item.type == "fqdn"}
    kinds = ((GROUP, groups), (NAME, hosts), (LIST, lists))
    used = _named((*policy.rules, *rules), policy)
    return {
        name: Filled(what=what, unread=why)
        for what, names in kinds
        for name in sorted(used & names)
    }


def _entry_names(root: Element | None, kind: str) -> Iterator[str]:
    if root is not None:
        yield from (entry.get("name", "") for entry in root.iterfind(f"{kind}/entry"))


def _named(rules: Iterable[Rule], policy: Policy) -> set[str]:
    """Return the names of addresses that rules in use name, by themselves or by groups."""
    groups = {group.name: group.members for group in policy[AddressGroup]}
    found = set[str]()
    waiting = [
        name for rule in rules if not rule.disabled for name in (*rule.sources, *rule.destinations)
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += groups.get(name, ())
    return found


@dataclass(slots=True)
class _Reader:
    """Reads the answers of one document as they are needed."""

    snapshot: Snapshot
    policy: Policy
    room: _Room = field(default_factory=_Room)
    at: str = ""
    _names: dict[str, list[frozenset[str]]] | None = None
    _groups: dict[str, Element] | None = None
    _addresses: dict[str, Address] = field(default_factory=dict[str, Address])
    _held: dict[str, AddressGroup] = field(default_factory=dict[str, AddressGroup])

    def __post_init__(self) -> None:
        told = bytes(self.snapshot.parts.get(filled.AT, b"")).decode(errors="replace").strip()
        self.at = told if _TIME.fullmatch(told) else ""
        self._addresses = {item.name: item for item in self.policy[Address]}
        self._held = {item.name: item for item in self.policy[AddressGroup]}

    def filled(self, name: str, lists: frozenset[str]) -> Filled | None:
        """Return what an object held, None for one that does not change by itself."""
        group, address = self._held.get(name), self._addresses.get(name)
        if group is not None:
            return None if group.members else self._asked(GROUP, filled.GROUPS, self._group, name)
        if address is not None:
            if address.type != "fqdn":
                return None
            return self._asked(NAME, filled.NAMES, self._name, name)
        if name in lists or self._has(filled.LIST + name):
            return self._asked(LIST, filled.LIST + name, self._list, name)
        return None

    def _has(self, part: str) -> bool:
        return part in self.snapshot.parts or part + filled.REFUSED in self.snapshot.parts

    def _asked(self, what: str, part: str, read: _Read, name: str) -> Filled | None:
        """Return what an answer says of an object; None where nobody asked."""
        if not self._has(part):
            return None
        parts = self.snapshot.parts
        if part + filled.REFUSED in parts:
            refused = bytes(parts[part + filled.REFUSED]).decode(errors="replace")
            return Filled(what=what, unread=refused)
        try:
            return replace(read(name), what=what)
        except _NotUnderstoodError as error:
            return Filled(what=what, unread=str(error))
        except ParseError as error:
            return Filled(what=what, unread=error.message)

    def _answer(self, part: str) -> Element:
        host = self.snapshot.host
        result = small(host, part, self.snapshot.parts[part]).find("result")
        if result is None:
            raise _NotUnderstoodError("the answer has no result")
        return result

    # --- lists -----------------------------------------------------------------------------------

    def _list(self, name: str) -> Filled:
        held = self._answer(filled.LIST + name).find("external-list")
        if held is None or (held.findtext("name") or "").strip() != name:
            raise _NotUnderstoodError("the answer is not about it")
        system = (held.findtext("vsys") or "").strip()
        if system not in {"", "none", "shared", self.snapshot.scope}:
            raise _NotUnderstoodError(f"the answer is about the one of {system[:40]!r}")
        texts = [_text(one) for one in held.iterfind("valid-members/member")]
        valid, invalid = (_number(held, f"total-{kind}") for kind in ("valid", "invalid"))
        if valid > filled.MOST_ADDRESSES:
            raise _NotUnderstoodError(f"it holds more than {filled.MOST_ADDRESSES} addresses")
        if len(texts) != valid:
            raise _NotUnderstoodError(f"the answer has {len(texts)} of its {valid} entries")
        if not valid and invalid:
            raise _NotUnderstoodError("it has no valid entry: the device may not have fetched it")
        excepted = bytes(self.snapshot.parts.get(filled.EXCEPTIONS + name, b"")).decode()
        return Filled(
            what="",
            addresses=self.room.take(texts),
            perhaps=self.room.take([text for text in excepted.split("\n") if text]),
        )

    # --- groups ----------------------------------------------------------------------------------

    def _group(self, name: str) -> Filled:
        if self._groups is None:
            self._groups = dict(self._listed_groups())
        entry = self._groups.get(name)
        if entry is None:
            raise _NotUnderstoodError("the device does not list it")
        inside = entry.find("member-list")
        texts: list[str] = []
        members: list[str] = []
        for one in () if inside is None else inside:
            held = (one.get("name") or "").strip()
            if one.get("type") == _REGISTERED:
                texts.append(held)
            elif held in self._addresses or held in self._held:
                members.append(held)
            else:
                kind = (one.get("type") or "")[:40]
                raise _NotUnderstoodError(f"it holds {held[:63]!r} of type {kind!r}")
        return Filled(what="", addresses=self.room.take(texts), members=tuple(members))

    def _listed_groups(self) -> Iterator[tuple[str, Element]]:
        """Yield the groups of the answer, those that are shared before those of the system."""
        groups = self._answer(filled.GROUPS).find("dyn-addr-grp")
        if groups is None:
            raise _NotUnderstoodError("the answer lists no groups")
        for own in (False, True):
            for entry in groups.iterfind("entry"):
                system = (entry.findtext("vsys") or "").strip()
                if system == (self.snapshot.scope if own else ""):
                    yield (entry.findtext("group-name") or "").strip(), entry

    # --- names -----------------------------------------------------------------------------------

    def _name(self, name: str) -> Filled:
        if self._names is None:
            text = "".join(map(str, self._answer(filled.NAMES).itertext()))
            self._names = looked_up(text)
        answers = self._names.get(self._addresses[name].value.lower().rstrip("."))
        if answers is None:
            raise _NotUnderstoodError("the device has not looked it up")
        times = Counter(address for answer in answers for address in answer)
        every = sorted(times, key=lambda text: (ip_address(text).version, ip_address(text)))
        return Filled(
            what="",
            addresses=self.room.take(every),
            perhaps=tuple(text for text in every if times[text] < len(answers)),
        )


if TYPE_CHECKING:
    from collections.abc import Callable

    _Read = Callable[[str], Filled]


def looked_up(table: str) -> dict[str, list[frozenset[str]]]:
    """Return the addresses of each name in the table, as often as it is there.

    Several resolvers can have it. A line that begins with an address belongs to the name before; a
    name stands alone or with that of its object; other lines, such as headings, end a name's.
    """
    found: dict[str, list[set[str]]] = {}
    current: set[str] | None = None
    for line in table.splitlines():
        words = line.split()
        if not words:
            continue
        if _is_address(words[0]):
            if current is not None and words[0] not in _NOBODY:
                current.add(words[0])
        elif line[0].isspace():
            if current is not None and "not used" in line.lower():
                current.add("")  # no rule of the device's names it: then it is not looked up
        elif _HOST.fullmatch(words[0]) and _alone(line.strip()[len(words[0]) :]):
            current = set()
            found.setdefault(words[0].lower().rstrip("."), []).append(current)
        else:
            current = None
    return {
        name: [frozenset(one) for one in answers]
        for name, answers in found.items()
        if not any("" in one for one in answers)
    }


def _alone(rest: str) -> bool:
    """Whether what follows a name in its line is nothing but the name of its object."""
    return not rest.strip(" \t:") or _OBJECT.fullmatch(rest.strip()) is not None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


# --- regions -------------------------------------------------------------------------------------


def _regions(roots: Iterable[Element | None], hidden: frozenset[str]) -> dict[str, Filled]:
    """Return the regions whose addresses are in the configuration.

    One that has the code of a country holds what the device knows of that besides. One that is
    defined twice, or is `hidden` by another, is left out.
    """
    found: dict[str, Filled] = {}
    twice = set(hidden)
    held_by = (root for root in roots if root is not None)
    for entry in (one for root in held_by for one in root.iterfind("region/entry")):
        name = entry.get("name", "")
        inside = entry.find("address")
        if name in found:
            twice.add(name)
        texts = () if inside is None else elements.members(inside)
        if not texts or (_ADDRESSED.fullmatch(name) and not _CODE.fullmatch(name)):
            continue
        try:
            held = _Room().take(texts)
        except _NotUnderstoodError:
            continue
        lasting: Lasting = "at least" if _CODE.fullmatch(name) else "all"
        found[name] = Filled(what=REGION, addresses=held, lasting=lasting)
    return {name: one for name, one in found.items() if name not in twice}


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _number(held: Element, tag: str) -> int:
    text = (held.findtext(tag) or "").strip()
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _NotUnderstoodError(f"the answer has no {tag}")
    return int(text)


def top_down(parts: Mapping[str, bytes | memoryview], template: str) -> bool:
    """Whether rules with wildcard addresses that overlap are matched in their order.

    What the firewall has itself comes before what templates gave it. Source: vendor's new features
    of PAN-OS 10.2, Wildcard Top Down Match Mode; the setting's place in two configuration audits
    (``deviceconfig/setting/management/wildcard-topdown-match-mode``).
    """
    for part in ("deviceconfig", template):
        found = _TOP_DOWN.findall(bytes(parts.get(part, b"")))
        if found:
            return set(found) == {b"yes"}
    return False


_TOP_DOWN: Final = re.compile(
    rb"<wildcard-topdown-match-mode(?:\s[^<>]*)?>\s*+([a-z]*+)\s*+</wildcard-topdown-match-mode>"
)
