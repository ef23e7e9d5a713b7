"""Going back: what a push changed in one place, from two readings of it.

A configuration is read as a stream, and only the relevant entries are kept completely, so going
back needs little memory, however large the configuration is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, cast

from lxml import etree

from segctl.compiler import naming
from segctl.compiler.naming import is_prefixed
from segctl.model.errors import ParseError
from segctl.providers.panos import names
from segctl.providers.panos.budget import Budget
from segctl.providers.panos.location import Location
from segctl.providers.panos.render import SHARED, restore, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element
    from segctl.providers.state import Unconfirmed

    Body: TypeAlias = bytes | memoryview
    Key: TypeAlias = tuple[str, str]

#: Path of a place's entry in the answer to ``show`` of its xpath.
SHOWN: Final = "entry"
_CHUNK: Final = 1 << 15
#: Attributes of the candidate's nodes while their change is uncommitted (recorded on 10.x).
_MARKS: Final = ("admin", "dirtyId", "time")
#: Kinds whose entries have no mark: a difference there was made by the push.
_UNMARKED: Final = ("zone", "default-rule")


@dataclass(slots=True, kw_only=True)
class Push:
    """What a session pushed or took over, and how to undo it.

    `script` is empty if there is nothing to undo. `original` is the device's answer from before
    the push, `where` the path of the place's entry in it, `before` its digest. `live` says that
    the change is or may be live, `recorded` that it records its run where it is made.
    """

    script: str = ""
    original: Body = b""
    where: str = SHOWN
    before: str = ""
    adopted: Unconfirmed | None = None
    live: bool = False
    recorded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    digest: bytes
    uuid: str
    ours: bool


@dataclass(slots=True, kw_only=True)
class Scope:
    """One place: `entry` has all names in order, but is complete only for kept entries."""

    entry: Element
    seen: dict[Key, _Seen] = field(default_factory=dict["Key", "_Seen"])

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that identify this state of the place."""
        rules = [key for key in self.seen if key[0] == "rule"]
        others = sorted(key for key in self.seen if key[0] != "rule")
        made = hashlib.sha256()
        for key in (*others, *rules):
            made.update(f"{key}".encode() + self.seen[key].digest)
        return made.hexdigest()[:16]


def read_scope(
    host: str,
    body: Body,
    place: Location,
    *,
    where: str = SHOWN,
    limit: int,
    keep: Callable[[Key], bool] = lambda _key: False,
) -> Scope:
    """Read the kinds that segctl writes in one place.

    Args:
        host: the device, for messages.
        body: a device's answer.
        place: the virtual system or device group.
        where: the path of its entry below ``result``.
        limit: most bytes of memory.
        keep: whether the entry of a kind and name is kept completely.

    Raises:
        ParseError: it is not complete XML, or has no such entry.
    """
    parser = etree.XMLPullParser(events=("start",), tag="result", resolve_entities=False)
    seen: dict[Key, _Seen] = {}
    result: Element | None = None
    done: dict[str, Element] = {}
    budget = Budget(host, limit)
    try:
        for start in range(0, len(body), _CHUNK):
            chunk = bytes(body[start : start + _CHUNK])
            budget.feed(chunk)
            parser.feed(chunk)
            for _, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                result = element if result is None else result
            if result is not None:
                _note(place, result.find(where), seen, done, keep, grows=True)
            budget.check(len(seen), result)
        parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the configuration is not complete XML: {error}") from error
    system = None if result is None else result.find(where)
    if system is None:
        raise ParseError(host, f"no longer shows {place}")
    _note(place, system, seen, done, keep)
    return Scope(entry=_bare(place, system), seen=seen)


def _note(
    place: Location,
    entry: Element | None,
    seen: dict[Key, _Seen],
    done: dict[str, Element],
    keep: Callable[[Key], bool],
    *,
    grows: bool = False,
) -> None:
    """Process the new entries of each container, after the last one in `done`.

    An entry that may still grow is left alone: lxml forbids touching it.
    """
    if entry is None:
        return
    for kind, container in place.containers.items():
        source = entry.find(container)
        if source is None:
            continue
        last = done.get(kind)
        child = next(iter(source), None) if last is None else last.getnext()
        while child is not None and not (grows and child.getnext() is None):
            done[kind] = child
            if child.tag == "entry":
                key = (kind, child.get("name", ""))
                seen[key] = _look(kind, child)
                if not keep(key):
                    _empty(child)
            child = child.getnext()


def _look(kind: str, entry: Element) -> _Seen:
    uuid = entry.get("uuid", "")
    for element in entry.iter("*"):
        for mark in (*_MARKS, "uuid"):
            if mark in element.attrib:
                del element.attrib[mark]
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    made = hashlib.sha256(etree.tostring(entry, method="c14n", with_tail=False)).digest()
    if uuid:
        entry.set("uuid", uuid)
    return _Seen(digest=made, uuid=uuid, ours=_ours(kind, entry))


def _ours(kind: str, entry: Element) -> bool:
    name = entry.get("name", "")
    if kind == "tag":
        return name in names.TAGS
    if kind in ("application-group", "schedule"):
        return is_prefixed(name)
    if kind == "log-profile":
        return name == naming.AUTOMATIC
    marked = any(tag.text == names.TAG for tag in entry.iterfind("tag/member"))
    return marked or names.read_mark(entry.findtext("description") or "") is not None


def _empty(entry: Element) -> None:
    name, uuid = entry.get("name", ""), entry.get("uuid", "")
    for child in list(entry):
        entry.remove(child)
    entry.attrib.clear()
    entry.text = None
    entry.set("name", name)
    if uuid:
        entry.set("uuid", uuid)


def _bare(place: Location, entry: Element) -> Element:
    """Return a place's entry with only the containers of our kinds, and what these stand in.

    What also holds something else says so, in the attribute `SHARED`.
    """
    made = etree.Element("entry", name=entry.get("name", ""))
    for container in place.containers.values():
        parent, source, parts = made, entry, container.split("/")
        for part, below in pairwise(parts):
            found = source.find(part)
            if found is None:
                break
            source, inner = found, parent.find(part)
            parent = etree.SubElement(parent, part) if inner is None else inner
            if any(child.tag != below for child in found):
                parent.set(SHARED, "yes")
        else:
            found = source.find(parts[-1])
            if found is not None:
                parent.append(found)
    return made


# --- steps ---------------------------------------------------------------------------------------


def steps(
    host: str, script: str, before: Body, now: Body, *, limit: int, where: str = SHOWN
) -> list[Element]:
    """Return the steps that undo `script`, from the state before it and a present ``show`` answer.

    Args:
        host: the device, for messages.
        script: what was pushed, or its `difference`.
        before: the device's answer that holds the virtual system as it was.
        now: the answer to ``show`` of the virtual system.
        limit: most bytes of memory for each of them.
        where: the path of the place's entry in `before`.
    """
    names_by_kind = touched(script)
    place = Location.of_script(etree.fromstring(script.encode()))

    def keep(key: Key) -> bool:
        return key[1] in names_by_kind.get(key[0], ())

    return restore(
        script,
        read_scope(host, before, place, where=where, keep=keep, limit=limit).entry,
        read_scope(host, now, place, keep=keep, limit=limit).entry,
    )


def difference(place: Location, before: Scope, now: Scope) -> str:
    """Return a script that touches what a push changed between two readings, for `steps`.

    Nobody else could commit to the place meanwhile, since the push held its locks.
    Still, items of others are touched only if the push may have removed them.
    """
    root = etree.Element("segctl-push", place.attributes)
    for former, name in _renamed(before.seen, now.seen):
        etree.SubElement(root, "rename", xpath=place.path("rule", former), newname=name)
    for key in dict.fromkeys((*before.seen, *now.seen)):
        old, new = before.seen.get(key), now.seen.get(key)
        if old is not None and new is not None and old.digest == new.digest:
            continue
        ours = any(one is not None and one.ours for one in (old, new))
        if ours or new is None or key[0] in _UNMARKED:
            etree.SubElement(root, "edit", xpath=place.path(*key))
    return etree.tostring(root, encoding="unicode")


def _renamed(before: Mapping[Key, _Seen], now: Mapping[Key, _Seen]) -> Iterable[tuple[str, str]]:
    """Yield the rules that were renamed; their uuid stays."""
    former = {seen.uuid: name for (kind, name), seen in before.items() if kind == "rule"}
    for (kind, name), seen in now.items():
        old = former.get(seen.uuid, "") if kind == "rule" and seen.uuid else ""
        if old and old != name and ("rule", name) not in before and ("rule", old) not in now:
            yield old, name
