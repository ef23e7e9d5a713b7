"""Obstacles to a change: pending changes of others, the wrong peer of a pair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import unescape

from segctl.model.errors import ApplyError, ForeignChangesError
from segctl.providers.panos import names
from segctl.providers.panos.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.providers.panos.client import Client
    from segctl.transports.target import Target

CHANGES: Final = "<show><config><list><changes></changes></list></config></show>"
#: The name in a step of an xpath, as the device writes it.
_ENTRY: Final = re.compile(r"/entry\[@name=(?:'|\")(.*?)(?:'|\")\]")
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
            base = Location.of(one.scope).xpath
            if not xpath or xpath.startswith(base) or base.startswith(xpath):
                raise ForeignChangesError(
                    one.name,
                    f"{owner or 'somebody'} has uncommitted changes in {one.scope} "
                    f"({xpath or 'place unknown'}): have them committed or reverted first",
                )


def refuse_joined(client: Client, scripts: Sequence[tuple[Target, str]]) -> None:
    """Refuse to commit what somebody else did with our account while scripts were written.

    A partial commit takes every change of its account, on Panorama every one in its device group.
    A change is taken for a script's if it is in its virtual system or group, and if it names an
    entry, the script names that, too. Where the script renames, only the place counts: the device
    itself changes what refers to the old name.

    Args:
        client: of the device.
        scripts: what was written for each host of the inventory that is the device.

    Raises:
        ForeignChangesError: there is another one; the message says where.
    """
    target = scripts[0][0]
    for owner, xpath in pending(client):
        if owner == target.user and not any(_explains(*one, xpath) for one in scripts):
            raise ForeignChangesError(
                target.name,
                f"somebody else changed something with the account {owner!r} meanwhile "
                f"({xpath}), and a commit would take it along: give segctl an account of its own",
            )


def _explains(target: Target, script: str, xpath: str) -> bool:
    """Whether a change at a path is a script's, or in another group, which is committed apart."""
    location = Location.of(target.scope)
    base = location.xpath
    if base.startswith(xpath):
        return True
    if not xpath.startswith(base):
        return bool(location.rulebase)
    named = _ENTRY.findall(xpath.removeprefix(base))
    return not named or "<rename " in script or _has(script, named[0])


def _has(script: str, name: str) -> bool:
    """Whether a script, as XML, names an entry of this name."""
    return name in unescape(script, {"&apos;": "'", "&quot;": '"'})


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
