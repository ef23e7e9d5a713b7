"""Obstacles to a change: pending changes of others, the wrong peer of a pair."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import unescape

from lxml import etree

from segctl.model.errors import ApplyError, ForeignChangesError
from segctl.providers.panos import names
from segctl.providers.panos.location import Location
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.elements import Element
    from segctl.transports.target import Target

CHANGES: Final = "<show><config><list><changes></changes></list></config></show>"
#: The name in a step of an xpath, as the device writes it.
_ENTRY: Final = re.compile(r"/entry\[@name=(?:'|\")(.*?)(?:'|\")\]")
_QUOTES: Final = {"&apos;": "'", "&quot;": '"'}
_HA: Final = "<show><high-availability><state></state></high-availability></show>"


def refuse_pending(client: Client, targets: Sequence[Target]) -> None:
    """Refuse to go on with uncommitted changes in our virtual systems, or of our own account.

    Those in another device group of a Panorama are left alone, whoever made them: what is
    committed, and what is discarded, is limited to a group and an account.

    Raises:
        ForeignChangesError: there are some; the message says whose they are and where.
    """
    target = targets[0]
    place = Location.of(target.scope)
    groups = f"{names.DEVICE}/{place.container}/entry["
    for owner, xpath in pending(client):
        if place.rulebase and xpath.startswith(groups) and not xpath.startswith(place.xpath):
            continue
        if owner == target.user:
            raise ForeignChangesError(
                target.name,
                f"the account {owner!r} has uncommitted changes that this run did not make "
                f"({xpath}): commit or revert them, and give segctl an account of its own",
            )
        for one in targets:
            part = Location.of(one.scope)
            base = part.xpath
            if not xpath or xpath.startswith(base) or base.startswith(xpath):
                raise ForeignChangesError(
                    one.name,
                    f"{owner or 'somebody'} has uncommitted changes in {part} "
                    f"({xpath or 'place unknown'}): have them committed or reverted first",
                )


def refuse_joined(client: Client, scripts: Sequence[tuple[Target, str]]) -> None:
    """Refuse to commit what somebody else did with our account while scripts were written.

    A partial commit takes every change of its account, on Panorama every one in its device group.
    A change is taken for a script's if it is in its virtual system or group, and if it names an
    entry, the script changes that. Where the script renames, the device itself changes what
    refers to the old name: an entry in which nothing else is changed is taken for the script's.

    Args:
        client: of the device.
        scripts: what was written for each host of the inventory that is the device.

    Raises:
        ForeignChangesError: there is another one; the message says where.
    """
    target = scripts[0][0]
    written = [_Written.of(*one) for one in scripts]
    for owner, xpath in pending(client):
        if owner == target.user and not any(one.explains(client, xpath) for one in written):
            raise ForeignChangesError(
                target.name,
                f"somebody else changed something with the account {owner!r} meanwhile "
                f"({xpath}), and a commit would take it along: give segctl an account of its own",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What a script changes below `base`: the entries `ours`, and names that it `renamed`."""

    target: Target
    base: str
    alone: bool
    ours: frozenset[str]
    renamed: Mapping[str, str]

    @classmethod
    def of(cls, target: Target, script: str) -> _Written:
        """Return what a script for a host changes; a device group is committed `alone`."""
        location, steps = Location.of(target.scope), etree.fromstring(script.encode())
        return cls(
            target=target,
            base=location.xpath,
            alone=bool(location.rulebase),
            ours=frozenset(_changed(steps, location.xpath)),
            renamed=_renames(steps),
        )

    def explains(self, client: Client, xpath: str) -> bool:
        """Whether a change at a path is the script's, or in a group that is not committed now."""
        if self.base.startswith(xpath):
            return True
        if not xpath.startswith(self.base):
            return self.alone
        below = _ENTRY.search(xpath.removeprefix(self.base))
        if below is None or unescape(below[1], _QUOTES) in self.ours:
            return True
        entry = self.base + xpath.removeprefix(self.base)[: below.end()]
        return bool(self.renamed) and _follows(client, self.target, entry, self.renamed)


def _changed(steps: Element, base: str) -> Iterator[str]:
    """Yield the names of entries that steps change; not those beside which one is moved."""
    for step in steps:
        within = _ENTRY.search(step.get("xpath", "").removeprefix(base))
        if within is not None:
            yield unescape(within[1], _QUOTES)
        else:
            yield from (entry.get("name", "") for entry in step.iter("entry"))
        yield from filter(None, (step.get("newname"),))


def _renames(steps: Element) -> dict[str, str]:
    """Return the names that steps replace, each with the new one."""
    found: dict[str, str] = {}
    for step in steps.iterfind("rename"):
        *_, old = _ENTRY.findall(step.get("xpath", ""))
        found[unescape(old, _QUOTES)] = step.get("newname", "")
    return found


def _follows(client: Client, target: Target, entry: str, renamed: Mapping[str, str]) -> bool:
    """Whether an entry of the candidate is the one that runs, but for names that were replaced."""
    running, candidate = (
        xml(target, client.ask({"type": "config", "action": action, "xpath": entry}).body)
        for action in ("show", "get")
    )
    before, after = running.find("result/entry"), candidate.find("result/entry")
    if before is None or after is None:
        return False
    old, new = _nodes(before), _nodes(after)
    return len(old) == len(new) and all(
        one[:2] == other[:2] and other[2] in (one[2], renamed.get(one[2]))
        for one, other in zip(old, new, strict=True)
    )


def _nodes(entry: Element) -> list[tuple[str, str, str]]:
    """Return the nodes of an entry in order: tag, name, text."""
    return [
        (str(node.tag), node.get("name", ""), (node.text or "").strip()) for node in entry.iter("*")
    ]


def pending(client: Client) -> list[tuple[str, str]]:
    """Return the uncommitted changes: whose they are, and where."""
    answer = client.op(CHANGES)
    return [
        ((entry.findtext("owner") or "").strip(), (entry.findtext("xpath") or "").strip())
        for entry in answer.iterfind("result/journal/entry")
    ]


def refuse_passive(client: Client, target: Target) -> None:
    """Refuse a firewall that is not the active member of its pair.

    Raises:
        ApplyError: it is the passive member.
    """
    try:
        answer = client.op(_HA)
    except ApplyError:
        return  # a model without high availability
    group = answer.find("result/group")
    group = answer.find("result") if group is None else group  # that of a Panorama has none
    state = "" if group is None else group.findtext("local-info/state") or ""
    if answer.findtext("result/enabled") == "yes" and "active" not in state.split("-"):
        told = "" if group is None else group.findtext("peer-info/mgmt-ip") or ""
        peer = told or "its peer"
        raise ApplyError(
            target.name,
            f"is the {state or 'inactive'} member of a pair: apply to the active member, {peer}",
        )
