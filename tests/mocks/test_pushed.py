"""A mock firewall to which a Panorama pushed something answers as such firewalls do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl_mocks import ApiError, HostSpec, PanosMock, serve_fleet
from support.pushed import Policy, address, rule, template

if TYPE_CHECKING:
    from pathlib import Path

VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
LOCAL = (
    "<entry name='local'><from><member>any</member></from><to><member>any</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>any</member></application><service><member>any</member></service>"
    "<action>deny</action></entry>"
)
FIRST = "<panorama-server>192.0.2.1</panorama-server>"
SECOND = "<panorama-server-2>192.0.2.2</panorama-server-2>"
PUSHED = "<show><config><pushed-shared-policy>{}</pushed-shared-policy></config></show>"


def op(mock: PanosMock, cmd: str) -> Any:
    sent = {"type": "op", "cmd": cmd, "key": mock.key()}
    return etree.fromstring(mock.handle(sent).content())


def of_system(name: str) -> str:
    return PUSHED.format(f"<vsys>{name}</vsys>")


def shape(node: Any) -> Any:
    inside = frozenset(shape(kid) for kid in node)
    return str(node.tag), frozenset(map(str, node.attrib)), inside


def test_it_serves_a_recorded_answer_as_it_was(third_party: Path) -> None:
    recorded = (third_party / "demisto/get_rule_hitcounts_pushed_policy.xml").read_bytes()
    mock = PanosMock(pushed=[recorded])
    theirs, mine = etree.fromstring(recorded), op(mock, of_system("vsys1"))
    assert shape(mine) == shape(theirs)
    for path in (".//pre-rulebase//rules/entry", ".//post-rulebase//rules/entry"):
        ours, known = (
            [etree.tostring(one, with_tail=False) for one in root.iterfind(path)]
            for root in (mine, theirs)
        )
        assert ours == known != []
    assert shape(op(mock, PUSHED.format(""))) == shape(theirs)


@pytest.mark.parametrize(
    ("sw_version", "place"),
    [("11.1.6", "panorama/local-panorama/panorama-server"), ("9.1.0", "panorama-server")],
)
def test_it_names_its_panorama(sw_version: str, place: str) -> None:
    for mock in (
        PanosMock(sw_version=sw_version, pushed=[Policy().answer()]),
        PanosMock(sw_version=sw_version),
    ):
        mock.push(Policy().answer())
        root = etree.fromstring(mock.running())
        assert len(root.findall(f"devices/entry/deviceconfig/system/{place}")) == 1
    assert b"panorama-server" not in PanosMock(sw_version=sw_version).running()


def test_what_an_export_has_of_panorama_was_pushed() -> None:
    text = PanosMock().running().decode()
    policy = f"<pre-rulebase><security><rules>{rule('r')}</rules></security></pre-rulebase>"
    theirs = f"<panorama><vsys><entry name='vsys1'>{policy}</entry></vsys></panorama></config>"
    mock = PanosMock(config=(text.removesuffix("</config>") + theirs).encode())
    shown = op(mock, of_system("vsys1")).find("result/policy/panorama/pre-rulebase")
    assert [one.get("panorama") for one in shown.iter("entry")] == ["true"]
    assert {one.get("loc") for one in shown.find("security/rules/entry").iter()} == {"OT"}
    got = mock.handle(
        {
            "type": "config",
            "action": "get",
            "xpath": "/config/panorama/vsys/entry[@name='vsys1']/pre-rulebase/security/rules",
            "key": mock.key(),
        }
    )
    root: Any = etree.fromstring(got.content())
    assert root.find("result/rules/entry").get("name") == "r"
    assert b"pre-rulebase" not in mock.running()


def test_rules_that_are_disabled_are_not_pushed() -> None:
    off = rule("off", more="<disabled>yes</disabled>")
    mock = PanosMock(pushed=[Policy(pre=off + rule("on")).answer()])
    names = [one.get("name") for one in op(mock, of_system("vsys1")).iterfind(".//rules/entry")]
    assert names == ["on"]


def test_several_virtual_systems() -> None:
    shared = f"<shared><address>{address('a', '10.0.0.1', 'shared')}</address></shared>".encode()
    mock = PanosMock(multi_vsys=True, pushed=[shared])
    assert op(mock, PUSHED.format("")).find("result/shared/address/entry").get("name") == "a"
    said = op(mock, of_system("vsys1")).findtext("result")
    assert said == "No shared policy pushed to device"
    answer = op(mock, of_system("vsys99"))
    assert (answer.get("code"), answer.findtext("msg/line")) == ("17", "vsys99 is invalid vsys")


def test_rules_are_met_in_their_order_with_their_own_objects() -> None:
    objects = f"<address>{address('plc', '10.2.0.9')}</address>"
    policy = Policy(pre=rule("first", destination="plc"), post=rule("last"), objects=objects)
    mock = PanosMock(pushed=[policy.answer()])
    mock.edit("set", RULES, LOCAL, commit=True)
    asked = "<destination>{}</destination>"
    flow = f"<test><security-policy-match>{asked}</security-policy-match></test>"
    for host, met in (("10.2.0.9", "first"), ("10.2.0.8", "local")):
        assert op(mock, flow.format(host)).find("result/rules/entry").get("name") == met
    shown = op(mock, "<show><running><security-policy/></running></show>")
    assert [one.get("name") for one in shown.find("result")] == ["first", "local", "last"]
    counts = op(
        mock,
        "<show><rule-hit-count><vsys><vsys-name><entry name='vsys1'><rule-base><entry "
        "name='security'><rules><all/></rules></entry></rule-base></entry></vsys-name></vsys>"
        "</rule-hit-count></show>",
    )
    names = [one.get("name") for one in counts.iterfind(".//rules/entry")]
    assert names[:3] == ["first", "local", "last"]


def test_local_rules_may_name_what_was_pushed() -> None:
    objects = f"<address>{address('plc', '10.2.0.9')}</address>"
    named = LOCAL.replace("<destination><member>any", "<destination><member>plc")
    mock = PanosMock()
    with pytest.raises(ApiError):
        mock.edit("set", RULES, named)
    mock.push(Policy(objects=objects).answer(), template(("T", "ae1")))
    mock.edit("set", RULES, named.replace("<to><member>any", "<to><member>T"), commit=True)
    assert b"<member>plc</member>" in mock.running()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<policy", "not XML"),
        ("<response status='success'><result/></response>", "nothing in it"),
        ("<response><result><rules/></result></response>", "it has rules, not the policy"),
    ],
)
def test_what_is_no_such_answer_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PanosMock(pushed=[text.encode()])
    spec = HostSpec(pushed=(text.encode(),))
    with pytest.raises(ValueError, match=f"fw1: .*{why}"), serve_fleet({"fw1": spec}):
        pass


def test_a_linux_host_is_not_managed() -> None:
    spec = HostSpec(platform="nftables", pushed=(Policy().answer(),))
    with (
        pytest.raises(ValueError, match="gw: a Panorama pushes"),
        serve_fleet({"gw": spec}),
    ):
        pass


def test_what_was_pushed_survives_a_restart(tmp_path: Path) -> None:
    pushed = (Policy(pre=rule("r")).answer(), template(("T", "ae1")))
    given = {"fw1": HostSpec(pushed=pushed)}
    commands = (of_system("vsys1"), "<show><config><pushed-template/></config></show>")
    with serve_fleet(given, state=tmp_path) as fleet:
        before = [etree.tostring(op(fleet["fw1"], cmd)) for cmd in commands]
    assert b'name="r"' in before[0]
    assert b'name="T"' in before[1]
    with serve_fleet({"fw1": HostSpec()}, state=tmp_path) as fleet:
        after = [etree.tostring(op(fleet["fw1"], cmd)) for cmd in commands]
    assert after == before
    other = HostSpec(pushed=(Policy(pre=rule("another")).answer(),))
    with serve_fleet({"fw1": other}, state=tmp_path) as fleet:
        assert b'name="another"' in etree.tostring(op(fleet["fw1"], commands[0]))


def test_one_that_was_not_managed_before_may_be_now(tmp_path: Path) -> None:
    for pushed in ((), (Policy().answer(),)):
        with serve_fleet({"fw1": HostSpec(pushed=pushed)}, state=tmp_path) as fleet:
            assert (b"panorama-server" in fleet["fw1"].running()) is bool(pushed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", None),
        (FIRST, "Panorama Server 1 : 192.0.2.1"),
        (
            f"<panorama><local-panorama>{FIRST}{SECOND}</local-panorama></panorama>",
            "Panorama Server 2 : 192.0.2.2",
        ),
    ],
)
def test_it_says_which_panorama_it_has_also_from_a_template(
    settings: str, said: str | None
) -> None:
    mock = PanosMock()
    if settings:
        mock.push(template(settings=settings))
    status = op(mock, "<show><panorama-status></panorama-status></show>").findtext("result")
    assert (status or None) is None if said is None else said in status
    assert b"panorama-server" not in mock.running()


def test_its_own_setting_comes_first() -> None:
    mock = PanosMock(pushed=[Policy().answer()])
    status = op(mock, "<show><panorama-status></panorama-status></show>").findtext("result")
    assert status.splitlines()[0] == "Panorama Server 1 : 192.0.2.250"


def test_its_status_has_the_form_of_a_recorded_one(third_party: Path) -> None:
    recorded = third_party / "upgrade-assurance/008_is_panorama_connected_false.xml"
    theirs = etree.fromstring(recorded.read_bytes()).findtext(".//result") or ""
    mock = PanosMock(pushed=[Policy().answer()])
    mine = op(mock, "<show><panorama-status></panorama-status></show>").findtext("result")

    def words(text: str) -> list[str]:
        return [line.split(":")[0].strip() for line in text.splitlines() if line.strip()]

    assert words(mine) == words(theirs)
