"""The default ports of applications, by the device's own content, where rules of others use them.

Our own rules are compiled from the catalogue of applications; its ports are the vendor's where a
source has them, and those of the protocol where none has. A rule of others with
``application-default`` admits what the device's content says, which may be more.

Source: pan-os-php, which reads ``default/port`` of each entry of the predefined content
(``tcp/502``, ``udp/500,4500``, ``tcp/dynamic``); applications that are identified otherwise have
no ports there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.analysis.space import ranges, service
from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.providers.panos import elements, names
from segctl.providers.panos.filled import DISABLED, MEMBER, entries, listed, pieces, sections
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from segctl.analysis.space import Numbers
    from segctl.providers.panos.snapshot import Snapshot

#: Parts of a document: the entries of applications, and the names that were wanted.
PORTS: Final = "default ports"
WANTED: Final = "default ports of"
#: So long may an xpath be: pan-os-python cuts its own at this length.
_LONGEST: Final = 24_000
_ANY: Final = b"any"
_OURS: Final = f">{names.TAG}</member>".encode()
_PLAIN: Final = re.compile(rb"[0-9A-Za-z_][0-9A-Za-z _.-]{0,62}")
_SPANS: Final = re.compile(r"(tcp|udp)/(dynamic|[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9-]{1,11})*)")


def ask(
    config: Callable[[str, str], bytes], configured: Iterable[bytes], containers: bytes
) -> dict[str, bytes]:
    """Return the entries of the applications that rules of others hold to their default ports.

    Nothing is asked where there is no such rule. More names than fit into one request are left
    out; they count as wanted, so that their ports are not known.

    Args:
        config: sends a request of a part of the configuration: action and xpath.
        configured: the answers with the configuration in use, the device's own and pushed.
        containers: the answer with the containers of the device's content.

    Raises:
        ConnectError: the connection is lost.
    """
    wanted = sorted(_wanted(list(configured), containers))
    if not wanted:
        return {}
    found = {WANTED: "\n".join(wanted).encode()}
    chosen: list[str] = []
    length = 0
    for name in wanted:
        length += len(name) + len(" or @name=''")
        if length > _LONGEST:
            break
        chosen.append(f"@name={names.quote(name)}")
    xpath = f"/config/predefined/application/entry[{' or '.join(chosen)}]"
    try:
        found[PORTS] = config("get", xpath)
    except ConnectError:
        raise
    except DeviceError:  # then none of them are known
        found[PORTS] = b""
    return found


def _wanted(parts: list[bytes], containers: bytes) -> set[str]:
    """Return the applications that rules of others in use hold to their default ports."""
    if not any(b"application-default" in part for part in parts):
        return set()
    named = {
        name
        for part in parts
        for section in sections(part, b"security")
        for chunk in pieces(section)
        if _OURS not in chunk and b">application-default<" in chunk
        if not DISABLED.search(chunk)
        for name in listed(chunk, b"application")
    }
    if not named:
        return set()
    waiting = list(named)
    held = {
        name: MEMBER.findall(body)
        for part, tag in (
            *((containers, tag) for tag in (b"application-container",)),
            *((part, b"application-group") for part in parts),
        )
        for name, body in entries(part, tag)
    }
    seen, found = set[bytes](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name == _ANY:
            continue
        seen.add(name)
        if name in held:
            waiting += held[name]
        elif _PLAIN.fullmatch(name):
            found.add(name.decode())
    return found


def read(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the default ports of the applications that were asked for.

    They are empty where the device tells none: those are not known.
    """
    parts = snapshot.parts
    if WANTED not in parts:
        return {}
    wanted = bytes(parts[WANTED]).decode().split("\n")
    told: dict[str, tuple[str, ...]] = {}
    try:
        root = small(snapshot.host, PORTS, parts[PORTS])
    except ParseError:
        return dict.fromkeys(wanted, ())
    for entry in root.iterfind("result//entry"):
        ports = entry.find("default/port")
        if ports is not None:
            told[entry.get("name", "")] = elements.members(ports)
    return {name: told.get(name, ()) for name in wanted}


def numbers(texts: Iterable[str]) -> Numbers | None:
    """Return default ports as numbers, None where there are none or one is not understood."""
    spans: list[tuple[int, int]] = []
    for text in texts:
        found = _SPANS.fullmatch(text.strip())
        if found is None:
            return None
        for first, last in _spans(found[2]):
            if not 0 <= first <= last <= 0xFFFF:
                return None
            spans += service(found[1], first, last)
    return ranges(spans) if spans else None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    if text == "dynamic":
        yield 1, 0xFFFF
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield (
            (int(first), int(last or first))
            if first.isdigit() and (not last or last.isdigit())
            else (1, 0)
        )
