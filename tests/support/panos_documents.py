"""Documents of a read of a firewall, written by hand: one virtual system, and other answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.providers.panos.parse import COUNTED_KINDS, PanosLive, parse
from segctl.providers.panos.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer(inside: str) -> bytes:
    """An answer that holds this."""
    return f'<response status="success">{inside}</response>'.encode()


def rule(name: str, *, body: str = "", **lists: str | tuple[str, ...]) -> str:
    """A rule that allows what these lists have, and anything else, from zone a to zone b."""
    said: dict[str, str | tuple[str, ...]] = {"from": "a", "to": "b"}
    said |= dict.fromkeys(("source", "destination", "application", "service"), "any") | lists
    text = "".join(
        f"<{tag}>{''.join(f'<member>{one}</member>' for one in words)}</{tag}>"
        for tag, held in said.items()
        for words in [(held,) if isinstance(held, str) else held]
    )
    return f'<entry name="{name}">{text}<action>allow</action>{body}</entry>'


def system(rules: str, objects: str = "") -> bytes:
    """The answer with the virtual system."""
    inside = f"{objects}<rulebase><security><rules>{rules}</rules></security></rulebase>"
    return answer(f'<result><entry name="vsys1">{inside}</entry></result>')


def live(rules: str, objects: str = "", parts: Mapping[str, bytes] | None = None) -> PanosLive:
    """What is read of a firewall with these rules and objects, and these further answers."""
    counts = {
        "rule": rules.count("<action>"),
        "address": sum(objects.count(f"<{tag}>") for tag in ("ip-netmask", "ip-wildcard", "fqdn")),
        "address-group": objects.count("<dynamic>") + objects.count("<static>"),
    }
    every = {
        "system": answer("<result><system><sw-version>11.1.0</sw-version></system></result>"),
        "vsys": system(rules, objects),
        "shared": answer("<result><shared/></result>"),
    }
    empty = ("pending", "applications", "network", "deviceconfig", "panorama status")
    every |= dict.fromkeys(empty, answer("<result/>"))
    for kind in COUNTED_KINDS:
        every[f"count {kind}"] = answer(f'<result total-count="{counts.get(kind, 0)}"/>')
    every |= parts or {}
    return parse(Snapshot(host="fw1", user="u", scope="vsys1", parts=every).dump())
