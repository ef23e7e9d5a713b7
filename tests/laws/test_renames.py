"""What is renamed in the inventory keeps what the device remembers of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.compiler.build import compile_site
from segctl.model.errors import ForeignChangesError, StalePlanError
from segctl.model.policy import Address
from segctl.model.site import Asset, Conduit, Endpoint, Position, Site
from segctl.planning.apply import apply_device
from segctl.providers.panos.session import PanosSession
from segctl.providers.state import Run
from segctl.testing import TODAY, apply, plan, reach, read
from support.nft import firewall as nft_firewall
from support.panos import RULES, firewall, other_rule
from support.plants import NETWORKS, flow, zone
from support.runs import killed, settled, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.compiler.build import Desired
    from segctl.model.site import Device, Flow, Zone
    from segctl.planning.plan import DevicePlan
    from support.nft_harness import NftBench, NftHarness
    from support.panos import PanosBench, PanosHarness

POLL = flow("poll", ports=(502,), from_asset="a0")
WEB = flow("web", ports=(443,))


@pytest.fixture
def bench(panos: PanosHarness) -> Iterator[PanosBench]:
    with panos.workbench() as made:
        yield made


def plant(
    *flows: Flow,
    device: Device | None = None,
    conduit: str = "c1",
    was: tuple[str, ...] = (),
    ctrl: str = "ctrl",
    ctrl_was: tuple[str, ...] = (),
    asset: str = "a0",
    asset_was: tuple[str, ...] = (),
) -> Desired:
    """Compile a plant whose conduit, zone ctrl and the asset of it go by these names."""
    key = f"site/{ctrl}"
    (held,) = zone("site/ctrl", *NETWORKS["site/ctrl"]).assets
    made = Asset(name=asset, addresses=held.addresses, renamed_from=asset_was)
    zones: list[Zone] = [
        zone(key, *NETWORKS["site/ctrl"], renamed_from=ctrl_was, assets=(made,)),
        *(zone(name, *NETWORKS[name]) for name in ("site/supv", "site/dmz")),
    ]
    end = {"site/ctrl": key}
    device = device or firewall()
    device = replace(
        device,
        zones=tuple(replace(one, zone=end.get(one.zone, one.zone)) for one in device.zones),
    )
    ends = tuple(
        replace(one, sources=tuple(Endpoint(zone=key, asset=asset) for _ in one.sources))
        for one in flows
    )
    declared = Conduit(
        site="site",
        id=conduit,
        from_zones=(key,),
        to_zones=("site/dmz",),
        reason="for tests",
        owner="process-automation",
        flows=ends,
        renamed_from=was,
    )
    site = Site(zones=tuple(zones), conduits=(declared,), devices=(device,))
    return compile_site(site, TODAY)[device.name]


NAMES = ("conduit", "chain", "flow", "zone", "asset", "all")


def renamed(what: str, device: Device | None = None) -> tuple[Desired, str]:
    """Return the plant after something was renamed, and how the rule of POLL is called then."""
    read_ = replace(POLL, id="read", renamed_from=("poll",))
    match what:
        case "conduit":
            return plant(POLL, WEB, device=device, conduit="polls", was=("c1",)), "polls.poll"
        case "chain":
            was = ("never", "c1")
            return plant(POLL, WEB, device=device, conduit="polls", was=was), "polls.poll"
        case "flow":
            return plant(read_, WEB, device=device), "c1.read"
        case "zone":
            return plant(POLL, WEB, device=device, ctrl="cell", ctrl_was=("ctrl",)), "c1.poll"
        case "asset":
            return plant(POLL, WEB, device=device, asset="plc1", asset_was=("a0",)), "c1.poll"
        case _:
            every = plant(
                read_,
                WEB,
                device=device,
                conduit="polls",
                was=("c1",),
                ctrl="cell",
                ctrl_was=("ctrl",),
                asset="plc1",
                asset_was=("a0",),
            )
            return every, "polls.read"


def ops(made: DevicePlan) -> set[tuple[str, str]]:
    return {(change.op, change.kind) for change in made.changes}


def uuids(bench: PanosBench) -> dict[str, str]:
    text = bench.mock.running().decode()
    return dict(re.findall(r'<entry name="([^"]+)" uuid="([^"]+)"', text))


def hits(bench: PanosBench, rule: str) -> int:
    device = bench.mock.device
    return device.hits[uuids(bench)[rule]]


@pytest.mark.parametrize("what", NAMES)
def test_panos_keeps_uuid_and_hit_count(what: str, panos: PanosHarness, bench: PanosBench) -> None:
    wanted, name = renamed(what)
    reach(panos, bench, plant(POLL, WEB))
    before = uuids(bench)
    bench.mock.set_hits("c1.poll", 77)
    made = reach(panos, bench, wanted)
    assert ("rename", "rule" if what in {"conduit", "chain", "flow", "all"} else "address") in ops(
        made
    )
    assert not {("create", "rule"), ("delete", "rule"), ("create", "address")} & ops(made)
    assert set(uuids(bench).values()) == set(before.values())
    assert uuids(bench)[name] == before["c1.poll"]
    assert hits(bench, name) == 77
    assert plan(panos, bench, wanted).changes == ()  # left in place it means nothing


def test_only_the_names_of_objects_change_with_a_zone(
    panos: PanosHarness, bench: PanosBench
) -> None:
    reach(panos, bench, plant(POLL, WEB))
    made = reach(panos, bench, renamed("zone")[0])
    assert {op for op, _ in ops(made)} == {"rename"}
    held = read(panos, bench)
    assert {one.name for one in held.policy[Address]} >= {"cell.a0", "cell.net.10.1.0.0-24"}
    assert [rule.sources for rule in held.policy.rules if rule.name == "c1.web"] == [("cell",)]


@pytest.mark.parametrize("what", NAMES)
def test_a_rename_is_taken_back(what: str, panos: PanosHarness, bench: PanosBench) -> None:
    reach(panos, bench, plant(POLL, WEB))
    before, printed = uuids(bench), bench.printed()
    made = plan(panos, bench, renamed(what)[0])
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id="first"))
        session.read()
        with session.lock():
            session.read()
            session.push(made.script)
            assert bench.printed() != printed
            session.revert()
    assert bench.printed() == printed
    assert uuids(bench) == before


@pytest.mark.parametrize("what", ["zone", "all"])
def test_the_next_run_takes_back_what_a_dead_one_renamed(
    what: str, panos: PanosHarness, bench: PanosBench
) -> None:
    reach(panos, bench, plant(POLL, WEB))
    before, printed = uuids(bench), bench.printed()
    killed(panos, bench, plan(panos, bench, renamed(what)[0]), "judging", Run(plan_id="first"))
    assert bench.printed() != printed
    settled(panos, bench, "revert")
    assert bench.printed() == printed
    assert uuids(bench) == before


def test_what_others_use_keeps_its_name(panos: PanosHarness, bench: PanosBench) -> None:
    reach(panos, bench, plant(POLL, WEB))
    body = "<source><member>ctrl.a0</member></source>"
    theirs = other_rule("theirs", body)
    bench.mock.edit("set", RULES, theirs, commit=True)
    before = bench.others()
    made = reach(panos, bench, renamed("asset")[0])
    assert bench.others() == before
    (note,) = [one for one in made.findings if "is not renamed" in one.message]
    assert "'ctrl.a0' is not renamed to 'ctrl.plc1'" in note.message
    assert "theirs" in note.message
    assert ("create", "address") in ops(made)
    names = {one.name for one in read(panos, bench).policy[Address]}
    assert {"ctrl.a0", "ctrl.plc1"} <= names


def test_a_rename_rests_on_nobody_else_using_the_object(
    panos: PanosHarness, bench: PanosBench
) -> None:
    first = replace(firewall(), position=Position(where="first"))
    bench.mock.edit("set", RULES, other_rule("below"), commit=True)
    reach(panos, bench, plant(POLL, WEB, device=first))
    made = plan(panos, bench, renamed("asset", first)[0])
    theirs = other_rule("theirs", "<source><member>ctrl.a0</member></source>")
    bench.mock.edit("set", RULES, theirs, commit=True)
    with pytest.raises(StalePlanError, match=r"ctrl\.a0"):
        apply(panos, bench, made)


def test_a_zone_of_the_device_is_never_renamed(panos: PanosHarness, bench: PanosBench) -> None:
    reach(panos, bench, plant(POLL))
    device = firewall()
    zones = tuple(
        replace(one, name="cell") if one.zone == "site/ctrl" else one for one in device.zones
    )
    device = replace(device, zones=zones)
    made = plan(panos, bench, plant(POLL, device=device, ctrl="cell", ctrl_was=("OT-CTRL",)))
    assert not made.applyable
    (refusal,) = made.barring()
    assert "zone cell is called OT-CTRL on the device" in refusal.message
    assert "{zone: OT-CTRL}" in refusal.hint


@pytest.fixture(params=["nft_mock", "nft_kernel"])
def nft(request: pytest.FixtureRequest) -> NftHarness:
    found: NftHarness = request.getfixturevalue(request.param)
    return found


def counted(bench: NftBench) -> dict[str, int]:
    """Return what each named counter has counted."""
    return {one["name"]: one["packets"] for kind, one in bench.table() if kind == "counter"}


@pytest.mark.parametrize("what", NAMES)
def test_nftables_carries_the_counter(what: str, nft: NftHarness) -> None:
    wanted, name = renamed(what, nft_firewall())
    with nft.workbench() as bench:
        reach(nft, bench, plant(POLL, WEB, device=nft_firewall()))
        text = bench.machine.listing("list", "table", "inet", "segctl")
        text = text.replace("packets 0 bytes 0", "packets 7 bytes 420")
        assert bench.machine.script(f"delete table inet segctl\n{text}")
        made = reach(nft, bench, wanted)
        assert not {("create", "rule"), ("delete", "rule")} & ops(made)
        assert (("rename", "rule") in ops(made)) == (what not in {"zone", "asset"})
        found = counted(bench)
        assert found[f"rule_{name}"] == 7
        assert ("rule_c1.poll" in found) == (name == "c1.poll")
        assert plan(nft, bench, wanted).changes == ()


def by_our_account(
    panos: PanosHarness, bench: PanosBench, what: str, xpath: str, element: str
) -> str:
    """Rename something while somebody edits with our account; return what is said of that."""
    made = plan(panos, bench, renamed(what)[0])

    def meddle(step: str) -> None:
        if step == "validating":
            bench.mock.edit("set", xpath, element, admin="admin")

    before = bench.printed()
    with pytest.raises(ForeignChangesError) as told:
        apply_device(made, panos.provider, bench.target, progress=meddle)
    assert bench.printed() == before
    assert bench.locks == 0
    assert apply(panos, bench, made).status == "applied"
    return told.value.message


@pytest.mark.parametrize("what", ["zone", "asset"])
def test_a_rename_lets_no_change_pass_that_somebody_makes_with_our_account(
    what: str, panos: PanosHarness, bench: PanosBench
) -> None:
    """Neither in an entry that the rename does not touch, nor in one that it changes by itself."""
    reach(panos, bench, plant(POLL, WEB))
    bench.mock.edit("set", RULES, other_rule("o-rule"), commit=True)
    for name in ("o-rule", "c1.poll"):
        entry = f"{RULES}/entry[@name='{name}']"
        told = by_our_account(panos, bench, what, entry, "<disabled>yes</disabled>")
        assert "with the account 'admin' meanwhile" in told
        assert name in told
        reach(panos, bench, plant(POLL, WEB))
