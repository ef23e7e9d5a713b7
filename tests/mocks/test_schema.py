"""Writes a device refuses, with its texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from segctl_mocks import PanosMock

Ask = Callable[..., Any]


def lines(answer: Any) -> list[str]:
    return [line.text or "" for line in answer.iter("line")]


RULE = (
    "<entry name='r'><from><member>trust</member></from><to><member>untrust</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>ssl</member></application>"
    "<service><member>application-default</member></service><action>allow</action>{}</entry>"
)


@pytest.mark.parametrize(
    ("where", "element", "expected"),
    [
        ("address", "<entry name='{long}'><fqdn>a.b</fqdn></entry>", "name can be at most 63 char"),
        ("zone", "<entry name='{mid}'/>", "name can be at most 31 characters, but current length"),
        ("address", "<entry name='a'><ip-netmask>1.2.3</ip-netmask></entry>", "invalid ipv4/v6"),
        ("address", "<entry name='a'><ip-range>1.2.3.4</ip-range></entry>", "range separator"),
        ("address", "<entry name='any'><fqdn>a.b</fqdn></entry>", "name 'any' is disallowed"),
        ("address", "<entry name='a'><foo/></entry>", "a -> foo unexpected here"),
        ("address", "<entry name='a'>text</entry>", "a has unexpected text."),
        ("address", "<entry><fqdn>a.b</fqdn></entry>", "is missing 'name'"),
        ("address", "<entry name='a;b'><fqdn>a.b</fqdn></entry>", "is invalid"),
        ("address-group", "<entry name='g'><static><member>x</member></static></entry>",
         "g -> static 'x' is not a valid reference"),
        ("tag", "<entry name='t'><color>color18</color></entry>", "not an allowed keyword"),
        ("tag", "<entry name='none'/>", "'none' is not allowed"),
        ("zone", "<entry name='multicast'/>", "'multicast' is reserved zone name"),
        ("service", "<entry name='s'><protocol><tcp><port>70000</port></tcp></protocol></entry>",
         "is invalid"),
        ("application-group", "<entry name='ssl'><members><member>ssh</member></members></entry>",
         "'ssl' is already in use"),
        ("rulebase/security/rules", "<entry name='intrazone-default'/>", "is a reserved name"),
        ("rulebase/security/rules", "<entry name='r'><action>wibble</action></entry>",
         "action 'wibble' is not an allowed keyword"),
        ("rulebase/security/rules", "<entry name='r'><log-end>true</log-end></entry>",
         "'true' is not an allowed keyword"),
        ("rulebase/security/rules", "<entry name='r'><from><member>dmz</member></from></entry>",
         "r -> from 'dmz' is not a valid reference"),
        ("rulebase/security/rules",
         ("<entry name='r'><service><member>any</member><member>service-http</member></service>"
         "</entry>"), "should not be used with another service"),
        ("rulebase/security/rules", ("<entry name='r'><application><member>x</member>"
         "</application></entry>"), "application 'x' is not an allowed keyword"),
        ("rulebase/security/rules", ("<entry name='r'><profile-setting><group><member>g</member>"
         "</group></profile-setting></entry>"), "'g' is not a valid reference"),
        ("rulebase/security/rules", "<entry name='r'><target/></entry>", "r -> target unexpected"),
        ("rulebase/security/rules", "<entry name='r'><description>{huge}</description></entry>",
         "can be at most 1024 characters"),
    ],
)  # fmt: skip
def test_code_12(config: Ask, vsys: str, where: str, element: str, expected: str) -> None:
    before = config("get", "/config")
    text = element.format(long="x" * 64, mid="x" * 32, huge="x" * 1025)
    answer = config("set", f"{vsys}/{where}", text)
    assert answer.get("code") == "12"
    assert answer.get("status") == "error"
    assert any(expected in line for line in lines(answer)), lines(answer)
    assert all(line.startswith(" ") for line in lines(answer))
    assert etree.tostring(config("get", "/config")) == etree.tostring(before)


def test_the_three_lines_of_a_reference(config: Ask, vsys: str) -> None:
    element = "<entry name='R'><category><member>hacking1</member></category></entry>"
    answer = config("set", f"{vsys}/rulebase/security/rules", element)
    assert lines(answer) == [
        " R -> category 'hacking1' is not an allowed keyword",
        " R -> category 'hacking1' is not a valid reference",
        " R -> category is invalid",
    ]


def test_an_unknown_source(config: Ask, vsys: str) -> None:
    element = "<entry name='R'><source><member>X</member></source></entry>"
    assert lines(config("set", f"{vsys}/rulebase/security/rules", element)) == [
        " R -> source 'X' is not an allowed keyword",
        " R -> source 'X' is an invalid ipv4/v6 address",
        " R -> source 'X' is not a valid reference",
        " R -> source 'X' range separator('-') not found",
        " R -> source is invalid",
    ]


def test_paths_off_the_schema(config: Ask, vsys: str) -> None:
    for action in ("set", "edit", "delete"):
        answer = config(action, f"{vsys}/rulebase/pre-rulebase", "<pre-rulebase/>")
        assert answer.get("code") == "13"
        assert lines(answer) == [
            f"Could not find schema node for xpath {vsys}/rulebase/pre-rulebase"
        ]


def test_reading_off_the_schema(config: Ask, vsys: str) -> None:
    for path in (f"{vsys}/nowhere", f"{vsys}/address[", "/config/[", ""):
        answer = config("get", path)
        assert (answer.get("status"), answer.get("code")) == ("success", "7")
        assert len(answer.find("result")) == 0
    answer = config("show", f"{vsys}/nowhere")
    assert (answer.get("status"), answer.get("code"), lines(answer)) == (
        "error", None, ["No such node"],
    )  # fmt: skip


def test_outside_of_the_configuration(config: Ask) -> None:
    for action in ("get", "set", "delete", "show"):
        answer = config(action, "/configuration/x", "<x/>")
        assert (answer.get("status"), answer.get("code")) == ("unauth", "16")
        assert lines(answer) == ["Unauthorized request"]


def test_malformed_xml(config: Ask, op: Ask, vsys: str) -> None:
    for answer in (
        config("set", vsys, "<address><entry></address>"),
        config("set", vsys, "just text"),
        op("<show><system>"),
        op('<!DOCTYPE x [<!ENTITY e "e">]><show>&e;</show>'),
    ):
        assert (answer.get("code"), lines(answer)) == ("18", ["Malformed Request"])


def test_unknown_command(op: Ask) -> None:
    answer = op("<show><redistribution><x/></redistribution></show>")
    assert (answer.get("code"), lines(answer)) == ("17", [" show -> redistribution  is unexpected"])


def test_one_namespace_for_addresses_and_groups(config: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    group = "<entry name='a'><static><member>a</member></static></entry>"
    answer = config("set", f"{vsys}/address-group", group)
    assert any("'a' is already in use" in line for line in lines(answer))
    shared = config("set", "/config/shared/address", "<entry name='a'><fqdn>c.d</fqdn></entry>")
    assert shared.get("status") == "success"


def test_rename_to_a_name_in_use(config: Ask, vsys: str) -> None:
    two = "<entry name='a'><fqdn>a.b</fqdn></entry><entry name='b'><fqdn>a.b</fqdn></entry>"
    config("set", f"{vsys}/address", two)
    answer = config("rename", f"{vsys}/address/entry[@name='a']", newname="b")
    assert answer.get("code") == "12"
    answer = config("rename", f"{vsys}/address/entry", newname="c")
    assert (answer.get("code"), lines(answer)) == ("8", ["Can rename only one obj at a time"])
    answer = config("rename", f"{vsys}/address/entry[@name='a']", newname="x" * 64)
    assert answer.get("code") == "12"


def test_edit_must_name_its_root(config: Ask, vsys: str) -> None:
    path = f"{vsys}/address/entry[@name='a']"
    for element in ("<entry name='b'><fqdn>a.b</fqdn></entry>", "<address/>", "", "<a/><b/>"):
        assert config("edit", path, element).get("code") == "12"
    assert config("edit", path, "<entry name='a'><fqdn>a.b</fqdn></entry>").get("code") == "20"


def test_set_merges_and_edit_replaces(config: Ask, vsys: str) -> None:
    rules = f"{vsys}/rulebase/security/rules"
    config("set", rules, RULE.format("<description>d</description>"))
    uuid = config("get", f"{rules}/entry[@name='r']").find("result/entry").get("uuid")
    assert len(uuid or "") == 36
    config("set", f"{rules}/entry[@name='r']", "<source><member>10.0.0.1</member></source>")
    config("set", f"{rules}/entry[@name='r']/source", "<member>10.0.0.1</member>")
    config("set", f"{rules}/entry[@name='r']", "<action>deny</action>")
    entry = config("get", f"{rules}/entry[@name='r']").find("result/entry")
    assert [member.text for member in entry.find("source")] == ["any", "10.0.0.1"]
    assert entry.findtext("action") == "deny"
    config("edit", f"{rules}/entry[@name='r']", RULE.format(""))
    entry = config("get", f"{rules}/entry[@name='r']").find("result/entry")
    assert entry.find("description") is None
    assert [member.text for member in entry.find("source")] == ["any"]
    assert entry.get("uuid") == uuid


def test_a_choice_is_replaced(config: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    config("set", f"{vsys}/address/entry[@name='a']", "<ip-netmask>10.0.0.1</ip-netmask>")
    entry = config("get", f"{vsys}/address/entry[@name='a']").find("result/entry")
    assert [child.tag for child in entry] == ["ip-netmask"]
    both = "<entry name='a'><fqdn>a.b</fqdn><ip-netmask>10.0.0.1</ip-netmask></entry>"
    answer = config("edit", f"{vsys}/address/entry[@name='a']", both)
    assert any("are mutually exclusive" in line for line in lines(answer))


def test_child_order_is_kept(config: Ask, vsys: str) -> None:
    element = "<entry name='a'><tag/><description>d</description><fqdn>a.b</fqdn></entry>"
    config("set", f"{vsys}/address", element)
    entry = config("get", f"{vsys}/address/entry[@name='a']").find("result/entry")
    assert [child.tag for child in entry] == ["tag", "description", "fqdn"]


def test_delete(config: Ask, vsys: str) -> None:
    config("set", f"{vsys}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    group = "<entry name='g'><static><member>a</member></static></entry>"
    config("set", f"{vsys}/address-group", group)
    for path in (f"{vsys}/address/entry[@name='a']", f"{vsys}/address"):
        answer = config("delete", path)
        assert answer.get("code") == "10"
        assert lines(answer) == [
            " a cannot be deleted because of references from:",
            " vsys -> vsys1 -> address-group -> g -> static",
        ]
    missing = config("delete", f"{vsys}/address/entry[@name='none']")
    assert (missing.get("status"), missing.get("code")) == ("success", "7")
    member = f"{vsys}/address-group/entry[@name='g']/static/member[text()='a']"
    assert config("delete", member).get("code") == "20"
    assert config("delete", f"{vsys}/address/entry[@name='a']").get("code") == "20"


def test_delete_of_several(config: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "".join(f"<entry name='t{n}'/>" for n in range(5)))
    config("delete", f"{vsys}/tag/entry[@name='t1' or @name='t3']")
    assert [entry.get("name") for entry in config("get", f"{vsys}/tag").iter("entry")] == [
        "t0", "t2", "t4",
    ]  # fmt: skip


def test_shared_objects_are_shadowed(config: Ask, vsys: str) -> None:
    address = "<entry name='a'><fqdn>a.b</fqdn></entry>"
    config("set", "/config/shared/address", address)
    config("set", f"{vsys}/rulebase/security/rules", RULE.format(""))
    config("set", f"{vsys}/rulebase/security/rules/entry[@name='r']/source", "<member>a</member>")
    assert config("delete", "/config/shared/address/entry[@name='a']").get("code") == "10"
    config("set", f"{vsys}/address", address)
    assert config("delete", "/config/shared/address/entry[@name='a']").get("code") == "20"
    assert config("delete", f"{vsys}/address/entry[@name='a']").get("code") == "10"


def test_clone_and_its_relatives(config: Ask, vsys: str) -> None:
    rules = f"{vsys}/rulebase/security/rules"
    config("set", rules, RULE.format(""))
    answer = config("clone", rules, source=f"{rules}/entry[@name='r']", newname="s")
    assert answer.get("name") == "s"
    entries = config("get", rules).findall("result/rules/entry")
    assert [entry.get("name") for entry in entries] == ["r", "s"]
    assert entries[0].get("uuid") != entries[1].get("uuid")
    config("set", "/config/shared/address", "<entry name='o'><fqdn>a.b</fqdn></entry>")
    selected = (
        '<selected-list><source xpath="/config/shared/address"><member>o</member></source>'
        "</selected-list>"
    )
    answer = config("multi-clone", f"{vsys}/address", selected)
    assert answer.findtext("member") == "o-1"
    assert config("multi-move", f"{vsys}/address", selected).get("status") == "success"
    assert config("get", "/config/shared/address/entry").get("code") == "7"
    assert config("override", rules, "<entry name='x'/>").get("code") == "13"
    completions = config("complete", f"{rules}/entry[@name='r']/action")
    assert [each.get("value") for each in completions.iter("completion")][:2] == ["allow", "deny"]
    assert config("complete", f"{rules}/nowhere").get("code") == "6"


def test_moves(config: Ask, vsys: str) -> None:
    config("set", f"{vsys}/tag", "<entry name='a'/><entry name='b'/>")
    assert config("move", f"{vsys}/tag/entry[@name='a']", where="bottom").get("code") == "12"
    rules = f"{vsys}/rulebase/security/rules"
    config("set", rules, RULE.format("") + RULE.format("").replace("'r'", "'s'"))
    first = f"{rules}/entry[@name='r']"
    assert lines(config("move", first, where="after")) == ["no target specified in move"]
    assert config("move", first, where="after", dst="x").get("status") == "error"
    assert config("move", first, where="sideways").get("status") == "error"
    assert config("move", f"{rules}/entry[@name='x']", where="top").get("code") == "7"
    assert config("move", first, where="before", dst="s").get("code") == "14"
    assert config("move", first, where="after", dst="s").get("code") == "20"


def test_limits(vsys: str) -> None:
    device = PanosMock(limits={"max-address": 2, "max-zone": 1})
    key = device.key()
    names = "".join(f"<entry name='a{n}'><fqdn>a.b</fqdn></entry>" for n in range(3))
    sent = {"type": "config", "action": "set", "xpath": f"{vsys}/address", "key": key}
    answer = device.handle({**sent, "element": names}).content()
    assert b"Maximum number of addresses exceeded" in answer
    limits = "/config/devices/entry[@name='localhost.localdomain']/platform/limits/max-address"
    answer = device.handle({**sent, "action": "get", "xpath": limits}).content()
    assert b"<max-address>2</max-address>" in answer


def test_an_application_this_content_lacks(vsys: str) -> None:
    device = PanosMock(removed_applications=["modbus-base"])
    sent = {
        "type": "config",
        "action": "set",
        "xpath": f"{vsys}/rulebase/security/rules/entry[@name='r']/application",
        "element": "<member>modbus-base</member>",
        "key": device.key(),
    }
    assert b"'modbus-base' is not a valid reference" in device.handle(sent).content()


def test_places_nobody_writes(config: Ask) -> None:
    for path in (
        "/config/predefined/service",
        "/config/panorama/vsys",
        "/config/devices/entry[@name='other']/vsys",
    ):
        assert config("set", path, "<entry name='x'/>").get("code") == "13"


def test_one_virtual_system(config: Ask) -> None:
    path = "/config/devices/entry[@name='localhost.localdomain']/vsys"
    answer = config("set", f"{path}/entry[@name='vsys9']/tag", "<entry name='t'/>")
    assert any("virtual systems reached" in line for line in lines(answer))
    several = PanosMock(multi_vsys=True)
    sent = {"type": "config", "action": "set", "key": several.key()}
    sent |= {"xpath": f"{path}/entry[@name='vsys2']/tag", "element": "<entry name='t'/>"}
    assert b"command succeeded" in several.handle(sent).content()


def test_an_interface_is_in_one_zone(config: Ask, vsys: str) -> None:
    port = "<entry name='z'><network><layer3><member>{}</member></layer3></network></entry>"
    answer = config("set", f"{vsys}/zone", port.format("ethernet1/1"))
    assert any("'ethernet1/1' is already in use" in line for line in lines(answer))
    assert config("set", f"{vsys}/zone", port.format("ethernet1/5")).get("code") == "20"


HIP = '<entry name="laptops"><match>"x"</match></entry>'


def test_profiles_of_hosts_and_of_floods_are_references(config: Ask, vsys: str) -> None:
    """As the schema has them: dos-profile, dos-log-setting, source-hip, hip-profiles."""
    zone = f"{vsys}/zone/entry[@name='trust']"
    refused = config("set", zone, "<dos-profile>flood</dos-profile>")
    assert refused.get("code") == "12"
    assert "'flood' is not a valid reference" in (refused.findtext("msg/line") or "")
    config("set", f"{vsys}/profiles/dos", '<entry name="flood"><type>aggregate</type></entry>')
    assert config("set", zone, "<dos-profile>flood</dos-profile>").get("status") == "success"
    config("set", f"{vsys}/profiles/hip-profiles", HIP)
    rule = (
        '<entry name="r"><from><member>any</member></from><to><member>any</member></to>'
        "<source><member>any</member></source><destination><member>any</member></destination>"
        "<application><member>any</member></application><service><member>any</member></service>"
        "<source-hip><member>laptops</member></source-hip><action>allow</action></entry>"
    )
    assert config("set", f"{vsys}/rulebase/security/rules", rule).get("status") == "success"
    for place, where in (
        ("profiles/dos/entry[@name='flood']", "dos-profile"),
        ("profiles/hip-profiles/entry[@name='laptops']", "source-hip"),
    ):
        kept = config("delete", f"{vsys}/{place}")
        assert kept.get("code") == "10"
        assert where in etree.tostring(kept).decode()
