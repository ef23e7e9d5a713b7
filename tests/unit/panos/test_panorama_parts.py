"""Device groups: which firewall is which, who gets a rule, and what a push asks for and tells."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from segctl.model.diff import Change
from segctl.model.errors import ParseError
from segctl.model.policy import Rule
from segctl.model.scope import Scope
from segctl.providers.panos import elements
from segctl.providers.panos.location import Location
from segctl.providers.panos.panorama.delivering import order
from segctl.providers.panos.panorama.members import (
    Firewall,
    from_part,
    matched,
    read,
    receivers,
    to_part,
)
from segctl.providers.panos.panorama.parse import children_of, parents_of
from segctl.providers.panos.panorama.targets import addressed, read_rule
from segctl.providers.panos.small import is_missing
from segctl.transports.target import Managed

ONE = Firewall(serial="1", hostname="fw1", address="192.0.2.1", connected=True, in_sync=True)
TWO = Firewall(serial="2", hostname="fw2", address="192.0.2.2")
NAMES = {"1": "fw1", "2": "fw2", "3/vsys2": "fw3"}
RULE = (
    '<entry name="r"><from><member>A</member></from><to><member>B</member></to>'
    "<action>allow</action>{}</entry>"
)


def rule(target: str = "") -> Rule:
    return read_rule(etree.fromstring(RULE.format(target)), NAMES)


def target(*serials: str, more: str = "<negate>no</negate>") -> str:
    devices = "".join(f'<entry name="{one}"/>' for one in serials)
    return f"<target><devices>{devices}</devices>{more}</target>"


# --- targets -------------------------------------------------------------------------------------


def test_a_rule_without_targets_is_for_all() -> None:
    assert rule().targets == rule(target()).targets == rule("<target/>").targets == ()
    assert not rule(target()).extras


def test_targets_are_firewalls_of_the_inventory_where_it_knows_them() -> None:
    assert rule(target("2", "1")).targets == ("fw1", "fw2")
    assert rule(target("1", "99")).targets == ("99", "fw1")


def test_negated_targets_are_all_the_others() -> None:
    assert rule(target("1", more="<negate>yes</negate>")).targets == ("fw2", "fw3")


def test_targets_that_nobody_can_tell_stay_as_they_are() -> None:
    by_tag = target(more="<tags><member>plant</member></tags>")
    assert any("tags" in extra for extra in rule(by_tag).extras)
    everybody = target("1", "2", more="<negate>yes</negate>").replace(
        "</devices>", '<entry name="3"><vsys><entry name="vsys2"/></vsys></entry></devices>'
    )
    assert rule(everybody).extras, "a rule that no firewall gets is not one that all get"


def test_what_is_written_is_read_back() -> None:
    wanted = Rule(name="r", from_zones=("A",), to_zones=("B",), targets=("fw1", "fw3"))
    members = {name: (place,) for place, name in NAMES.items()}
    change = addressed(Change(op="create", kind="rule", name="r", after=wanted), members)
    assert isinstance(change.after, Rule)
    assert change.after.targets == ("1", "3/vsys2")
    found = read_rule(elements.write(change.after), NAMES)
    assert found.targets == wanted.targets
    assert not found.extras


def test_a_pair_is_one_firewall_only_where_both_its_members_are_named() -> None:
    names = {"1": "fw1", "9": "fw1", "2": "fw2"}

    def read_with(text: str) -> tuple[str, ...]:
        return read_rule(etree.fromstring(RULE.format(text)), names).targets

    assert read_with(target("1", "9")) == ("fw1",)
    assert read_with(target("1")) == ("1",)
    assert read_with(target("2", more="<negate>yes</negate>")) == ("fw1",)
    wanted = Rule(name="r", from_zones=("A",), to_zones=("B",), targets=("fw1",))
    change = Change(op="create", kind="rule", name="r", after=wanted)
    written = addressed(change, {"fw1": ("1", "9"), "fw2": ("2",)}).after
    assert isinstance(written, Rule)
    assert written.targets == ("1", "9")


# --- firewalls -----------------------------------------------------------------------------------


def test_a_firewall_is_found_by_serial_or_else_by_address_or_name() -> None:
    members = [Managed(name="fw1", host="other"), Managed(name="b", host="192.0.2.2")]
    assert matched("p", "OT", members, [ONE, TWO]) == {"fw1": ONE, "b": TWO}
    by_serial = [Managed(name="x", host="y", serial="2")]
    assert matched("p", "OT", by_serial, [ONE, TWO]) == {"x": TWO}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([Managed(name="fw9", host="fw9")], "fw9 is not in device group OT, which has fw1 (1)"),
        ([Managed(name="fw1", host="a", serial="2"), Managed(name="fw2", host="b")], "the same"),
        ([Managed(name="fw1", host="192.0.2.2")], "could be more than one firewall"),
    ],
)
def test_a_firewall_that_is_not_clear_is_refused(members: list[Managed], message: str) -> None:
    with pytest.raises(ParseError) as caught:
        matched("p", "OT", members, [ONE, TWO])
    assert message in str(caught.value)


def test_the_recorded_answer_is_read() -> None:
    """The form is that of an answer recorded on 10.0; the values are made up."""
    text = (
        '<response status="success"><result><devicegroups><entry name="LAB"><devices>'
        '<entry name="11"><serial>11</serial><connected>yes</connected>'
        "<last-commit-all-state-sp>commit succeeded with warnings</last-commit-all-state-sp>"
        "<last-commit-all-upd-sp>2022/03/05 23:45:33</last-commit-all-upd-sp>"
        "<shared-policy-status>In Sync</shared-policy-status><hostname>vm</hostname>"
        "<ip-address>192.0.2.9</ip-address><sw-version>10.0.9</sw-version>"
        "<app-version>8475-7000</app-version><multi-vsys>no</multi-vsys><vsys></vsys></entry>"
        '</devices></entry><entry name="OTHER"><devices><entry name="12"/></devices></entry>'
        "</devicegroups></result></response>"
    )
    (one,) = read(etree.fromstring(text), "LAB")
    assert (one.place, one.hostname, one.address) == ("11", "vm", "192.0.2.9")
    assert one.connected
    assert one.in_sync
    assert not one.never
    assert (one.os_version, one.content_version) == ("10.0.9", "8475-7000")


def test_why_a_firewall_does_not_enforce_the_policy() -> None:
    members = [Managed(name="fw1", host="fw1"), Managed(name="fw2", host="fw2", asked=False)]
    offline, behind = receivers(members, {"fw1": TWO, "fw2": replace(TWO, connected=True)})
    assert (offline.enforces, offline.why) == (False, "it is not connected to Panorama")
    assert behind.why == "nothing was pushed to it yet"
    assert not behind.asked


def test_members_travel_in_a_document() -> None:
    members = (Managed(name="fw1", host="h", serial="1", part="vsys1", asked=False),)
    assert from_part(to_part(members)) == members


# --- groups --------------------------------------------------------------------------------------

TREE = etree.fromstring(
    '<response status="success"><result><dg-hierarchy><dg name="all" dg_id="1">'
    '<dg name="ot" dg_id="2"><dg name="cell" dg_id="3"/></dg></dg><dg name="it" dg_id="4"/>'
    "</dg-hierarchy></result></response>"
)


def test_a_group_inherits_from_the_groups_above_it() -> None:
    assert parents_of("p", TREE, "cell") == ("ot", "all")
    assert parents_of("p", TREE, "it") == ()
    with pytest.raises(ParseError, match="does not list device group unknown; it has all, cell"):
        parents_of("p", TREE, "unknown")
    assert children_of(TREE, "all") == ("ot", "cell")
    assert children_of(TREE, "cell") == ()


def test_scripts_name_their_place() -> None:
    for scope in ("vsys2", "device-group:OT", "device-group-post:OT"):
        place = Location.of(Scope.of(scope))
        assert str(place.scope) == scope
        assert Location.of_script(etree.Element("segctl-push", place.attributes)) == place
    assert "/device-group/entry[@name='OT']/post-rulebase/" in place.all_of("rule")
    assert "/post-rulebase/default-security-rules/" in place.all_of("default-rule")
    with pytest.raises(ValueError, match="has no table"):
        Location.of(Scope(kind="table", name="x"))


# --- pushes --------------------------------------------------------------------------------------


def test_a_push_is_for_named_firewalls_and_carries_nothing_of_others() -> None:
    systems = [replace(ONE, part="vsys1"), replace(ONE, part="vsys2"), TWO]
    text = order(Location(name="OT", rulebase="pre"), systems, description="d", admin="segctl")
    body = etree.fromstring(text).find("shared-policy")
    assert body is not None
    devices = body.findall("device-group/entry[@name='OT']/devices/entry")
    assert [one.get("name") for one in devices] == ["1", "2"]
    assert [one.text for one in devices[0].iterfind("vsys/member")] == ["vsys1", "vsys2"]
    assert [one.text for one in body.iterfind("admin/member")] == ["segctl"]
    assert body.findtext("include-template") == "no"
    assert body.findtext("merge-with-candidate-cfg") == "no"
    assert body.find("validate-only") is None
    checked = order(Location(name="OT", rulebase="pre"), [TWO], description="d", validate_only=True)
    assert etree.fromstring(checked).find("shared-policy/validate-only") is not None


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ('<response status="error"><msg><line>No such node</line></msg></response>', True),
        ('<response code="7" status="error"><msg><line>No such node</line></msg></response>', True),
        ('<response status="success"><result><!-- No such node --></result></response>', False),
        ('<response status="error"><msg><line>Invalid credential</line></msg></response>', False),
    ],
)
def test_only_an_error_says_that_a_place_is_missing(said: str, *, missing: bool) -> None:
    assert is_missing(said.encode()) is missing
