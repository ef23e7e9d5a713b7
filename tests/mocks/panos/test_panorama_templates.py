"""Templates, stacks and variables of the mock Panorama become values of the mock firewalls."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from segctl_mocks import PanoramaMock
from support.managed import (
    DEVICE,
    FIRST,
    IMPORTS,
    PORTS,
    RULES,
    SECOND,
    VSYS,
    Managed,
    address,
    firewall,
    group,
    inside,
    managed,
    push_of,
    rule,
    template,
)

STACK = template("line", "template-stack")


def zone(name: str, port: str = "ethernet1/5") -> str:
    layer = f"<layer3><member>{port}</member></layer3>"
    return f'<entry name="{name}"><network>{layer}</network></entry>'


def system(name: str) -> str:
    return f"{inside(name)}/vsys/entry[@name='vsys1']"


def describe(plant: Managed, name: str) -> None:
    plant.put(f"{inside(name)}/network/interface/ethernet", PORTS)
    plant.put(f"{system(name)}/import/network/interface", IMPORTS)


@pytest.fixture
def plant() -> Managed:
    """Two templates, `high` over `low`, in one stack that both firewalls are in."""
    found = managed()
    for name in ("low", "high"):
        describe(found, name)
    members = "<templates><member>high</member><member>low</member></templates>"
    devices = "".join(f'<entry name="{serial}"/>' for serial in (FIRST, SECOND))
    found.put(STACK, f"{members}<devices>{devices}</devices>")
    found.commit()
    return found


def result(job: Any, serial: str = FIRST) -> tuple[str, str]:
    for entry in job.iterfind("devices/entry"):
        if entry.findtext("serial-no") == serial:
            return entry.findtext("result"), etree.tostring(entry.find("details")).decode()
    raise LookupError(serial)


def stack_push(more: str = "") -> str:
    return f"<commit-all><template-stack><name>line</name>{more}</template-stack></commit-all>"


def shown(plant: Managed, what: str, serial: str = FIRST) -> Any:
    return plant.op(f"<show><config><{what}/></config></show>", target=serial).find("result")


def test_a_zone_of_a_template_serves_rules_of_the_group(plant: Managed) -> None:
    plant.put(f"{system('low')}/zone", zone("cell"))
    plant.put(f"{group('plant')}/{RULES}", rule("r1", enter="cell"))
    plant.commit()
    assert result(plant.push())[0] == "OK"
    assert result(plant.push(push_of("plant")))[0] == "OK"
    merged = shown(plant, "merged").find(".//zone/entry[@name='cell']")
    assert merged.get("ptpl") == "low"
    assert b"cell" not in plant.first.running()
    running = shown(plant, "running")
    assert running.find(".//zone/entry[@name='cell']") is None
    effective = shown(plant, "effective-running")
    assert effective.find(".//vsys/entry/zone/entry[@name='cell']") is not None
    assert not {name for node in effective.iter() for name in node.attrib} & {"ptpl", "loc"}
    pushed = shown(plant, "pushed-template")
    assert pushed.find("config/devices/entry/vsys/entry/zone/entry[@name='cell']") is not None


def test_a_push_without_templates_leaves_the_zone_out(plant: Managed) -> None:
    plant.put(f"{system('low')}/zone", zone("cell"))
    plant.put(f"{group('plant')}/{RULES}", rule("r1", enter="cell"))
    plant.commit()
    options = "<include-template>no</include-template>"
    verdict, text = result(plant.push(push_of("plant", options=options)))
    assert verdict == "FAIL"
    assert "'cell' is not a valid reference" in text


def test_the_higher_template_counts(plant: Managed) -> None:
    plant.put(
        f"{system('low')}/zone", zone("cell", "ethernet1/5") + zone("only-low", "ethernet1/7")
    )
    plant.put(f"{system('high')}/zone", zone("cell", "ethernet1/6"))
    plant.commit()
    plant.push()
    found = shown(plant, "pushed-template")
    zones = {
        entry.get("name"): (entry.get("ptpl"), entry.findtext(".//member"))
        for entry in found.iterfind(".//zone/entry")
    }
    assert zones == {"cell": ("high", "ethernet1/6"), "only-low": ("low", "ethernet1/7")}


@pytest.mark.parametrize(
    ("force", "ports"), [("no", {"trust": "ethernet1/1"}), ("yes", {"trust": "ethernet1/8"})]
)
def test_a_value_of_its_own_overrides_unless_forced(
    plant: Managed, force: str, ports: dict[str, str]
) -> None:
    plant.put(f"{system('low')}/zone", zone("trust", "ethernet1/8"))
    plant.commit()
    options = f"<force-template-values>{force}</force-template-values>"
    assert result(plant.push(push_of("plant", options=options)))[0] == "OK"
    effective = shown(plant, "effective-running")
    found = {
        entry.get("name"): entry.findtext(".//member")
        for entry in effective.iterfind(".//zone/entry")
    }
    assert found["trust"] == ports["trust"]
    own = etree.fromstring(plant.first.running()).find(".//zone/entry[@name='trust']")
    assert (own is None) == (force == "yes")


def variable(name: str, value: str) -> str:
    kind = f"<type><ip-netmask>{value}</ip-netmask></type>"
    return f'<variable><entry name="{name}">{kind}</entry></variable>'


def test_variables_have_the_value_of_the_device_first(plant: Managed) -> None:
    port = f"{inside('low')}/network/interface/ethernet/entry[@name='ethernet1/3']/layer3/ip"
    plant.put(port, '<entry name="$address"/>')
    plant.put(template("low"), variable("$address", "10.0.0.1/24"))
    plant.put(STACK, variable("$address", "10.0.1.1/24"))
    own = f"{STACK}/devices/entry[@name='{SECOND}']"
    plant.put(own, variable("$address", "10.0.2.1/24"))
    plant.commit()
    plant.push()
    found = {
        serial: shown(plant, "pushed-template", serial).find(".//layer3/ip/entry").get("name")
        for serial in (FIRST, SECOND)
    }
    assert found == {FIRST: "10.0.1.1/24", SECOND: "10.0.2.1/24"}


def test_a_variable_without_a_value_fails(plant: Managed) -> None:
    port = f"{inside('low')}/network/interface/ethernet/entry[@name='ethernet1/3']/layer3/ip"
    plant.put(port, '<entry name="$address"/>')
    plant.put(template("low"), variable("$address", "None"))
    own = f"{STACK}/devices/entry[@name='{SECOND}']"
    plant.put(own, variable("$address", "10.0.2.1/24"))
    plant.commit()
    job = plant.push()
    assert "variable $address has no value" in result(job)[1]
    assert result(job, SECOND)[0] == "OK"


def states(plant: Managed, kind: str, name: str) -> dict[str, str]:
    found = plant.op(f"<show><{kind}><name>{name}</name></{kind}></show>")
    return {
        entry.get("name"): entry.findtext("template-status")
        for entry in found.iterfind(f".//entry[@name='{name}']/devices/entry")
    }


def test_the_state_follows_the_templates(plant: Managed) -> None:
    assert states(plant, "template-stack", "line") == {FIRST: "Out of Sync", SECOND: "Out of Sync"}
    plant.push()
    assert states(plant, "template-stack", "line") == {FIRST: "In Sync", SECOND: "In Sync"}
    assert states(plant, "templates", "low") == {FIRST: "In Sync", SECOND: "In Sync"}
    plant.put(f"{system('low')}/zone", zone("cell"))
    plant.commit()
    assert states(plant, "template-stack", "line") == {FIRST: "Out of Sync", SECOND: "Out of Sync"}
    devices = f"<device><member>{FIRST}</member></device>"
    job = plant.push(
        f"<commit-all><template-stack><name>line</name>{devices}</template-stack></commit-all>"
    )
    assert (job.findtext("push_type"), result(job)[0]) == ("template-stack", "OK")
    assert states(plant, "template-stack", "line") == {FIRST: "In Sync", SECOND: "Out of Sync"}
    job = plant.push("<commit-all><template><name>low</name></template></commit-all>")
    assert states(plant, "template-stack", "line") == {FIRST: "In Sync", SECOND: "In Sync"}
    assert plant.pushed(plant.first).find(".//rules/entry") is None


def test_a_template_goes_by_the_display_name_of_a_system() -> None:
    both = firewall("fw-m", multi_vsys=True, zones="")
    second = "<entry name='vsys2'><display-name>Line 2</display-name></entry>"
    both.edit("set", f"{DEVICE}/vsys", second, admin="admin", commit=True)
    panorama = PanoramaMock(firewalls=[both], job_seconds=0.0)
    plant = Managed(panorama, both, both)
    devices = f'<devices><entry name="{FIRST}"/></devices>'
    line = f"{inside('t')}/vsys/entry[@name='Line 2']"
    plant.put(f"{inside('t')}/network/interface/ethernet", PORTS)
    plant.put(f"{line}/zone", zone("cell"))
    plant.put(STACK, f"<templates><member>t</member></templates>{devices}")
    plant.commit()
    job = plant.push(stack_push())
    assert result(job)[0] == "OK", result(job)[1]
    pushed = shown(plant, "pushed-template")
    assert pushed.find(".//vsys/entry[@name='vsys2']/zone/entry[@name='cell']") is not None
    plant.put(f"{inside('t')}/vsys/entry[@name='Unknown']/zone", zone("other", "ethernet1/6"))
    plant.commit()
    job = plant.push(stack_push())
    assert "Unknown is not a virtual system" in result(job)[1]


def test_systems_of_one_firewall_have_groups_of_their_own() -> None:
    both = firewall("fw-m", multi_vsys=True, zones="")
    both.edit("set", f"{DEVICE}/vsys", "<entry name='vsys2'/>", admin="admin", commit=True)
    panorama = PanoramaMock(firewalls=[both], job_seconds=0.0)
    plant = Managed(panorama, both, both)
    for name, vsys in (("one", "vsys1"), ("two", "vsys2")):
        member = f'<entry name="{FIRST}"><vsys><entry name="{vsys}"/></vsys></entry>'
        plant.put(f"{group(name)}/devices", member)
        plant.put(f"{group(name)}/address", address(f"of-{name}", "10.0.0.1"))
        plant.put(f"{group(name)}/{RULES}", rule(name, f"of-{name}", enter="any", leave="any"))
    plant.put("/config/shared/address", address("common", "10.0.0.2"))
    plant.commit()
    job = plant.push(push_of("one"))
    assert [entry.findtext("vsys") for entry in job.iterfind("devices/entry")] == ["vsys1"]
    assert plant.pushed(both, "vsys1").find(".//rules/entry").get("name") == "one"
    assert plant.pushed(both, "vsys2").text == "No shared policy pushed to device"
    plant.push(push_of("two"))
    assert plant.pushed(both, "vsys1").find(".//rules/entry").get("name") == "one"
    assert plant.pushed(both, "vsys2").find(".//rules/entry").get("name") == "two"
    assert plant.pushed(both, "vsys2").find("policy").get("dg-ctxt") == "12"
    everything = plant.op(
        "<show><config><pushed-shared-policy/></config></show>", target=FIRST
    ).find("result/shared")
    assert [entry.get("name") for entry in everything.iter("entry")] == ["common"]
    found = plant.op("<show><devicegroups><name>two</name></devicegroups></show>")
    systems = found.findall(".//devices/entry/vsys/entry")
    assert [(each.get("name"), each.findtext("shared-policy-status")) for each in systems] == [
        ("vsys2", "In Sync")
    ]
    refused = plant.config(
        "set", f"{group('two')}/devices/entry[@name='{FIRST}']/vsys", "<entry name='vsys1'/>"
    )
    assert refused.get("status") == "success"
    job = plant.commit()
    assert job.findtext("result") == "FAIL"
    assert f"'{FIRST}' is already in use" in job.findtext("details/line[2]")


def test_a_rule_of_its_own_may_use_a_zone_of_a_template(plant: Managed) -> None:
    plant.put(f"{system('low')}/zone", zone("cell"))
    plant.commit()
    plant.push()
    own = rule("own", enter="cell")
    plant.first.edit("set", f"{VSYS}/rulebase/security/rules", own, commit=True)
    assert b'name="own"' in plant.first.running()
    plant.config("delete", f"{system('low')}/zone/entry[@name='cell']")
    plant.commit()
    verdict, text = result(plant.push())
    assert verdict == "FAIL"
    assert "'cell' is not a valid reference" in text
