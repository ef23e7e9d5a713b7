"""An object of ours that others name anywhere in the configuration stays, and an apply succeeds."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import ForeignChangesError, StalePlanError
from segctl.model.site import Schedule
from segctl.planning.freshness import managed
from segctl.testing import apply, plan, reach, read
from segctl_mocks import ApiError, PanosMock
from support.panos import DEVICE, RULES, VSYS, PanosBench, PanosHarness, other_rule
from support.plants import flow, plant
from support.references import KINDS, Spot, spots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject

    from segctl.providers.base import Live

WEB = flow("web", ports=(443,), to_asset="a0", from_asset="a0", schedule="nights")
BOTH = flow("both", ports=(8443,))
TELECONTROL = flow("telecontrol", uses=(("iec-60870-5-104", ("read", "control")),))
EVERY_KIND = plant(
    WEB, BOTH, TELECONTROL, schedules=(Schedule(name="nights", daily=("20:00-23:00",)),)
)
NOTHING = plant()
ADDRESS = "dmz.a0"
#: Of one read: with the key that is made anew for every session.
MOST_REQUESTS = 15
#: Our tag on these makes them ours.
MARKED = {"address", "address-group", "service", "rulebase/security/rules"}
THEIRS = (
    '<address><entry name="o-host"><ip-netmask>10.1.0.99</ip-netmask></entry></address>'
    '<service><entry name="o-port"><protocol><tcp><port>8</port></tcp></protocol></entry></service>'
)
GROUP = (
    "<address-group><entry name='o-g'><static><member>{0}</member></static></entry></address-group>"
)
SPOTS = list(spots())


def kinds(spot: Spot) -> list[str]:
    """Return the kinds of ours that a foreign entry can name there without becoming ours."""
    marked = any(str(spot).startswith(f"{each}/entry") for each in MARKED)
    return [kind for kind in spot.kinds if kind != "tag" or not marked]


#: Each place with one kind it takes; the property below draws the others as well.
PLACES = [
    (spot, kinds(spot)[number % len(kinds(spot))])
    for number, spot in enumerate(SPOTS)
    if kinds(spot)
]


@pytest.fixture(scope="module")
def provisioned() -> bytes:
    """The configuration of a firewall that has every kind of ours, made once."""
    with PanosMock("fw1", job_seconds=0.0) as mock:
        panos = PanosHarness(mock)
        with panos.workbench() as made:
            made.mock.edit("set", VSYS, THEIRS, commit=True)
            reach(panos, made, EVERY_KIND)
            return mock.running()


@pytest.fixture
def bench(panos: PanosHarness, provisioned: bytes) -> Iterator[PanosBench]:
    panos.config = provisioned
    with panos.workbench() as made:
        yield made


def held(live: Live) -> dict[str, list[str]]:
    """Return the names of our objects, by kind."""
    found = managed(live, {}).objects()
    return {kind: [item.name for item in items] for kind, items in found}


def refer(bench: PanosBench, spot: Spot, name: str) -> None:
    """Let another administrator name an object, and commit."""
    bench.mock.edit("set", spot.container, spot.element(name), commit=True)


def stays(panos: PanosHarness, bench: PanosBench, names: dict[str, str]) -> None:
    """Drop everything; what is in `names` (name: kind) stays and is reported, the rest goes."""
    made = plan(panos, bench, NOTHING)
    assert apply(panos, bench, made).status == "applied"
    live = read(panos, bench)
    left = held(live)
    for name, kind in names.items():
        assert name in left[kind]
        assert any(
            finding.subject == name and "so it stays" in finding.message and "->" in finding.message
            for finding in made.findings
        )
    assert not managed(live, {}).rules
    assert not plan(panos, bench, NOTHING).changes


@pytest.mark.parametrize(("spot", "kind"), PLACES, ids=str)
def test_what_others_name_stays(
    spot: Spot, kind: str, panos: PanosHarness, bench: PanosBench
) -> None:
    before = held(read(panos, bench))
    name = before[kind][0]
    refer(bench, spot, name)
    with pytest.raises(ApiError, match=re.escape(spot.arrows)):
        remove(bench, kind, name)
    bench.mock.device.committer.revert(["other"])
    stays(panos, bench, {name: kind})
    assert not set(before["service"]) - {name} & set(held(read(panos, bench))["service"])


def remove(bench: PanosBench, kind: str, name: str) -> None:
    """Let another administrator delete an object of ours, after our rules."""
    for rule in bench.rules():
        if rule.startswith("c1."):
            bench.mock.edit("delete", f"{RULES}/entry[@name='{rule}']")
    bench.mock.edit("delete", f"{VSYS}/{kind}/entry[@name='{name}']")


def test_every_kind_has_places() -> None:
    assert {kind for _, kind in PLACES} == set(KINDS)
    sections = {spot.path[1] for spot in SPOTS if spot.path[0] == "rulebase"}
    assert {"nat", "pbf", "qos", "dos", "decryption", "authentication", "tunnel-inspect"} < sections
    assert {spot.path[:2] for spot in SPOTS} > {("network", "ike"), ("network", "virtual-router")}


@given(data=st.data())
def test_any_references_anywhere(data: DataObject, panos: PanosHarness) -> None:
    with panos.workbench() as bench:
        bench.mock.edit("set", VSYS, THEIRS, commit=True)
        reach(panos, bench, EVERY_KIND)
        before = held(read(panos, bench))
        named: dict[str, str] = {}
        drawn = st.lists(  # of siblings one: some exclude each other
            st.sampled_from(SPOTS).filter(kinds),
            min_size=1,
            max_size=6,
            unique_by=lambda spot: spot.path[:-1],
        )
        for spot in data.draw(drawn, "places"):
            kind = data.draw(st.sampled_from(kinds(spot)), "kind")
            name = data.draw(st.sampled_from(before[kind]), "name")
            refer(bench, spot, name)
            named[name] = kind
        stays(panos, bench, named)


# --- what is no reference ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "element"),
    [
        (
            VSYS,
            (
                "<address><entry name='o-x'><fqdn>a.example</fqdn>"
                "<description>{}</description></entry></address>"
            ),
        ),
        (VSYS, "<zone><entry name='{}'/></zone>"),
        (
            VSYS,
            (
                "<rulebase><nat><rules><entry name='{}'><to><member>OT-DMZ</member></to></entry>"
                "</rules></nat></rulebase>"
            ),
        ),
        (VSYS, "<tag><entry name='{}'/></tag>"),
        (
            f"{DEVICE}/network/interface",
            "<ethernet><entry name='ethernet1/1'><comment>{}</comment></entry></ethernet>",
        ),
        (
            "/config/shared",
            "<address><entry name='{0}'><fqdn>a.example</fqdn></entry></address>" + GROUP,
        ),
    ],
)
def test_what_only_reads_alike_is_no_reference(
    place: str, element: str, panos: PanosHarness, bench: PanosBench
) -> None:
    bench.mock.edit("set", place, element.format(ADDRESS), commit=True)
    made = reach(panos, bench, NOTHING)
    assert not any("so it stays" in finding.message for finding in made.findings)
    assert ADDRESS not in held(read(panos, bench))["address"]


def test_a_zone_may_be_called_like_an_address_group(panos: PanosHarness, bench: PanosBench) -> None:
    bench.mock.edit("set", f"{VSYS}/zone", "<entry name='ctrl'/>", commit=True)
    body = "<from><member>ctrl</member></from>"
    bench.mock.edit("set", RULES, other_rule("o-zone", body), commit=True)
    bench.mock.edit(
        "set",
        f"{VSYS}/rulebase/dos/rules",
        "<entry name='o-dos'><from><zone><member>ctrl</member></zone></from></entry>",
        commit=True,
    )
    assert "ctrl" in held(read(panos, bench))["address-group"]
    reach(panos, bench, NOTHING)
    assert "ctrl" not in held(read(panos, bench))["address-group"]


# --- other systems, and what is not committed ----------------------------------------------------


SECOND = f"{DEVICE}/vsys/entry[@name='vsys2']"


def test_another_system_names_its_own(panos: PanosHarness) -> None:
    """Two systems with segctl's objects of one name do not hold each other's for good."""
    own = "<address><entry name='{0}'><fqdn>a.example</fqdn></entry></address>"
    expression = "<entry name='o-d'><dynamic><filter>'x' and 'segctl'</filter></dynamic></entry>"
    with PanosMock("fw1", job_seconds=0.0, multi_vsys=True) as mock:
        harness = replace(panos, mock=mock, parts={})
        with harness.workbench() as bench:
            reach(harness, bench, EVERY_KIND)
            mock.edit("set", SECOND, (own + GROUP).format(ADDRESS), commit=True)
            assert not read(harness, bench).referenced
            mock.edit("set", f"{SECOND}/address-group", expression, commit=True)
            assert list(read(harness, bench).referenced) == ["segctl"]
            stays(harness, bench, {"segctl": "tag"})


def test_a_match_expression_names_tags(panos: PanosHarness, bench: PanosBench) -> None:
    element = "<entry name='o-d'><dynamic><filter>'x' and 'segctl'</filter></dynamic></entry>"
    bench.mock.edit("set", f"{VSYS}/address-group", element, commit=True)
    stays(panos, bench, {"segctl": "tag"})


def test_a_change_that_is_not_committed_counts(panos: PanosHarness, bench: PanosBench) -> None:
    """A delete is judged against the candidate."""
    spot = next(spot for spot in SPOTS if spot.path[:3] == ("network", "ike", "gateway"))
    bench.mock.edit("set", spot.container, spot.element(ADDRESS))
    stays(panos, bench, {ADDRESS: "address"})
    assert bench.mock.device.journal.changes


def test_one_in_our_own_system_that_is_not_committed_is_refused(
    panos: PanosHarness, bench: PanosBench
) -> None:
    spot = next(spot for spot in SPOTS if spot.path[:3] == ("rulebase", "nat", "rules"))
    bench.mock.edit("set", spot.container, spot.element(ADDRESS))
    made = plan(panos, bench, NOTHING)
    with pytest.raises(ForeignChangesError, match=r"uncommitted changes in vsys1 \(/config/"):
        apply(panos, bench, made)


def test_a_reference_made_after_planning_makes_the_plan_stale(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, NOTHING)
    spot = next(spot for spot in SPOTS if spot.path[:3] == ("rulebase", "nat", "rules"))
    refer(bench, spot, ADDRESS)
    before = bench.printed()
    with pytest.raises(StalePlanError, match=f"others now use {ADDRESS}"):
        apply(panos, bench, made)
    assert bench.printed() == before
    stays(panos, bench, {ADDRESS: "address"})
    bench.mock.edit("delete", f"{VSYS}/rulebase/nat/rules/entry[@name='o-ref']", commit=True)
    reach(panos, bench, NOTHING)
    assert ADDRESS not in held(read(panos, bench))["address"]


def test_reading_takes_a_constant_number_of_requests(
    panos: PanosHarness, bench: PanosBench
) -> None:
    def requests() -> int:
        before = len(bench.mock.requests)
        read(panos, bench)
        return len(bench.mock.requests) - before

    few = requests()
    for number in range(30):
        bench.mock.edit("set", RULES, other_rule(f"o-{number}"))
    bench.publish()
    assert requests() == few <= MOST_REQUESTS


def test_each_list_in_use_takes_one_more_request(panos: PanosHarness, bench: PanosBench) -> None:
    """And all groups by tags, and all names that are looked up, one each."""

    def requests() -> int:
        before = len(bench.mock.requests)
        read(panos, bench)
        return len(bench.mock.requests) - before

    few = requests()
    lists = "".join(
        f"<entry name='o-l{number}'><type><ip><url>x</url></ip></type></entry>"
        for number in range(5)
    )
    tagged = "<address-group>{}</address-group>".format(
        "".join(
            f"<entry name='o-d{number}'><dynamic><filter>x</filter></dynamic></entry>"
            for number in range(5)
        )
    )
    bench.mock.edit("set", VSYS, f"<external-list>{lists}</external-list>{tagged}")
    bench.publish()
    assert requests() == few, "nothing is asked that no rule names"
    for number, more in ((0, 2), (1, 3), (4, 4)):  # the groups once, and each list
        body = f"<source><member>o-l{number}</member><member>o-d{number}</member></source>"
        bench.mock.edit("set", RULES, other_rule(f"o-{number}", body))
        bench.publish()
        assert requests() == few + more
