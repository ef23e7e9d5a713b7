"""Which applications a filter selects, by the attributes that the device's content gives them.

Sources: predefined content 9149 (the elements of an application's entry, of which a flag like
``is-saas`` is there only where it is set); pan-os-php, ``AppFilter`` and ``AppStore`` (the elements
of a filter, and which element of an application each means); vendor's administrator guide, Create
an Application Filter (what it selects changes with the content); a partner's guide to these filters
(values of one column are alternatives, columns hold together).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from lxml import etree

from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.model.filled import Selection
from segctl.providers.panos import elements, filled, pushed
from segctl.providers.panos.budget import Budget, is_too_much
from segctl.providers.panos.small import refuse_dtd, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.snapshot import Snapshot

#: The part of a document with the predefined applications, as far as filters need them.
PART: Final = "attributes of applications"
_XPATH: Final = "/config/predefined/application"
_KIND: Final = b"application-filter"
_CHUNK: Final = 1 << 16
#: More than any content has: 9149 has about 7,000.
_MOST: Final = 30_000
#: Most nodes that are kept of them: more would not be read, see `refuse_swarm`.
_MOST_NODES: Final = 300_000
#: Columns of a filter with several values, and the element of an application with its value.
_COLUMNS: Final = ("category", "subcategory", "technology", "risk")
#: Flags of a filter, and the element of an application that each asks for.
_FLAGS: Final[Mapping[str, str]] = {
    "evasive": "evasive-behavior",
    "excessive-bandwidth-use": "consume-big-bandwidth",
    "used-by-malware": "used-by-malware",
    "transfers-files": "able-to-transfer-file",
    "has-known-vulnerabilities": "has-known-vulnerability",
    "tunnels-other-apps": "tunnel-other-application",
    "prone-to-misuse": "prone-to-misuse",
    "pervasive": "pervasive-use",
    "is-saas": "is-saas",
}
#: What is kept of an application's entry, besides its tags and default ports.
_KEPT: Final = frozenset({*_COLUMNS, *_FLAGS.values()})
#: What stands in a filter and has no part in what it selects.
_HARMLESS: Final = frozenset({"description", "disable-override"})


# --- asking --------------------------------------------------------------------------------------


def ask(config: Callable[[str, str], bytes], configured: Iterable[bytes]) -> dict[str, bytes]:
    """Return the attributes of all predefined applications, if a rule in use names a filter.

    That is one request, of which the answer has megabytes; what filters do not need is left out
    while it is read. Where the account may not ask, or the answer is not understood, a part says
    why.

    Args:
        config: sends a request of a part of the configuration: action and xpath.
        configured: the answers with the configuration in use, the device's own and pushed.

    Raises:
        ConnectError: the connection is lost.
    """
    if not in_use(configured):
        return {}
    try:
        return {PART: _reduced(config("get", _XPATH))}
    except ConnectError:
        raise
    except DeviceError as error:
        return {PART + filled.REFUSED: error.message.encode()}


def in_use(configured: Iterable[bytes]) -> frozenset[str]:
    """Return the filters that rules in use name, by themselves or by groups of applications.

    The answers are searched as text: a filter that is missed is not read, so that it cannot be told
    what it selects.
    """
    parts = list(configured)
    if not any(b"<" + _KIND in part for part in parts):
        return frozenset()
    filters = {name for part in parts for name, _ in filled.entries(part, _KIND)}
    groups = filled.by_name(parts, b"application-group")
    named = (name for part in parts for name in filled.in_rules(part, (b"application",)))
    used = filled.with_members(named, groups)
    return frozenset(name.decode() for name in filters & used)


def _reduced(answer: bytes) -> bytes:
    """Return the answer with what filters need of each application.

    Raises:
        ParseError: it is not complete XML, an error, or lists no applications.
    """
    refuse_dtd("", answer)
    parser = etree.XMLPullParser(events=("end",), tag="entry", resolve_entities=False)
    kept = etree.Element("application")
    budget, held = Budget(""), 0
    root: Element | None = None
    try:
        for start in range(0, len(answer), _CHUNK):
            chunk = answer[start : start + _CHUNK]
            budget.feed(chunk)
            parser.feed(chunk)
            for _, entry in cast("Iterable[tuple[str, Element]]", parser.read_events()):
                root = entry.getroottree().getroot() if root is None else root
                parent = entry.getparent()
                if parent is not None and parent.tag == "application":
                    held += _keep(kept, entry)
                    _free(entry, parent)
                if len(kept) > _MOST or held > _MOST_NODES:
                    raise ParseError("", f"the device lists more than {_MOST} applications")
            budget.check(len(kept), root)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        message = f"the answer with the predefined applications is not complete XML: {error}"
        raise ParseError("", message) from error
    if root.get("status") != "success":
        raise ParseError("", f"refuses to show its applications: {elements.reason(root)}")
    if not len(kept):
        raise ParseError("", "the device lists 0 predefined applications")
    return b'<response status="success"><result>' + etree.tostring(kept) + b"</result></response>"


def _keep(kept: Element, entry: Element) -> int:
    """Add what filters need of an entry, and return how many nodes that takes.

    A flag that is not set needs no place.
    """
    one = etree.SubElement(kept, "entry", name=entry.get("name", ""))
    for child in entry:
        text = (child.text or "").strip()
        if child.tag in _COLUMNS or (child.tag in _KEPT and text == "yes"):
            etree.SubElement(one, str(child.tag)).text = text
    for path in ("tag", "default/port"):
        found = entry.find(path)
        if found is not None:
            _members(one, path.split("/"), elements.members(found))
    return sum(1 for _ in one.iter())


def _members(one: Element, path: Sequence[str], texts: Iterable[str]) -> None:
    node = one
    for tag in path:
        node = etree.SubElement(node, tag)
    for text in texts:
        etree.SubElement(node, "member").text = text


def _free(entry: Element, parent: Element) -> None:
    """Free an entry that has been read; lxml forbids to take it away before its end is past."""
    entry.clear()
    previous = entry.getprevious()
    if previous is not None:
        parent.remove(previous)


# --- reading -------------------------------------------------------------------------------------


def read(
    snapshot: Snapshot,
    roots: Sequence[Element | None],
    beside: frozenset[str],
) -> tuple[dict[str, Selection], dict[str, tuple[str, ...]]]:
    """Return what the filters in use select, and the default ports of what they select.

    Args:
        snapshot: the document, which may have the attributes of the applications.
        roots: the rest of the virtual system's configuration, and of what is shared.
        beside: applications of which the names are known only, such as pushed ones.
    """
    parts = snapshot.parts
    if PART not in parts and PART + filled.REFUSED not in parts:
        return {}, {}
    held = [
        bytes(parts[name])
        for name in pushed.CONFIGURED
        if name in parts and not is_too_much(parts[name], snapshot.limit)
    ]
    used = in_use(held)
    if PART + filled.REFUSED in parts:
        why = bytes(parts[PART + filled.REFUSED]).decode(errors="replace")
        return dict.fromkeys(used, Selection(unread=why)), {}
    try:
        tree = small(snapshot.host, PART, parts[PART])
    except ParseError as error:
        return dict.fromkeys(used, Selection(unread=error.message)), {}
    own = {entry.get("name", ""): entry for entry in _own(roots)}
    predefined = {entry.get("name", ""): entry for entry in tree.iterfind("result/*/entry")}
    known = predefined | own
    unclear = (beside - set(known)) | {entry.get("name", "") for entry in _changed(roots)}
    found: dict[str, Selection] = {}
    for name, defined in _definitions(held, used).items():
        found[name] = _either([_selected(one, known, unclear) for one in defined])
    chosen = {name for one in found.values() for name in (*one.surely, *one.perhaps)}
    ports = {
        name: elements.members(node)
        for name, entry in known.items()
        if name in chosen and (node := entry.find("default/port")) is not None
    }
    return found, {name: ports.get(name, ()) for name in chosen}


def _own(roots: Iterable[Element | None]) -> Iterator[Element]:
    """Yield the applications of the configuration: the virtual system's come last, and count."""
    for root in reversed([one for one in roots if one is not None]):
        yield from root.iterfind("application/entry")


def _changed(roots: Iterable[Element | None]) -> Iterator[Element]:
    """Yield the predefined applications whose attributes somebody has overridden."""
    for root in roots:
        if root is not None:
            yield from root.iterfind("override/application/entry")


def _definitions(held: Iterable[bytes], used: frozenset[str]) -> dict[str, list[Element | None]]:
    """Return the definitions of the filters in use; one that is not understood is None.

    Several are possible, the device's own and pushed ones, in the virtual system and shared.
    """
    found: dict[str, list[Element | None]] = {name: [] for name in sorted(used)}
    for part in held:
        for section in filled.sections(part, _KIND):
            try:
                root = etree.fromstring(
                    b"<filters>" + section + b"</filters>",
                    etree.XMLParser(resolve_entities=False),
                )
            except etree.XMLSyntaxError:
                return {name: [None] for name in found}
            for entry in root.iterfind("entry"):
                if entry.get("name") in found:
                    found[entry.get("name", "")].append(entry)
    return {name: defined or [None] for name, defined in found.items()}


def _either(selections: Sequence[Selection]) -> Selection:
    """Return what any of some definitions selects; of two that differ it is open which counts."""
    first, *more = selections
    if all(one == first for one in more):
        return first
    unread = next((one.unread for one in selections if one.unread), "")
    if unread:
        return Selection(unread=unread)
    surely = set(first.surely).intersection(*(one.surely for one in more))
    every = {name for one in selections for name in (*one.surely, *one.perhaps)}
    return Selection(
        surely=tuple(sorted(surely)),
        perhaps=tuple(sorted(every - surely)),
        why="it is defined more than once",
    )


def _selected(
    defined: Element | None, known: Mapping[str, Element], unclear: frozenset[str]
) -> Selection:
    """Return what one filter selects of the known applications.

    Of the unclear ones nothing but the name is certain.
    """
    if defined is None:
        return Selection(unread="the configuration of the filter is not understood")
    asked = Asked.of(defined)
    if isinstance(asked, str):
        return Selection(unread=asked)
    surely: list[str] = []
    perhaps: list[str] = []
    for name in sorted({*known, *unclear} - asked.excluded):
        entry = known.get(name)
        held = None if name in unclear or entry is None else asked.selects(entry)
        if held:
            surely.append(name)
        elif held is None:
            perhaps.append(name)
    why = f"it is open whether it takes in {_few(perhaps)}" if perhaps else ""
    if perhaps and asked.tagged:
        why += ": it asks for tags, and people may give an application other tags"
    return Selection(surely=tuple(surely), perhaps=tuple(perhaps), why=why)


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= len(names[:3]) else f"{shown} and {len(names) - 3} more"


# --- what a filter asks for ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a filter asks of an application: of each column one of some values, and flags.

    `tagged` says whether it asks for tags, too. `excluded` it never takes in.
    """

    columns: Mapping[str, frozenset[str]]
    flags: frozenset[str] = frozenset()
    tagged: bool = False
    excluded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, defined: Element) -> Asked | str:
        """Return what a filter's entry asks for, or why that is not understood."""
        strange = [
            str(child.tag)
            for child in defined.iterchildren("*")
            if child.tag not in {*_COLUMNS, *_FLAGS, *_HARMLESS, "tagging", "exclude"}
        ]
        if strange:
            return f"it asks for {', '.join(strange)}, which segctl does not know"
        columns = {
            column: frozenset(elements.members(node))
            for column in _COLUMNS
            if (node := defined.find(column)) is not None and len(node)
        }
        flags = frozenset(
            meant for flag, meant in _FLAGS.items() if (defined.findtext(flag) or "") == "yes"
        )
        tagging, exclude = defined.find("tagging"), defined.find("exclude")
        tagged = tagging is not None and len(tagging) > 0
        if not (columns or flags or tagged):
            return "it asks for nothing"
        excluded = frozenset[str](() if exclude is None else elements.members(exclude))
        return cls(columns=columns, flags=flags, tagged=tagged, excluded=excluded)

    def selects(self, entry: Element) -> bool | None:
        """Return whether an application is taken in, None where that is open.

        It is open where the entry lacks what is asked about, where it has some of several flags,
        which may be alternatives or hold together, and where tags are asked for.
        """
        if entry.find("category") is None:
            return None  # a name without attributes
        values = [(entry.findtext(column), wanted) for column, wanted in self.columns.items()]
        if any(value is not None and value.strip() not in wanted for value, wanted in values):
            return False
        held = sum((entry.findtext(flag) or "").strip() == "yes" for flag in self.flags)
        if self.flags and not held:
            return False
        certain = all(value is not None for value, _ in values) and held == len(self.flags)
        return True if certain and not self.tagged else None
