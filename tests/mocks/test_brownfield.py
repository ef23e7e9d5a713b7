"""Configurations exported from real firewalls load, serve, and keep what nobody changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl_mocks import PanosMock
from segctl_mocks.panos import validate

if TYPE_CHECKING:
    from pathlib import Path

VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
FIREWALLS = [
    "BadAsh99_running-config",
    "ansible-pan_running-config_sample",
    "iron-skillet_panos_full",
    "jasonmeurer_bootstrap",
    "joyy367_running-config",
    "pan-os-php_appid-toolbox_tests_orig_stage00",
    "pan-os-php_appid_stage05",
    "pan-os-php_appid_stage10",
    "pan-os-php_examples_sample-configs_panos-example-2",
    "pan-os-php_migration_parser_panos_baseconfig",
    "pan_multicloud-lab_bootstrap",
    "skilletlib_after_config",
    "skilletlib_before_config",
    "skilletlib_panos_baseline_91_baseline_91",
]
# A form of release 5, and a zone with an empty member: a current release refuses both.
ODD = {"ansible-pan_running-config_sample", "pan-os-php_examples_sample-configs_panos-example-2"}


def plain(node: Any) -> object:
    """What a document says: tags, attributes, texts and order, no blanks between."""
    marks = {str(name): str(value) for name, value in node.attrib.items()}
    kids = [plain(kid) for kid in node.iterchildren("*")]
    text = node.text or ""
    return node.tag, marks, kids or text, kids and text.strip()


@pytest.fixture(params=FIREWALLS)
def document(request: pytest.FixtureRequest, third_party: Path) -> bytes:
    return (third_party / "configs" / f"{request.param}.xml").read_bytes()


def test_it_is_served_as_it_is(document: bytes) -> None:
    device = PanosMock(config=document)
    original = plain(etree.fromstring(document))
    for mine in (device.config(), device.running(), device.effective()[0]):
        assert plain(etree.fromstring(mine)) == original
    sent = {"type": "config", "action": "show", "xpath": "/config", "key": device.key()}
    shown = etree.fromstring(device.handle(sent).content()).find("result/config")
    assert plain(shown) == original


def test_others_keep_every_byte(document: bytes) -> None:
    device = PanosMock(config=document)
    before = device.config()
    device.edit("set", f"{VSYS}/tag", "<entry name='new-tag'/>")
    device.edit("set", f"{VSYS}/address", "<entry name='new-host'><fqdn>a.b</fqdn></entry>")
    rule = (
        "<entry name='new-rule'><from><member>any</member></from><to><member>any</member></to>"
        "<source><member>new-host</member></source><destination><member>any</member></destination>"
        "<application><member>any</member></application><service><member>any</member></service>"
        "<action>deny</action><tag><member>new-tag</member></tag></entry>"
    )
    device.edit("set", f"{VSYS}/rulebase/security/rules", rule, commit=True)
    running: Any = etree.fromstring(device.running())
    for name in ("new-rule", "new-host", "new-tag"):
        (entry,) = running.iterfind(f".//entry[@name='{name}']")
        entry.getparent().remove(entry)
    assert _without_empty(running) == _without_empty(etree.fromstring(before))
    device.device.committer.load(before, "saved", "admin")
    assert device.config() == before


def _without_empty(root: Any) -> bytes:
    """Drop containers that were made for what was removed again."""
    for tag in ("rules", "security", "rulebase", "tag", "address"):
        for node in root.findall(f".//vsys/entry//{tag}"):
            if not len(node) and not (node.text or "").strip():
                node.getparent().remove(node)
    return etree.tostring(root)


@pytest.mark.parametrize("name", sorted(set(FIREWALLS) - ODD))
def test_it_is_valid(third_party: Path, name: str) -> None:
    device = PanosMock(config=(third_party / "configs" / f"{name}.xml").read_bytes())
    assert validate.everything(device.device.checker) == ()


def test_a_rule_reads_like_any_rule(third_party: Path) -> None:
    document = (third_party / "configs/joyy367_running-config.xml").read_bytes()
    names = [rule.get("name") for rule in etree.fromstring(document).findall(".//security/rules/*")]
    device = PanosMock(config=document)
    sent = {"type": "config", "action": "get", "key": device.key()}
    path = f"{VSYS}/rulebase/security/rules"
    answer = etree.fromstring(device.handle({**sent, "xpath": path}).content())
    assert [entry.get("name") for entry in answer.iterfind("result/rules/entry")] == names
    device.edit("rename", f"{path}/entry[@name='{names[0]}']", newname="renamed")
    device.edit("move", f"{path}/entry[@name='{names[1]}']", where="top", commit=True)
    assert b'"renamed"' in device.running()


def test_a_container_that_rules_name_is_no_application(mock: PanosMock) -> None:
    """What a configuration names and the content has not, the mock adds; containers it has."""
    rule = (
        "<entry name='r'><from><member>any</member></from><to><member>any</member></to>"
        "<source><member>any</member></source><destination><member>any</member></destination>"
        "<application><member>modbus</member><member>ssl</member></application>"
        "<service><member>any</member></service><action>allow</action></entry>"
    )
    mock.edit("set", f"{VSYS}/rulebase/security/rules", rule)
    device = PanosMock(config=mock.config().replace(b">ssl<", b">of-a-later-content<"))
    place = "/config/predefined/application/entry/@name"
    sent = {"type": "config", "action": "get", "xpath": place, "key": device.key()}
    answer = etree.fromstring(device.handle(sent).content())
    listed = {entry.get("name") for entry in answer.iter("entry")}
    assert "of-a-later-content" in listed
    assert "modbus" not in listed
