r"""Who is in the groups of users that rules name: asked of a firewall, and read.

Sources: recorded answers of ``show user group list`` (text: a name in each line, then ``Total``)
and of ``show user group name`` (text: a heading, then ``[1     ] acme\bob`` in each line).
Groups that the device fills by tags of users are asked for the same way (vendor's User-ID API lab);
where a release answers otherwise, they have nobody, and nothing is said of now.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.model.filled import Filled, group_key
from segctl.providers.panos import filled
from segctl.providers.panos.budget import refuse_swarm
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.model.policy import Rule
    from segctl.providers.panos.snapshot import Snapshot

WHAT: Final = "a group of users"
DYNAMIC: Final = "a group of users that the device fills in"
#: Parts of a document: the names of all groups, and who is in one of them.
GROUPS: Final = "user groups"
USERS: Final = "users of "
#: So many groups are read, and so many users of all of them.
MOST_GROUPS: Final = 64
MOST_USERS: Final = 100_000
#: Words in the place of users that name nobody.
_KEYWORDS: Final = frozenset({"any", "known-user", "unknown", "pre-logon"})
_LIST: Final = "<show><user><group><list></list></group></user></show>"
_MEMBER: Final = re.compile(r"\[\s*[0-9]+\s*\]\s+(\S.*)")
_LINE: Final = re.compile(rb"[^\n]+")
_TAGS: Final = re.compile(rb"<!\[CDATA\[|\]\]>|<[^>]*+(?:>|\Z)")


def ask(
    get: Callable[[Mapping[str, str]], bytes], configured: Iterable[bytes], vsys: str
) -> dict[str, bytes]:
    """Return who is in the groups of users that rules in use name, as parts of a document.

    Nothing is asked where rules name no users; else which groups there are, and each of those
    named, and of the configuration's own that the device fills in, which it need not list. Where
    the account may not ask, a part says why.

    Raises:
        ConnectError: the connection is lost.
    """
    parts = list(configured)
    named = sorted(
        {
            unescape(name.decode(errors="replace"))
            for part in parts
            for name in filled.in_rules(part, (b"source-user",))
        }
        - _KEYWORDS
    )
    found: dict[str, bytes] = {}

    def put(name: str, command: str) -> None:
        try:
            body = get({"type": "op", "cmd": command, "vsys": vsys})
            refuse_swarm("", body)  # before its text is searched
            found[name] = body
        except ConnectError:
            raise
        except DeviceError as error:
            found[name + filled.REFUSED] = error.message.encode()

    if named:
        put(GROUPS, _LIST)
    lowered = frozenset(one.lower() for one in named)
    groups = _groups(found.pop(GROUPS, b""), lowered)  # which of them are groups
    own = _own(parts) if named else frozenset[str]()
    asked = (one for one in named if one in own or one.lower() in groups)
    for number, name in enumerate(asked):
        if number >= MOST_GROUPS:
            why = f"more than {MOST_GROUPS} groups of users are in use"
            found[USERS + name + filled.REFUSED] = why.encode()
        else:
            inside = f"<group><name>{escape(name)}</name></group>"
            put(USERS + name, f"<show><user>{inside}</user></show>")
    return found


def _own(parts: Iterable[bytes]) -> frozenset[str]:
    """Return the names of groups that the device fills in by tags of users."""
    entries = (filled.entries(part, b"dynamic-user-group") for part in parts)
    return frozenset(name.decode() for found in entries for name, _ in found)


def _groups(body: bytes, named: frozenset[str]) -> frozenset[str]:
    """Return which of the names, in small letters, are those of groups."""
    lines = (
        line.strip().lower()
        for match in _LINE.finditer(_TAGS.sub(b"\n", body))
        for line in unescape(match[0].decode(errors="replace")).splitlines()
    )
    return frozenset(line for line in lines if line in named)


def read(
    snapshot: Snapshot, rules: Iterable[Rule], at: str, dynamic: frozenset[str]
) -> dict[str, Filled]:
    """Return who was in the groups of users that rules in use name.

    Args:
        snapshot: the document, which may have answers about them.
        rules: all rules.
        at: when they were read.
        dynamic: the names of groups that the device fills in.
    """
    parts = snapshot.parts
    left = MOST_USERS
    found: dict[str, Filled] = {}
    named = {user for rule in rules if not rule.disabled for user in rule.users} - _KEYWORDS
    for name in sorted(named):
        part = GROUPS if GROUPS + filled.REFUSED in parts else USERS + name
        part = USERS + name if USERS + name + filled.REFUSED in parts else part
        what = DYNAMIC if name in dynamic else WHAT
        if part + filled.REFUSED in parts:
            why = bytes(parts[part + filled.REFUSED]).decode(errors="replace")
            found[group_key(name)] = Filled(what=what, unread=why, at=at)
        elif part in parts:
            try:
                users = tuple(_members(snapshot, part))
            except ParseError as error:
                found[group_key(name)] = Filled(what=what, unread=error.message, at=at)
                continue
            why = "" if users else "the device lists nobody in it"
            why = f"it and others have more than {MOST_USERS} users" if len(users) > left else why
            left -= 0 if why else len(users)
            found[group_key(name)] = Filled(
                what=what, users=() if why else users, unread=why, at=at
            )
    return found


def _members(snapshot: Snapshot, part: str) -> Iterator[str]:
    result = small(snapshot.host, "a group of users", snapshot.parts[part]).find("result")
    text = "" if result is None else "".join(map(str, result.itertext()))
    for line in text.splitlines():
        if member := _MEMBER.fullmatch(line.strip()):
            yield member[1].strip()
