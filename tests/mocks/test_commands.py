"""Operational commands, imports, and the less usual edits."""

from __future__ import annotations

import re
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from segctl_mocks import PanosMock

Ask = Callable[..., Any]
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
RULE = (
    "<entry name='{name}'><from><member>trust</member></from><to><member>untrust</member></to>"
    "<source><member>{source}</member></source><destination><member>any</member></destination>"
    "<application><member>any</member></application><service><member>{service}</member></service>"
    "<action>allow</action>{more}</entry>"
)
MATCH = (
    "<test><security-policy-match><from>trust</from><to>untrust</to><source>{source}</source>"
    "<destination>192.0.2.1</destination><destination-port>{port}</destination-port>"
    "<protocol>6</protocol><show-all>yes</show-all></security-policy-match></test>"
)


def rule(name: str, source: str = "any", service: str = "any", more: str = "") -> str:
    return RULE.format(name=name, source=source, service=service, more=more)


@pytest.fixture
def policy(mock: PanosMock) -> PanosMock:
    addresses = (
        "<entry name='net'><ip-netmask>10.0.0.0/8</ip-netmask></entry>"
        "<entry name='span'><ip-range>10.1.0.1-10.1.0.9</ip-range></entry>"
    )
    mock.edit("set", f"{VSYS}/address", addresses)
    group = "<entry name='both'><static><member>net</member></static></entry>"
    mock.edit("set", f"{VSYS}/address-group", group)
    port = "<entry name='modbus'><protocol><tcp><port>502,600-610</port></tcp></protocol></entry>"
    mock.edit("set", f"{VSYS}/service", port)
    ports = "<entry name='ports'><members><member>modbus</member></members></entry>"
    mock.edit("set", f"{VSYS}/service-group", ports)
    mock.edit(
        "set",
        RULES,
        rule("off", more="<disabled>yes</disabled>")
        + rule("group", "both", "ports")
        + rule("range", "span", "modbus")
        + rule("not", "net", "any", "<negate-source>yes</negate-source>")
        + rule("web", "10.1.0.0/16", "service-http"),
        commit=True,
    )
    return mock


@pytest.mark.parametrize(
    ("source", "port", "names"),
    [
        ("10.1.0.5", 502, ["group", "range"]),
        ("10.1.0.5", 605, ["group", "range"]),
        ("10.1.0.5", 80, ["web"]),
        ("10.9.0.5", 502, ["group"]),
        ("192.0.2.9", 502, ["not"]),
        ("10.9.0.5", 22, []),
    ],
)
def test_policy_match(policy: PanosMock, op: Ask, source: str, port: int, names: list[str]) -> None:
    answer = op(MATCH.format(source=source, port=port))
    assert [entry.get("name") for entry in answer.iter("entry")] == names
    assert policy.writes == 0


@pytest.mark.parametrize(
    ("fields", "application", "matches"),
    [
        ({"source": "wild"}, "ssl", True),
        ({"source": "wide"}, "ssl", False),
        ({"application": "modbus"}, "modbus-read-coils", True),
        ({"application": "modbus"}, "ssl", False),
        ({"type": "interzone"}, "ssl", True),
        ({"user": "known-user"}, "ssl", False),
        ({"user": "unknown"}, "ssl", True),
    ],
)
def test_policy_match_of_words(
    mock: PanosMock, op: Ask, fields: dict[str, str], application: str, *, matches: bool
) -> None:
    """Wildcards, applications that stand for others, types of rules and users that are a state."""
    wilds = {"wild": "10.0.0.5/0.1.255.0", "wide": "10.0.0.6/0.1.255.0"}
    for name, value in wilds.items():
        entry = f"<entry name='{name}'><ip-wildcard>{value}</ip-wildcard></entry>"
        mock.edit("set", f"{VSYS}/address", entry)
    more = f"<rule-type>{fields['type']}</rule-type>" if "type" in fields else ""
    if "user" in fields:
        more += f"<source-user><member>{fields['user']}</member></source-user>"
    said = rule("r", fields.get("source", "any"), more=more)
    if "application" in fields:
        said = re.sub(
            "<application>.*</application>",
            f"<application><member>{fields['application']}</member></application>",
            said,
        )
    mock.edit("set", RULES, said, commit=True)
    asked = MATCH.format(source="10.1.0.5", port=443)
    asked = asked.replace(
        "</security-policy-match>",
        f"<application>{application}</application></security-policy-match>",
    )
    answer = op(asked)
    assert ([entry.get("name") for entry in answer.iter("entry")] == ["r"]) is matches


def test_policy_match_wants_an_address(policy: PanosMock, op: Ask) -> None:
    assert op(MATCH.format(source="plc", port=1)).get("status") == "error"
    assert policy.requests[-1].type == "op"


def test_small_reports(mock: PanosMock, op: Ask) -> None:
    mock.edit("set", RULES, rule("r"), commit=True)
    shown = op("<show><interface>all</interface></show>")
    assert len(shown.findall("result/hw/entry")) == 8
    one = op("<show><interface>ethernet1/2</interface></show>")
    assert [each.text for each in one.iterfind("result/hw/entry/name")] == ["ethernet1/2"]
    assert op("<show><session><info/></session></show>").findtext("result/num-active") == "0"
    assert op("<show><routing><route/></routing></show>").find("result/flags") is not None
    running = op("<show><running><security-policy/></running></show>", vsys="vsys1")
    assert running.find("result/entry").get("name") == "r"
    merged = op("<show><config><merged/></config></show>")
    assert merged.find("result/config") is not None
    audit = op("<show><config><audit><version>running</version></audit></config></show>")
    assert audit.find("result/config") is not None
    pushed = op("<show><config><pushed-shared-policy/></config></show>")
    assert pushed.findtext("result") == "No shared policy pushed to device"
    assert op("<show><config><diff/></config></show>").get("status") == "error"
    assert op("<show><object><registered-ip><all/></registered-ip></object></show>").findtext(
        "result/count"
    ) == "0"  # fmt: skip
    summary = "<show><config><list><change-summary/></list></config></show>"
    mock.edit("set", f"{VSYS}/tag", "<entry name='t'/>")
    assert op(summary).findtext("result/summary/vsys/member") == "vsys1"


def test_audit_comments(op: Ask) -> None:
    place = f"<xpath>{RULES}/entry[@name='r']</xpath>"
    show = f"<show><config><list><audit-comments>{place}</audit-comments></list></config></show>"
    assert op(show).find("result/entry") is None
    op(f"<set><audit-comment>{place}<comment>CR 1</comment></audit-comment></set>")
    assert op(show).findtext("result/entry/comment") == "CR 1"


def test_all_keys_end(mock: PanosMock, op: Ask) -> None:
    key = mock.key()
    op("<request><api><key><expiration/></key></api></request>")
    assert mock.handle({"type": "version", "key": key}).status == 403


def test_ha_sync(op: Ask) -> None:
    cmd = (
        "<request><high-availability><sync-to-remote><running-config/></sync-to-remote>"
        "</high-availability></request>"
    )
    assert op(cmd).get("status") == "error"


def test_import_over_https(served: PanosMock) -> None:
    context = ssl.create_default_context(cafile=str(served.ca_file))
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="mine.xml"\r\n'
        b"Content-Type: application/xml\r\n\r\n<config/>\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{served.url}?type=import&category=configuration&key={served.key()}",
        data=body,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    with urllib.request.urlopen(request, context=context) as answer:
        assert b"mine.xml saved" in answer.read()
    assert served.device.saved == {"mine.xml": b"<config/>"}


def test_a_container_is_replaced(mock: PanosMock, config: Ask, commit: Ask) -> None:
    config("set", RULES, rule("a") + rule("b") + rule("c"))
    commit()
    uuids = {each.get("name"): each.get("uuid") for each in config("get", RULES).iter("entry")}
    config("set", f"{VSYS}/tag", "<entry name='bobs'/>", user="bob")
    config("edit", RULES, f"<rules>{rule('c')}{rule('a')}{rule('d')}</rules>")
    commit("<commit><partial><admin><member>admin</member></admin></partial></commit>")
    entries = etree.fromstring(mock.running()).findall(".//security/rules/entry")
    assert [each.get("name") for each in entries] == ["c", "a", "d"]
    assert entries[0].get("uuid") == uuids["c"]
    assert b"bobs" not in mock.running()


def test_a_container_of_used_objects_is_not_emptied(mock: PanosMock, config: Ask) -> None:
    config("set", f"{VSYS}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>")
    config("set", RULES, rule("r", "a"))
    before = mock.config()
    assert config("edit", f"{VSYS}/address", "<address/>").get("code") == "10"
    assert mock.config() == before


def test_the_whole_document(mock: PanosMock, config: Ask, op: Ask) -> None:
    document = mock.config().decode().replace("FQDN", "none")
    assert config("edit", "/config", document).get("code") == "20"
    assert mock.config() == document.encode()
    assert op("<check><full-commit-required/></check>").findtext("result") == "yes"
    assert config("edit", "/config", "<other/>").get("code") == "12"


def test_several_nodes_at_once(config: Ask) -> None:
    config("set", f"{VSYS}/tag", "<entry name='a'/><entry name='b'/><entry name='c'/>")
    for path in (
        f"{VSYS}/tag/entry",
        f"{VSYS}/tag/entry[@name='a' or @name='b' or @name='c']",
        f"{VSYS}/tag/entry[@name='a'] | {VSYS}/tag/entry[@name!='a']",
        f"{VSYS}/tag/*",
    ):
        answer = config("get", path)
        assert answer.find("result").get("count") == "3", path
    names = config("get", f"{VSYS}/tag/entry/@name")
    assert [entry.get("name") for entry in names.iter("entry")] == ["a", "b", "c"]
    rule_path = f"{RULES}/entry"
    config("set", RULES, rule("r"))
    uuid = config("get", rule_path).find("result/entry").get("uuid")
    by_uuid = config("get", f"{RULES}/entry[@uuid='{uuid}']")
    assert by_uuid.find("result/entry").get("name") == "r"


def test_a_commit_lock_is_taken_by_the_first_edit(config: Ask, op: Ask) -> None:
    place = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/setting/management"
    config("set", place, "<auto-acquire-commit-lock>yes</auto-acquire-commit-lock>")
    locks = op("<show><commit-locks><vsys>all</vsys></commit-locks></show>")
    assert locks.find(".//entry").get("name") == "admin"


def test_older_releases_say_it_differently() -> None:
    old = PanosMock(sw_version="8.1.3")
    sent = {"type": "op", "key": old.key(), "vsys": "shared"}
    old.hold_lock("config", "bob")
    add = "<request><config-lock><add/></config-lock></request>"
    assert b"Config for scope shared is currently locked" in old.handle(
        {**sent, "cmd": add}
    ).content()  # fmt: skip
    remove = "<request><commit-lock><remove/></commit-lock></request>"
    assert b"Commit lock is not currently held" in old.handle({**sent, "cmd": remove}).content()
    show = {"type": "op", "key": old.key(), "cmd": "<show><config-locks/></show>"}
    assert b'entry name="bob"' in old.handle(show).content()
    hip = {"type": "config", "action": "set", "key": old.key(), "xpath": RULES}
    new_field = "<entry name='r'><source-hip><member>any</member></source-hip></entry>"
    old.release_lock("config", "bob")
    refused = old.handle({**hip, "element": new_field}).content()
    assert b"r -> source-hip unexpected here" in refused
