"""What a firewall does with a log entry: the match lists of a log forwarding profile, and tags.

Sources: the vendor's configuration schema (``match-list`` with ``log-type`` and ``filter``, actions
with ``tagging``; ``timeout`` in minutes, 0 for ever) and the provider of the vendor for Terraform
(`log_forwarding_profile`: targets, actions, registration). The rule that a session matched names
the profile. Only what registers on the firewall itself is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos.effective import in_effect
from segctl_mocks.panos.references import scope_path
from segctl_mocks.panos.traffic.query import ALL_LOGS, compile_query
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.tree import Element, Tree

_SIDES = {"source-address": "src", "destination-address": "dst"}
_RULES = (("rulebase", ""), ("security", ""), ("rules", ""))
_PROFILES = (("log-settings", ""), ("profiles", ""))


def tag(device: PanosDevice, entry: Mapping[str, str]) -> tuple[str, ...]:
    """Run the match lists on an entry; return the names of those that matched."""
    vsys = entry.get("vsys", "vsys1")
    tree = in_effect(device.running, device.pushed)
    rule = tree.at((*scope_path(vsys), *_RULES, ("entry", entry.get("rule", ""))))
    name = "" if rule is None else text_of(rule.find("log-setting"))
    matched: list[str] = []
    for match in _lists(tree, vsys, name):
        if text_of(match.find("log-type")) != entry.get("type", "").lower():
            continue
        text = text_of(match.find("filter"))
        if text != ALL_LOGS and not compile_query(text, device.settings.release).matches(entry):
            continue
        matched.append(match.get("name") or "")
        for tagging in match.iterfind("actions/entry/type/tagging"):
            _act(device, tagging, entry)
    return tuple(matched)


def _lists(tree: Tree, vsys: str, name: str) -> Iterator[Element]:
    for place in (scope_path(vsys), scope_path("")):
        found = tree.at((*place, *_PROFILES, ("entry", name)))
        if found is not None:
            yield from found.iterfind("match-list/entry")
            return


def _act(device: PanosDevice, tagging: Element, entry: Mapping[str, str]) -> None:
    address = entry.get(_SIDES.get(text_of(tagging.find("target")), ""), "")
    if not address or tagging.find("registration/localhost") is None:
        return
    userid = device.userid
    tags = [text_of(one) for one in tagging.iterfind("tags/member")]
    minutes = int(text_of(tagging.find("timeout")) or "0")
    held = userid.held()
    if text_of(tagging.find("action")) == "remove-tag":
        for one in tags:
            userid.registered.get(address, {}).pop(one, None)
        return
    if address not in held and len(held) >= userid.room:
        return
    ends = userid.clock() + 60 * minutes if minutes else None
    have = userid.registered.setdefault(address, {})
    for one in tags:
        have.setdefault(one, ends)
