"""What firewalls hold of a device group: the version that was pushed to them last.

A firewall that is not in sync may lack what others have committed and not pushed. To take a change
back from it is to have it hold again what it held, not what Panorama ran.

Source: answers recorded of ``show devicegroups`` (10.0) and ``show devices all`` (9.1), which give
the version of Panorama's configuration that a firewall got; operational commands of 10.0: ``show
config audit version`` returns one. That the two count alike is taken from their names: it was not
tried on a real Panorama.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.model.errors import ParseError
from segctl.providers.panos import names, record
from segctl.providers.panos.render import restore, touched
from segctl.providers.panos.undo import SHOWN, read_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.panos.place import Place
    from segctl.providers.panos.record import Record
    from segctl.providers.panos.undo import Body, Key, Scope

#: The item that bears a run's record.
TAG: Final[Key] = ("tag", names.TAG)
#: What is recorded of firewalls where it does not fit.
_UNKNOWN: Final = "x"
#: Most characters of a record that are about firewalls.
_MOST: Final = 400


@dataclass(slots=True, kw_only=True)
class Versions:
    """Versions of Panorama's configuration, as far as a device group holds what is asked about.

    `keys` are kinds and names of the items of which all is kept: those that a script changes, our
    tag, and what else of ours a firewall held that the group does not hold so.
    """

    place: Place
    limit: int
    keys: frozenset[Key] = frozenset()
    more: frozenset[Key] = frozenset()
    _group: frozenset[Key] = frozenset()
    _read: dict[str, Scope] = field(default_factory=dict[str, "Scope"])

    def about(self, script: str) -> None:
        """Set what is asked about: what a script changes, and our tag."""
        asked = ((kind, name) for kind, all_of in touched(script).items() for name in all_of)
        self.keys, self.more = frozenset({TAG, *asked}), frozenset()
        self._read.clear()

    def take_in(self, numbers: Iterable[str], body: Body, where: str) -> None:
        """Ask also about what else of ours these versions hold otherwise than the group in `body`.

        A rule that a firewall held may name an object that somebody has renamed since.

        Raises:
            ParseError: as `of`.
        """
        group, wanted = self._scope(body, where), list(numbers)
        self._group = frozenset(group.seen)
        found = frozenset(key for number in wanted for key in _ours(self.of(number), group))
        if found - self.keys:
            self.more |= found - self.keys
            self.keys |= found
            self._read.clear()
            for number in wanted:
                self.of(number)

    def script(self, script: str) -> str:
        """Return a script of which it is true that it changes all that is asked about."""
        root = etree.fromstring(script.encode())
        for key in sorted(self.more):
            etree.SubElement(root, "edit", xpath=self.place.location.path(*key))
        return etree.tostring(root, encoding="unicode")

    def of(self, number: str) -> Scope:
        """Return a device group in a version.

        Raises:
            ParseError: Panorama does not have that version any more, or not the group in it.
        """
        if number not in self._read:
            target = self.place.target
            if not re.fullmatch(r"[0-9]{1,9}", number, re.ASCII):
                raise ParseError(target.name, f"does not say which version it pushed ({number!r})")
            command = f"<show><config><audit><version>{number}</version></audit></config></show>"
            body = self.place.member.ask({"type": "op", "cmd": command})
            try:
                self._read[number] = self._scope(body, self.place.location.saved)
            except ParseError as error:
                message = f"does not show version {number} of its configuration"
                raise ParseError(target.name, message) from error
        return self._read[number]

    def shown(self, body: Body) -> Scope:
        """Return the device group in an answer to ``show`` of it."""
        return self._scope(body, SHOWN)

    def _scope(self, body: Body, where: str) -> Scope:
        return read_scope(
            self.place.target.name,
            body,
            self.place.location,
            where=where,
            limit=self.limit,
            keep=self.keys.__contains__,
        )

    def record(self, number: str) -> Record | None:
        """Return the record of the run that a version has."""
        return record.of_entry(self.of(number).entry)

    def steps_to(self, number: str, script: str, now: Scope) -> tuple[list[Element], list[Element]]:
        """Return the steps after which a group holds what a version held of what `script` changed.

        Rules of others that are gone are not looked for. The second list leaves the objects that
        the group held: others may refer to them, and they do no harm where none of ours does.
        """
        held, place = self.of(number), self.place.location
        entry = deepcopy(held.entry)
        for rule in entry.findall(f"{place.containers['rule']}/entry"):
            key, above = ("rule", rule.get("name", "")), rule.getparent()
            if key not in self.keys and key not in now.seen and above is not None:
                above.remove(rule)
        kept = {place.path(*key) for key in self._group - held.seen.keys() if key[0] != "rule"}
        steps = restore(script, entry, now.entry)
        return steps, [one for one in steps if one.tag != "delete" or one.get("xpath") not in kept]

    def same(self, one: Scope, other: Scope) -> bool:
        """Whether two hold the same of what is asked about, and their common rules in one order."""
        for key in self.keys:
            left, right = one.seen.get(key), other.seen.get(key)
            if (left and left.digest) != (right and right.digest):
                return False
        return _order(one, other) == _order(other, one)


def _ours(one: Scope, other: Scope) -> Iterator[Key]:
    """Yield the items of ours that two do not both hold alike."""
    for key in {**one.seen, **other.seen}:
        left, right = one.seen.get(key), other.seen.get(key)
        same = left is not None and right is not None and left.digest == right.digest
        if not same and any(each is not None and each.ours for each in (left, right)):
            yield key


def _order(one: Scope, other: Scope) -> list[str]:
    return [key[1] for key in one.seen if key[0] == "rule" and key in other.seen]


def not_pushed(firewalls: Mapping[str, Firewall]) -> dict[str, Firewall]:
    """Return those to which something was pushed, and that lack what was committed later."""
    return {name: one for name, one in firewalls.items() if not (one.in_sync or one.never)}


def written(held: Mapping[str, str], firewalls: Mapping[str, Firewall]) -> str:
    """Return which firewalls hold which version, as a run's record has it."""
    by_version: dict[str, list[str]] = {}
    for name, number in sorted(held.items()):
        by_version.setdefault(number, []).append(firewalls[name].place)
    text = ";".join(f"{number}:{','.join(places)}" for number, places in by_version.items())
    return text if len(text) <= _MOST else _UNKNOWN


def read(text: str, firewalls: Mapping[str, Firewall]) -> dict[str, str] | None:
    """Return what `written` wrote; None if a run could not record it."""
    if text == _UNKNOWN:
        return None
    by_place = {one.place: name for name, one in firewalls.items()}
    return {
        by_place[place]: number
        for number, _, places in (part.partition(":") for part in text.split(";"))
        for place in _listed(places)
        if place in by_place
    }


def _listed(places: str) -> Iterable[str]:
    return filter(None, places.split(","))
