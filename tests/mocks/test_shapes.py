"""Answers have the shape of answers recorded from devices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from lxml import etree

from segctl_mocks import PanosMock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Shape: TypeAlias = tuple[str, frozenset[str], frozenset["Shape"]]
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
LOCK = "<request><{0}-lock><{1}/></{0}-lock></request>"
SHOW_LOCKS = "<show><{0}-locks><vsys>all</vsys></{0}-locks></show>"
RULE = (
    "<entry name='Test Rule'><to><member>any</member></to><from><member>any</member></from>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<source-user><member>any</member></source-user><category><member>any</member></category>"
    "<application><member>any</member></application>"
    "<service><member>application-default</member></service>"
    "<hip-profiles><member>any</member></hip-profiles><action>drop</action></entry>"
)


def shape(node: Any, ignored: frozenset[str] = frozenset()) -> Shape:
    """Tags and attribute names, without repetition and order."""
    children = frozenset(shape(kid, ignored) for kid in node if kid.tag not in ignored)
    return str(node.tag), frozenset(str(name) for name in node.attrib), children


def recorded(path: Path) -> Any:
    parser = etree.XMLParser(remove_comments=True, remove_blank_text=True)
    return etree.fromstring(path.read_bytes(), parser)


def same(mine: Any, path: Path, ignored: frozenset[str] = frozenset()) -> None:
    theirs = recorded(path)
    assert mine.get("status") == theirs.get("status")
    assert shape(mine, ignored) == shape(theirs, ignored)


@pytest.fixture
def state(mock: PanosMock) -> PanosMock:
    return mock


LOCKS = [
    ("show none", SHOW_LOCKS.format("config"), "no_config_locks"),
    ("show none", SHOW_LOCKS.format("commit"), "no_commit_locks"),
    ("mine config", SHOW_LOCKS.format("config"), "config_locks"),
    ("mine commit", SHOW_LOCKS.format("commit"), "commit_locks"),
    ("take", LOCK.format("config", "add"), "take_config_lock_ok"),
    ("take", LOCK.format("commit", "add"), "take_commit_lock_ok"),
    ("theirs config", LOCK.format("config", "add"), "take_config_lock_nok"),
    ("theirs commit", LOCK.format("commit", "add"), "take_commit_lock_nok"),
    ("mine config", LOCK.format("config", "remove"), "remove_config_lock_ok"),
    ("mine commit", LOCK.format("commit", "remove"), "remove_commit_lock_ok"),
    ("none", LOCK.format("config", "remove"), "remove_config_lock_nok"),
    ("none", LOCK.format("commit", "remove"), "remove_commit_lock_nok"),
]


@pytest.mark.parametrize(("before", "cmd", "name"), LOCKS, ids=[each[2] for each in LOCKS])
def test_locks(
    mock: PanosMock, op: Callable[..., Any], third_party: Path, before: str, cmd: str, name: str
) -> None:
    who, _, kind = before.partition(" ")
    if kind in {"config", "commit"}:
        mock.hold_lock(kind, "admin" if who == "mine" else "xxx")
    path = third_party / "panorama-11.1.6" / f"{name}.xml"
    mine = op(cmd, vsys="shared")
    same(mine, path)
    if not cmd.startswith("<show>"):
        text = re.sub(r"\badmin\b", "xxx", "".join(mine.itertext()))
        assert text == "".join(recorded(path).itertext())


def test_commit_answers(
    mock: PanosMock, ask: Callable[..., Any], op: Callable[..., Any], third_party: Path
) -> None:
    folder = third_party / "panorama-11.1.6"
    same(ask(kind="commit", cmd="<commit/>"), third_party / "puppet-8.1/transport_spec_14.xml")
    mock.edit("set", f"{VSYS}/tag", "<entry name='t'/>", admin="admin")
    listing = "<show><config><list><changes/></list></config></show>"
    same(op(listing), folder / "pending_changes.xml")
    mock.hold_lock("commit", "xxx")
    same(ask(kind="commit", cmd="<commit/>"), folder / "commit_nok.xml")
    mock.release_lock("commit", "xxx")
    mock.fail("commit_warns", lines=["abc\n"])
    mine = ask(kind="commit", cmd="<commit><description>d</description></commit>")
    same(mine, folder / "commit_ok.xml")
    same(op("<show><jobs><id>2</id></jobs></show>"), folder / "show_jobs_ok.xml")
    same(op("<show><jobs><id>99</id></jobs></show>"), folder / "show_jobs_nok.xml")
    same(op(listing), folder / "no_pending_changes.xml")
    same(op("<show><jobs><all/></jobs></show>"), third_party / "upgrade-assurance/048_get_jobs.xml",
         frozenset({"line"}))  # fmt: skip


def test_revert_and_load(
    mock: PanosMock, op: Callable[..., Any], ask: Callable[..., Any], third_party: Path
) -> None:
    folder = third_party / "panorama-11.1.6"
    mock.edit("set", f"{VSYS}/address", "<entry name='a'><fqdn>a.b</fqdn></entry>", admin="admin")
    op("<save><config><to>conf1.xml</to></config></save>")
    group = "<entry name='g'><static><member>a</member></static></entry>"
    mock.edit("set", f"{VSYS}/address-group", group, admin="bob")
    mine = "<partial><admin><member>admin</member></admin></partial>"
    same(op(f"<revert><config>{mine}</config></revert>"), folder / "revert_nok.xml")
    same(op("<revert><config/></revert>"), folder / "revert_ok.xml")
    place = VSYS.removeprefix("/config/") + "/{}"
    partial = (
        "<load><config><partial><mode>{mode}</mode><from-xpath>{place}</from-xpath>"
        f"<to-xpath>{VSYS}/address</to-xpath><from>conf1.xml</from></partial></config></load>"
    )
    for mode in ("merge", "replace"):
        loaded = op(partial.format(mode=mode, place=place.format("address")))
        same(loaded, folder / "load_partial_config_ok.xml")
        assert b'<entry name="a"><fqdn>' in mock.config()
    same(
        op(partial.format(mode="merge", place=place.format("schedule"))),
        folder / "load_partial_config_ok.xml",
    )
    missing = op(partial.format(mode="merge", place="devices/entry[@name='x']"))
    same(missing, folder / "load_partial_config_nok.xml")
    sent = {"kind": "import", "category": "configuration", "file": "<config/>"}
    same(ask(**sent, **{"file-name": "conf1.xml"}), folder / "import_configuration_ok.xml")
    same(ask(**sent, **{"file-name": "too-long"}), folder / "import_configuration_nok.xml")
    exported = ask(kind="export", category="configuration")
    theirs = recorded(folder / "export_configuration_ok.xml")
    assert (exported.tag, set(exported.attrib)) == (theirs.tag, set(theirs.attrib))


def test_reads(mock: PanosMock, config: Callable[..., Any], third_party: Path) -> None:
    mock.edit("set", f"{VSYS}/address", "<entry name='t'><ip-netmask>1.1.1.1</ip-netmask></entry>")
    mine = config("get", f"{VSYS}/address")
    theirs = recorded(third_party / "api-guide-9.1/config_get_address.xml")
    assert mine.attrib == theirs.attrib
    assert mine[0].attrib == theirs[0].attrib
    assert set(mine[0][0].attrib) == set(theirs[0][0].attrib)
    mock.edit("set", RULES, RULE)
    dirty = config("get", f"{RULES}/entry[@name='Test Rule']")
    same(dirty, third_party / "rapid7-10.x/get_policy2.resp")
    mock.edit("set", f"{VSYS}/tag", "<entry name='x'/>", commit=True)
    missing = config("show", f"{VSYS}/address/entry[@name='zz']")
    same(missing, third_party / "cimpress-6.x/security_rule_not_exist.xml")
    done = config("set", f"{VSYS}/tag", "<entry name='y'/>")
    same(done, third_party / "cimpress-6.x/security_rule_create_success.xml")


def test_refused_category(config: Callable[..., Any], third_party: Path) -> None:
    rule = "<category><member>hacking1</member></category>"
    config("set", RULES, "<entry name='ICON Block Rule'/>")
    mine = config("set", f"{RULES}/entry[@name='ICON Block Rule']", rule)
    path = third_party / "rapid7-10.x/invalid_url_category_parameter.resp"
    same(mine, path)
    assert ["".join(line.itertext()) for line in mine.iter("line")] == [
        "".join(line.itertext()) for line in recorded(path).iter("line")
    ]


def test_system(mock: PanosMock, op: Callable[..., Any], third_party: Path) -> None:
    info = op("<show><system><info></info></system></show>").find("result/system")
    theirs = recorded(third_party / "device-firewall-paloalto/05-system_info.t.xml")
    wanted = [child.tag for child in theirs.iterfind("result/system/*")]
    mine = [child.tag for child in info]
    assert set(wanted) <= set(mine)
    assert [tag for tag in mine if tag in wanted] == wanted
    state = op("<show><high-availability><state/></high-availability></show>")
    same(state, third_party / "demisto/show_ha_state_disabled.xml")
    pair = PanosMock(ha="passive", ha_synchronized=False)
    cmd = "<show><high-availability><state/></high-availability></show>"
    answer = pair.handle({"type": "op", "cmd": cmd, "key": pair.key()}).content()
    recorded_pair = recorded(third_party / "demisto/show_ha_state_enabled.xml")
    for path in ("group/mode", "group/local-info/state", "group/peer-info/state",
                 "group/peer-info/conn-ha1/conn-status", "group/running-sync"):  # fmt: skip
        found = etree.fromstring(answer).findtext(f"result/{path}")
        assert found == recorded_pair.findtext(f"result/{path}")
    unknown = op("<show><redistribution/></show>")
    place = third_party / "upgrade-assurance/059_get_redistribution_status_wrong_panos_version.xml"
    same(unknown, place)
    assert (unknown.findtext("msg/line") or "").strip() == (
        recorded(place).findtext("msg/line") or ""
    ).strip()
    assert mock.settings.release == (11, 1, 6)


def test_hit_counts(mock: PanosMock, op: Callable[..., Any], third_party: Path) -> None:
    mock.edit("set", RULES, RULE, commit=True)
    cmd = (
        "<show><rule-hit-count><vsys><vsys-name><entry name='vsys1'><rule-base>"
        "<entry name='security'><rules><all/></rules></entry></rule-base></entry></vsys-name>"
        "</vsys></rule-hit-count></show>"
    )
    same(op(cmd), third_party / "demisto/get_rule_hitcounts_rule_hits.xml")


def test_keygen_and_version(mock: PanosMock, third_party: Path) -> None:
    sent = {"type": "keygen", "user": "admin", "password": "pw"}
    mine = etree.fromstring(mock.handle(sent).content())
    same(mine, third_party / "rapid7-10.x/key.resp")
    answer = mock.handle({"type": "version", "key": mock.key()}).content()
    same(etree.fromstring(answer), third_party / "api-guide-9.1/version.xml")


def test_platform(config: Callable[..., Any], third_party: Path) -> None:
    theirs = recorded(third_party / "puppet-8.1/platform.xml")
    path = "/config/devices/entry[@name='localhost.localdomain']/platform"
    mine = config("get", path)
    assert dict(mine.attrib) == dict(theirs.attrib)
    known = {limit.tag for limit in theirs.iterfind("result/platform/limits/*")}
    missing_there = {"max-service-group"}
    tags = {limit.tag for limit in mine.iterfind("result/platform/limits/*")}
    assert tags - missing_there <= known
