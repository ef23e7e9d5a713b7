"""Proposed conduits and assets, as the text of inventory files: pure, and always in one order.

Reason and owner are left empty, so that the inventory is refused until a person has answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.importing.files import flow_lines, side, zone_lines
from segctl.importing.yaml import comments, entry, mapping, scalar
from segctl.system.inert import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.model.site import Conduit, Device, Zone

_HEAD: Final = (
    "# Proposed by `segctl discover` from what was seen; nothing of it is declared elsewhere.",
    "# A conduit is refused until somebody has written its reason and its owner: whoever answers",
    "# for it. Delete what nobody answers for. `mode: monitor` permits, logs and alerts.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A conduit with the comments above it, and those above its flows by their ids."""

    conduit: Conduit
    notes: tuple[str, ...] = ()
    flow_notes: Mapping[str, tuple[str, ...]]


def proposed_text(
    variable: str,
    proposals: Sequence[Noted],
    *,
    asked: Iterable[str],
    seen: Iterable[str],
    assets: Iterable[str] = (),
) -> str:
    """Return a file of proposed conduits.

    Args:
        variable: its name, which begins with ``segctl_conduits``.
        proposals: the conduits, in order.
        asked: what a person is asked about, a line each.
        seen: what was seen and is not proposed, a line each.
        assets: what to add elsewhere by hand, a line each.
    """
    body: list[str] = []
    for one in proposals:
        body += _conduit(one)
    added = comments(0, assets)
    questions, others = comments(0, asked), comments(0, seen)
    lines = [
        *_HEAD,
        *(["#", *added] if added else []),
        *mapping(0, variable, body[1:]),
        *(["", "# Asked: seen, and not enough to propose it.", *questions] if questions else []),
        *(["", "# Seen, not proposed:", *others] if others else []),
    ]
    return "\n".join(lines) + "\n"


def _conduit(one: Noted) -> list[str]:
    conduit = one.conduit
    body = comments(4, one.notes)
    body += side("from", conduit.from_zones, conduit.site)
    body += side("to", conduit.to_zones, conduit.site)
    body += ["    reason:                        # open: what is it needed for?"]
    body += ["    owner:                         # open: who answers for it?"]
    if conduit.expires is not None:
        body.append(f"    expires: {conduit.expires.isoformat()}")
    if conduit.review_by is not None:
        body.append(f"    review_by: {conduit.review_by.isoformat()}")
    body.append(entry(4, "mode", conduit.mode))
    flows: list[str] = []
    for flow in conduit.flows:
        flows += comments(6, one.flow_notes.get(flow.id, ()))
        flows += flow_lines(flow)
    body += mapping(4, "flows", flows)
    return ["", *mapping(2, conduit.id, body)]


def zones_draft(zones: Sequence[Zone], notes: Mapping[str, tuple[str, ...]]) -> str:
    """Return a file of zones that were made from what was seen."""
    body = [line for zone in zones for line in zone_lines(zone, notes.get(zone.id, ()))]
    lines = [
        "# A first draft by `segctl discover`: addresses, zones of firewalls, who serves whom.",
        "# Rename, split and join; add level, kind and security_level, which no record knows.",
        *mapping(0, "segctl_zones", body[1:]),
    ]
    return "\n".join(lines) + "\n"


def hosts_draft(devices: Sequence[Device], group: str) -> str:
    """Return a hosts file of firewalls of which only the serial number is known."""
    body: list[str] = []
    for device in devices:
        body += mapping(
            8,
            device.name,
            [
                entry(10, "ansible_network_os", device.platform),
                "          # open: ansible_host, and the login",
                f"          segctl_serial: {yaml_text(device.serial)}",
            ],
        )
    lines = [
        "# A first draft by `segctl discover`: the firewalls of which there are records.",
        "all:",
        "  children:",
        f"    {scalar(group)}:",
        *mapping(6, "hosts", body),
    ]
    return "\n".join(lines) + "\n"


def groups_text(groups: Sequence[str]) -> str:
    """Return a hosts file that only names groups, so that their variables are read."""
    body = [line for group in groups if group != "all" for line in mapping(4, group, [])]
    lines = [
        "# Lets `-i INVENTORY -i FOLDER` read this folder by itself. Delete it once the other",
        "# files are in the inventory.",
        "all:",
        *mapping(2, "children", body),
    ]
    return "\n".join(lines) + "\n"


def with_assets(text: str, zone: Zone, assets: Mapping[str, str]) -> str | None:
    """Return a file of zones in which a zone has more assets; None where it cannot be edited.

    Assets are put before the first of the zone, where they are written one a line; a zone without
    any gets them before its first key.

    Args:
        text: the file in which the zone is declared.
        zone: as it was read from there.
        assets: addresses by name.
    """
    lines = text.split("\n")
    if zone.assets:
        first = min(zone.assets, key=lambda one: one.declared.line).declared
        at, column = first.line - 1, first.column - 1
        above = lines[at - 1].split("#")[0].strip() if 0 < at < len(lines) else ""
        if above != "assets:" and not _only_comments(lines, at):
            return None
        indent = " " * column
    else:
        at = zone.declared.line
        key = lines[at] if at < len(lines) else ""
        indent = key[: len(key) - len(key.lstrip())]
        deeper = len(indent) > zone.declared.column - 1
        if not deeper or not key.strip() or key.lstrip().startswith(("#", "-", "{")):
            return None
        lines.insert(at, f"{indent}assets:")
        at, indent = at + 1, f"{indent}  "
    if lines[at - 1].strip() == "" or not indent:
        return None
    new = [f"{indent}{scalar(name)}: {scalar(address)}" for name, address in assets.items()]
    return "\n".join([*lines[:at], *new, *lines[at:]])


def _only_comments(lines: Sequence[str], at: int) -> bool:
    """Whether nothing but comments stands between the key `assets` and a line."""
    for line in reversed(lines[:at]):
        word = line.split("#")[0].strip()
        if word:
            return word == "assets:"
    return False
