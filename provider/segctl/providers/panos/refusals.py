"""Obstacles to a change: pending changes of others, the wrong peer of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, ForeignChangesError
from segctl.providers.panos.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.providers.panos.client import Client
    from segctl.transports.target import Target

CHANGES: Final = "<show><config><list><changes></changes></list></config></show>"
_HA: Final = "<show><high-availability><state></state></high-availability></show>"


def refuse_pending(client: Client, targets: Sequence[Target]) -> None:
    """Refuse to go on with uncommitted changes in our virtual systems, or of our own account.

    Raises:
        ForeignChangesError: there are some; the message says whose they are and where.
    """
    target = targets[0]
    for owner, xpath in pending(client):
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
