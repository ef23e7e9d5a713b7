"""A compiled policy in PAN-OS's own names: never wider, refused where it cannot be said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from segctl.model.errors import UnsupportedError
from segctl.model.policy import ApplicationGroup, DeclaredPolicy, DeclaredRule, Policy, Service
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.render import restore
from support.panos import Element, firewall
from support.plants import flow, plant

if TYPE_CHECKING:
    from segctl.model.site import Flow

PROVIDER = PanosProvider()
RULE = DeclaredRule(name="r", from_zones=("OT-CTRL",), to_zones=("OT-DMZ",), conduit="c", flow="f")


def fit(*rules: DeclaredRule) -> Policy:
    return PROVIDER.fit(DeclaredPolicy(rules=rules), firewall())[0]


def test_a_rule_says_whose_it_is() -> None:
    (rule,) = fit(replace(RULE, description="polling", essential=True)).rules
    assert rule.description == f"[segctl conduit=c flow=f essential={rule.seal}] polling"
    assert len(rule.seal) == 8
    assert rule.tags == ("segctl",)


def test_a_long_description_keeps_its_mark() -> None:
    (rule,) = fit(replace(RULE, description="x" * 2000)).rules
    assert len(rule.description) == 1023
    assert rule.description.startswith("[segctl conduit=c flow=f] xxx")


def test_two_long_names_stay_two() -> None:
    found = fit(replace(RULE, name="n" * 70 + "a"), replace(RULE, name="n" * 70 + "b", flow="g"))
    assert len({rule.name for rule in found.rules}) == 2
    assert all(len(rule.name) <= 63 for rule in found.rules)


def test_a_port_that_two_flows_need_is_one_service() -> None:
    open_modbus = replace(flow("open", uses=(("modbus-tls", ("read",)),)), functions="not-enforced")
    wanted = plant(open_modbus, flow("plain", ports=(802,)))
    fitted, _ = PROVIDER.fit(wanted.policy, wanted.device)
    names = [service.name for service in fitted[Service]]
    assert len(names) == len(set(names)), names


@pytest.mark.parametrize(
    ("uses", "about"),
    [
        ((("bacnet-ip", ("read", "write")),), "segctl-bacnet-ip-"),
        ((("dnp3", ("read", "write")), ("iec-60870-5-104", ("read", "control"))), "segctl-dnp3-"),
    ],
)
def test_an_application_group_is_named_from_what_it_permits(
    uses: tuple[tuple[str, tuple[str, ...]], ...], about: str
) -> None:
    turned = tuple((protocol, classes[::-1]) for protocol, classes in reversed(uses))
    spelled = tuple((protocol, (*classes, "session")) for protocol, classes in uses)
    members = fit_of(flow("f", uses=uses))[ApplicationGroup][0].members
    listed = replace(flow("f"), protocols=(), applications=members)
    found = [
        fit_of(one) for one in (*(flow("f", uses=one) for one in (uses, turned, spelled)), listed)
    ]
    assert all(one == found[0] for one in found)
    (group,) = found[0][ApplicationGroup]
    assert group.name.startswith(about)
    assert group.members == tuple(sorted(group.members))
    more = fit_of(flow("f", uses=((uses[0][0], (*uses[0][1], "file")), *uses[1:])))
    assert more[ApplicationGroup][0].name != group.name


def fit_of(one: Flow) -> Policy:
    wanted = plant(one)
    return PROVIDER.fit(wanted.policy, wanted.device)[0]


def test_a_function_that_no_application_has_is_refused() -> None:
    wanted = plant(flow("f", uses=(("elcom-90", ("read",)),)))
    with pytest.raises(UnsupportedError, match="conduit c1, flow f"):
        PROVIDER.fit(wanted.policy, wanted.device)


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, profile_group="p" * 32),
        replace(RULE, log_setting="l" * 64),
        replace(RULE, schedule="s" * 32),
        replace(RULE, users=("u" * 1024,)),
        replace(RULE, description="bell \a"),
    ],
)
def test_what_pan_os_does_not_take_is_refused(rule: DeclaredRule) -> None:
    with pytest.raises(UnsupportedError):
        fit(rule)


# --- going back ----------------------------------------------------------------------------------

BASE = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{BASE}/rulebase/security/rules"


def vsys(*rules: str) -> Element:
    """Return a virtual system with these rules; one with ``!`` is not what it was."""
    root = etree.Element("entry", name="vsys1")
    container = etree.SubElement(
        etree.SubElement(etree.SubElement(root, "rulebase"), "security"), "rules"
    )
    for rule in rules:
        entry = etree.SubElement(container, "entry", name=rule[0], uuid=f"u-{rule[0]}")
        etree.SubElement(entry, "action").text = "deny" if "!" in rule else "allow"
    return root


def undo(script: str, before: Element, now: Element) -> list[str]:
    return [
        " ".join([str(step.tag), *(str(v) for k, v in step.attrib.items() if k != "xpath"),
                  step.get("xpath", "").removeprefix(RULES)])
        for step in restore(f'<segctl-push vsys="vsys1">{script}</segctl-push>', before, now)
    ]  # fmt: skip


def test_what_did_not_change_needs_no_step_back() -> None:
    script = f"""<edit xpath="{RULES}/entry[@name='a']"><entry name="a"/></edit>"""
    assert undo(script, vsys("a", "b"), vsys("a", "b")) == []


def test_a_renamed_rule_gets_its_name_back() -> None:
    script = f"""<rename xpath="{RULES}/entry[@name='a']" newname="z"/>"""
    before = vsys("a", "b")
    now = etree.fromstring(etree.tostring(before).replace(b'name="a"', b'name="z"'))
    assert undo(script, before, now) == ["rename a /entry[@name='z']"]


def test_deleted_rules_come_back_where_they_were() -> None:
    script = "".join(f"""<delete xpath="{RULES}/entry[@name='{name}']"/>""" for name in "ca")
    assert undo(script, vsys(*"abcd"), vsys(*"bd")) == [
        "edit /entry[@name='c']",
        "edit /entry[@name='a']",
        "move top /entry[@name='a']",
        "move after c /entry[@name='d']",
    ]


def test_made_rules_go() -> None:
    script = f"""<set xpath="{RULES}"><entry name="n"/></set>"""
    assert undo(script, vsys("a"), vsys("n", "a")) == ["delete /entry[@name='n']"]


def test_only_what_the_script_touched_goes_back() -> None:
    script = f"""<edit xpath="{RULES}/entry[@name='a']"><entry name="a"/></edit>"""
    assert undo(script, vsys("a", "b"), vsys("a!", "b!")) == ["edit /entry[@name='a']"]
