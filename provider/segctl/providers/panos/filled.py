"""What objects hold that a firewall fills by itself between two commits: asked for, while in use.

Sources: notes measured on PAN-OS 11.1 (OptivEdge, discovery log: the answers, ``anchor`` and
``num-records`` of a list, of which by default only 100 entries come; lists of ``type ip`` and of
``type predefined-ip`` are refused under the other type); pan-os-php (dynamic groups are asked for
by ``vsys``); configuration schema of PAN-OS 10.0 (a list stands in rules, never in a group).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from segctl.model.errors import ConnectError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: Parts of a document: dynamic groups, names that are looked up, each list, its exceptions.
GROUPS: Final = "filled groups"
NAMES: Final = "filled names"
LIST: Final = "filled list "
EXCEPTIONS: Final = "filled exceptions "
#: When they were asked for, by the device's clock.
AT: Final = "filled at"
#: A part that has, instead of the answer, why there is none.
REFUSED: Final = " refused"
#: So many lists are read, and so many addresses of all of them; a firewall takes 30 lists, and no
#: model more than 150,000 addresses (schema; vendor's limits of external dynamic lists).
MOST_LISTS: Final = 64
MOST_ADDRESSES: Final = 150_000

_COMMANDS: Final = {
    GROUPS: (
        "<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>"
    ),
    NAMES: "<show><dns-proxy><fqdn><all></all></fqdn></dns-proxy></show>",
}
#: What a configuration has that holds any such object.
_MARKS: Final = (b"<dynamic", b"<fqdn", b"<external-list", b"-ip-list<")
#: The lists that the vendor keeps, which no configuration defines.
_VENDORS: Final = re.compile(rb"panw-[a-z0-9-]+-ip-list")
_ENTRY: Final = b"<entry"
_NAME: Final = re.compile(rb"""\s*name\s*=\s*["']([0-9A-Za-z _.-]{1,63})["']""")
MEMBER: Final = re.compile(rb"<member(?:\s[^<>]*)?>([^<]*)</member>")
_TYPE: Final = re.compile(rb"<type(?:\s[^<>]*)?>\s*<(ip|predefined-ip)[\s>/]")
DISABLED: Final = re.compile(rb"<disabled(?:\s[^<>]*)?>yes</disabled>")
_EXCEPTED: Final = re.compile(
    rb"<exception-list(?:\s[^<>]*)?>(.*?)(?:</exception-list>|\Z)", re.DOTALL
)


class InUse(NamedTuple):
    """What rules use: whether dynamic groups, whether looked-up names, and lists.

    Each list has its type and the entries that it does not take.
    """

    groups: bool
    names: bool
    lists: Mapping[str, tuple[str, tuple[str, ...]]]


def ask(
    get: Callable[[Mapping[str, str]], bytes], configured: Iterable[bytes], vsys: str
) -> dict[str, bytes]:
    """Return what the objects hold that rules use, as parts of a document.

    Nothing is asked where rules use none: one request for all dynamic groups, one for all names
    that are looked up, and one for each list. Where the account may not ask, or the device does
    not answer so, a part says why.

    Args:
        get: sends a request.
        configured: the answers with the configuration in use, the device's own and pushed.
        vsys: the virtual system.

    Raises:
        ConnectError: the connection is lost.
    """
    used = in_use(configured)
    found: dict[str, bytes] = {}

    def put(name: str, command: str) -> None:
        try:
            found[name] = get({"type": "op", "cmd": command, "vsys": vsys})
        except ConnectError:
            raise
        except DeviceError as error:
            found[name + REFUSED] = error.message.encode()

    if used.groups:
        put(GROUPS, _COMMANDS[GROUPS])
    if used.names:
        put(NAMES, _COMMANDS[NAMES])
    for number, (name, (kind, excepted)) in enumerate(sorted(used.lists.items())):
        if number >= MOST_LISTS:
            found[LIST + name + REFUSED] = f"more than {MOST_LISTS} lists are in use".encode()
            continue
        put(LIST + name, _list(name, kind))
        if excepted:
            found[EXCEPTIONS + name] = "\n".join(excepted).encode()
    return found


def _list(name: str, kind: str) -> str:
    """Return the command that shows a list: one entry more than are read tells that it has more."""
    which = f"<name>{name}</name><anchor>1</anchor><num-records>{MOST_ADDRESSES + 1}</num-records>"
    shown = f"<show><type><{kind}>{which}</{kind}></type></show>"
    return f"<request><system><external-list>{shown}</external-list></system></request>"


# --- what is in use ------------------------------------------------------------------------------


def in_use(configured: Iterable[bytes]) -> InUse:
    """Return the objects that rules in use name, by themselves or by groups of addresses.

    The answers are searched as text: that takes no memory, and whatever is missed is not read, so
    that it cannot be told what it holds.
    """
    parts = list(configured)
    if not any(mark in part for part in parts for mark in _MARKS):
        return InUse(groups=False, names=False, lists={})
    named = {name for part in parts for name in in_rules(part, (b"source", b"destination"))}
    groups = by_name(parts, b"address-group")
    used = with_members(named, groups)
    lists = {
        name: body
        for part in reversed(parts)  # the virtual system's own, which count, are first
        for name, body in entries(part, b"external-list")
        if name in named
    }
    held = {name.decode(): one for name, body in lists.items() if (one := _list_of(body))}
    vendors = (name for name in named if name not in lists and _VENDORS.fullmatch(name))
    return InUse(
        groups=any(name in used and b"<dynamic" in body for name, body in groups.items()),
        names=any(
            name in used and b"<fqdn" in body
            for part in parts
            if b"<fqdn" in part
            for name, body in entries(part, b"address")
        ),
        lists=held | {name.decode(): ("predefined-ip", ()) for name in vendors},
    )


def _list_of(body: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Return the type of a list of addresses and its exceptions, None for one of other things."""
    kind = _TYPE.search(body)
    if kind is None:
        return None
    excepted = (name for found in _EXCEPTED.finditer(body) for name in MEMBER.findall(found[1]))
    return kind[1].decode(), tuple(name.decode(errors="replace") for name in excepted)


def sections(part: bytes, tag: bytes) -> Iterator[bytes]:
    """Yield what stands within each element of a tag."""
    opened = re.compile(rb"<" + tag + rb"(?:\s[^<>]*[^/<>])?>")
    at = 0
    while (begin := opened.search(part, at)) is not None:
        end = part.find(b"</" + tag + b">", begin.end())
        if end < 0:
            return
        yield part[begin.end() : end]
        at = end


def entries(part: bytes, tag: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a container, by name."""
    for section in sections(part, tag):
        for chunk in pieces(section):
            if name := _NAME.match(chunk):
                yield name[1], chunk


def by_name(parts: Iterable[bytes], tag: bytes) -> dict[bytes, bytes]:
    """Return the entries of a container in all parts by name; those of one name are put together.

    Joined once at the end: a device may repeat one name a hundred thousand times.
    """
    found: dict[bytes, list[bytes]] = {}
    for part in parts:
        for name, body in entries(part, tag):
            found.setdefault(name, []).append(body)
    return {name: b"".join(found[name]) for name in list(found)}


def pieces(section: bytes) -> Iterator[bytes]:
    """Yield what follows each start of an entry, up to the next one: one at a time."""
    at = section.find(_ENTRY)
    while at >= 0:
        begin = at + len(_ENTRY)
        at = section.find(_ENTRY, begin)
        yield section[begin : at if at >= 0 else len(section)]


def listed(chunk: bytes, tag: bytes) -> Iterator[bytes]:
    """Yield the members of the first list of a tag in an entry."""
    at = chunk.find(b"<" + tag)
    while at >= 0 and chunk[at + len(tag) + 1 : at + len(tag) + 2] not in (b">", b" "):
        at = chunk.find(b"<" + tag, at + 1)  # a longer tag that begins alike
    end = chunk.find(b"</" + tag + b">", at)
    if 0 <= at < end:
        yield from (match[1] for match in MEMBER.finditer(chunk, at, end))


def in_rules(part: bytes, lists: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the security rules that are in use have in some lists."""
    tags = tuple(lists)
    for section in sections(part, b"security"):
        for chunk in pieces(section):
            if b"<disabled" in chunk and DISABLED.search(chunk):
                continue
            for tag in tags:
                yield from listed(chunk, tag)


def with_members(names: Iterable[bytes], groups: Mapping[bytes, bytes]) -> set[bytes]:
    """Return names with those of the members of groups, however deep."""
    found, waiting = set[bytes](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += (one for one in MEMBER.findall(groups.get(name, b"")) if one not in found)
    return found
