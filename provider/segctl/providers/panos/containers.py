"""Containers of applications: whether anything names one, and what the device has in each.

Sources: vendor's administrator guide (a container takes in every application of its own);
pan-os-php, which reads ``functions`` of each entry of the predefined content.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError
from segctl.model.items import ApplicationGroup
from segctl.providers.panos import elements, pushed
from segctl.providers.panos.filled import MEMBER
from segctl.providers.panos.small import refuse_dtd, small

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.policy import Policy
    from segctl.providers.panos.small import Part

#: The part of a document with the predefined containers.
PART: Final = "containers"
_ANY: Final = "any"
#: Where applications are named: in a rule, and in a group.
_LISTS: Final = re.compile(rb"<(application|members)(?:\s[^<>]*)?>(.*?)(?:</\1>|\Z)", re.DOTALL)
_GROUPS: Final = re.compile(
    rb"<application-group(?:\s[^<>]*)?>(.*?)(?:</application-group>|\Z)", re.DOTALL
)
_ENTRY: Final = re.compile(rb"<entry\s[^<>]*?name=[\"']([^\"']*)[\"']")


def are_named(parts: Mapping[str, bytes]) -> bool:
    """Whether a rule or group may name a container.

    So it does if it names what is neither a predefined application nor a group: then it is another
    object, or a container. Text is searched, and whatever looks strange counts as a container.
    """
    documents = [parts[name] for name in pushed.CONFIGURED if name in parts]
    known = {_ANY.encode(), *_ENTRY.findall(parts.get("applications", b""))}
    for document in documents:
        for group in _GROUPS.finditer(document):
            known.update(_ENTRY.findall(group[1]))
    return any(name not in known for document in documents for name in _named(document))


def _named(document: bytes) -> Iterator[bytes]:
    for found in _LISTS.finditer(document):
        yield from map(bytes.strip, MEMBER.findall(found[2]))


def read(
    host: str,
    part: Part | None,
    policies: Iterable[Policy],
    known: Mapping[str, frozenset[str]],
) -> dict[str, tuple[str, ...]] | None:
    """Return the containers that rules or groups name, with the applications in each.

    None where the device does not tell: not every account may read its content. Where it was not
    asked, `part` is None; then there are none, if all names are `known` as applications or groups.
    """
    used = {name for policy in policies for name in _used(policy)}
    if part is None:
        others = used - known["application"] - known["application-group"] - {_ANY}
        return None if others else {}
    refuse_dtd(host, part)
    try:
        root = small(host, PART, part)
    except ParseError:
        return None
    entries = list(root.iterfind("result//application-container/entry"))
    if not entries:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        functions = entry.find("functions")
        if (name := entry.get("name", "")) in used and functions is not None:
            found[name] = elements.members(functions)
    return found


def _used(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        yield from rule.applications
    for group in policy[ApplicationGroup]:
        yield from group.members
