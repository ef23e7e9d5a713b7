"""Of what a Panorama answers, a snapshot of a device group holds what is judged, nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from segctl.planning.snapshot import snapshot_of
from segctl.providers.panos.panorama import PanoramaProvider
from segctl.providers.panos.snapshot import Snapshot
from segctl_mocks.panos import schema
from support.canaries import BASES, OBJECTS, RULE, Canaries, Element, answer, planted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.panorama_bench import GroupHarness

LAYERS = ("template", "template-stack")
PLANT = partial(planted, platform=schema.PANORAMA)


def group(birds: Canaries, name: str, serials: tuple[str, ...] = ()) -> Element:
    """Return a device group with a canary in every leaf, and these firewalls."""
    device = schema.load().children["devices"].entry
    (made,) = PLANT(device.children["device-group"], name, birds)
    made.set("name", name)
    for kind in made.iter("rule-type"):
        kind.text = "interzone"  # a word of three, and no other is a rule
    devices = made.find("devices")
    assert devices is not None
    devices.clear()
    for serial in serials:
        etree.SubElement(devices, "entry", name=serial)
    return made


def template(birds: Canaries, tag: str, name: str) -> Element:
    """Return a template, or a stack, with a canary in every leaf."""
    device = schema.load().children["devices"].entry
    (made,) = PLANT(device.children[tag], tag, birds)
    made.set("name", name)
    config = made.find("config")
    assert config is not None
    config.clear()
    inner = etree.fromstring(
        "<devices><entry name='localhost.localdomain'><vsys/></entry></devices>"
    )
    (system,) = planted(device.children["vsys"], f"{tag}/vsys", birds)
    system.set("name", "vsys1")
    place = inner.find("entry/vsys")
    assert place is not None
    place.append(system)
    config.append(inner)
    return made


def told(body: bytes, place: str, birds: Canaries, *, but: frozenset[str]) -> bytes:
    """Return an answer in which every text that others can choose is a canary."""
    root = etree.fromstring(body)
    for node in root.iter():
        if len(node) == 0 and node.tag not in but:
            node.text = birds.at(f"{place}/{node.tag}")
    return etree.tostring(root)


def canaried(parts: Mapping[str, bytes], birds: Canaries) -> dict[str, bytes]:
    """Return the answers of a Panorama with a canary wherever somebody can put a text."""
    serials = ("007000000001", "007000000002")
    own = group(birds, "OT", serials)
    stack = template(birds, "template-stack", "all")
    devices, members = stack.find("devices"), stack.find("templates")
    assert devices is not None
    assert members is not None
    for one in devices:
        one.set("name", serials[0])
    members.clear()
    etree.SubElement(members, "member").text = "cells"
    layer = template(birds, "template", "cells")
    systems, variables = layer.find("config/devices/entry/vsys"), layer.find("variable")
    stacks = etree.Element("template-stack")
    stacks.append(stack)
    assert systems is not None
    assert variables is not None
    shared = PLANT(schema.load().children["shared"], "shared", birds)
    for kind in shared.iter("rule-type"):
        kind.text = "interzone"
    below = etree.Element("device-group")
    below.append(group(birds, "below"))
    lock = "".join(
        f"<{tag}>{birds.at(f'lock/{tag}')}</{tag}>" for tag in ("name", "created", "comment")
    )
    tree = (
        "<dg-hierarchy><dg name='above' dg_id='10'><dg name='OT' dg_id='11'>"
        "<dg name='below' dg_id='12'/></dg></dg></dg-hierarchy>"
    )
    change = "".join(f"<{tag}>{birds.at(f'pending/{tag}')}</{tag}>" for tag in ("owner", "comment"))
    found = {
        **parts,
        "vsys": answer(own),
        "parent above": answer(group(birds, "above")),
        "shared": answer(shared),
        "systems other": answer(below),
        "hierarchy": answer(etree.fromstring(tree)),
        "template stacks": answer(stacks),
        "template cells": answer(systems),
        "variables cells": answer(variables),
        "pending": answer(etree.fromstring(f"<journal><entry>{change}</entry></journal>")),
        "locks": answer(etree.fromstring(f"<commit-locks><entry>{lock}</entry></commit-locks>")),
        "system": told(
            parts["system"], "system", birds,
            but=frozenset({"sw-version", "model", "family", "serial"}),
        ),
        "standing": told(
            parts["standing"], "standing", birds,
            but=frozenset({"serial", "connected", "entry", "sw-version"}),
        ),
    }  # fmt: skip
    for counted in ("rule", "address", "address-group", "service"):
        where = "pre-rulebase/security/rules" if counted == "rule" else counted
        count = len(own.findall(f"{where}/entry"))
        found[f"count {counted}"] = (
            f'<response status="success"><result total-count="{count}" count="{count}"/></response>'
        ).encode()
    return found


#: Of the group, of the one above it and of shared: objects, and the rules around the group's own.
HELD = {*OBJECTS, *(f"{base}/security/rules/{leaf}" for base in BASES for leaf in RULE)}
#: What else is judged, or told of Panorama and its firewalls.
TOLD = {
    *(
        f"OT/post-rulebase/default-security-rules/rules/{leaf}"
        for leaf in ("action", "log-setting")
    ),
    *(f"{layer}/vsys/zone/{leaf}" for layer in LAYERS for leaf in ("@name", "network/tap/member")),
    *(f"standing/{leaf}" for leaf in ("app-version", "last-commit-all-state-sp")),
    *("standing/last-commit-all-upd-sp", "pending/owner", "system/app-version", "system/hostname"),
}


def test_of_a_panorama_only_what_is_judged_survives(panorama: GroupHarness) -> None:
    birds = Canaries()
    with panorama.workbench() as bench:
        whole = Snapshot(
            host="panorama1:OT",
            user="segctl",
            scope="device-group:OT",
            parts=canaried(bench.parts, birds),
        )
    assert len(birds.places) > 1000
    document = whole.dump()
    text = snapshot_of("panorama1:OT", "device-group:OT", document, PanoramaProvider()).dumps()
    levels = {f"{level}/{leaf}" for level in ("OT", "above", "shared") for leaf in HELD}
    assert birds.seen_in(text) == levels | TOLD
