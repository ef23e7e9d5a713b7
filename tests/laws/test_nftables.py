"""What the nftables provider keeps besides the laws of all: counters, others' tables, its words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import decider
from segctl.compiler.build import compile_site
from segctl.model.errors import InventoryError, SegctlError, UnsupportedError
from segctl.model.site import Conduit, Endpoint, Flow
from segctl.planning.freshness import managed
from segctl.providers.nftables import agent
from segctl.testing import TODAY, apply, desired, packets, plan, reach, read, sites
from support.nft import desired as one_conduit
from support.nft import firewall, tcp
from support.nft_harness import (
    OTHERS,
    QUIET_CHECKS,
    MockMachine,
    NftBench,
    NftHarness,
    document,
    thorough,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from segctl.model.site import Site

DEVICE = firewall()


def few(examples: int) -> settings:
    return settings(
        max_examples=examples * 20 if thorough() else examples,
        deadline=None,
        suppress_health_check=QUIET_CHECKS,
    )


@pytest.fixture(params=["nft_mock", "nft_kernel"])
def harness(request: pytest.FixtureRequest) -> NftHarness:
    found: NftHarness = request.getfixturevalue(request.param)
    return found


def counted(bench: NftBench) -> dict[str, int]:
    """Return what each named counter has counted."""
    return {one["name"]: one["packets"] for kind, one in bench.table() if kind == "counter"}


def test_counters_survive_what_keeps_their_rules(harness: NftHarness) -> None:
    @few(2)
    @given(st.data())
    def law(data: DataObject) -> None:
        wanted = desired(DEVICE, harness.provider.capabilities)
        with harness.workbench() as bench:
            reach(harness, bench, data.draw(wanted))
            text = bench.machine.listing("list", "table", "inet", "segctl")
            text = text.replace("packets 0 bytes 0", "packets 7 bytes 420")
            assert bench.machine.script(f"delete table inet segctl\n{text}")
            before = counted(bench)
            made = reach(harness, bench, data.draw(wanted))
            after = counted(bench)
            assume(made.changes)
            for name in {*before} & {*after}:
                assert after[name] == before[name] == 7, name

    law()


def test_nothing_is_cut_or_opened_while_a_transaction_commits(nft_mock: NftHarness) -> None:
    machine = cast("MockMachine", nft_mock.machine)

    @few(4)
    @given(st.data())
    def law(data: DataObject) -> None:
        wanted = desired(DEVICE, nft_mock.provider.capabilities)
        with nft_mock.workbench() as bench:
            reach(nft_mock, bench, data.draw(wanted))
            machine.mock.forget()
            reach(nft_mock, bench, data.draw(wanted))
            listings = machine.mock.effective_json("inet segctl", in_flight=True)
        met = [nft_mock.provider.parse(document(one)).effective() for one in listings]
        old, *between, new = [decider(policy) for policy in (met if len(met) > 1 else met * 2)]
        for packet in packets(*met, seed=data.draw(st.integers(0, 999))):
            either = {old(packet).action, new(packet).action}
            for policy in between:
                assert policy(packet).action in either, packet

    law()


#: Where an apply is cut: at which of its commands, how, and after how many bytes of its input.
CUTS = (
    *((number, kind, 0) for number in range(10) for kind in ("drop_before", "drop_after")),
    *((5, "drop_upload", at) for at in range(0, 3000, 97)),
)


@pytest.mark.parametrize("cut", CUTS if thorough() else CUTS[1::7], ids=str)
def test_a_cut_leaves_old_or_new(nft_mock: NftHarness, cut: tuple[int, str, int]) -> None:
    number, kind, at = cut
    old = one_conduit(Flow(id="f", services=(tcp(22),)))
    new = one_conduit(Flow(id="f", services=(tcp(23),)), Flow(id="g", services=(tcp(80, 90),)))
    machine = cast("MockMachine", nft_mock.machine)
    with nft_mock.workbench() as bench:
        for text in OTHERS:
            assert bench.machine.script(text)
        others = bench.others()
        reach(nft_mock, bench, old)
        made = plan(nft_mock, bench, new)
        before = bench.printed()
        machine.mock.fail(kind, skip=number, at=at)
        try:
            apply(nft_mock, bench, made)
        except SegctlError:
            held = managed(read(nft_mock, bench), made.covers).digest
            assert bench.printed() == before or held == made.desired
        bench.mend()
        assert bench.others() == others
        reach(nft_mock, bench, new)
        assert managed(read(nft_mock, bench), made.covers).digest == made.desired
        assert bench.locks == 0
        assert bench.others() == others


# --- hostile names -------------------------------------------------------------------------------

#: Would be noticed if anything of them ran.
PAYLOADS = (
    "touch /tmp/pwned",
    "nft flush ruleset",
    "flush ruleset",
    "add table inet pwned",
    "reboot",
)
FRAMES = (
    "a\n{}\n",
    "a\r{}",
    "a; {}",
    "a;{};",
    '"; {}; #',
    '" ; }}; {} #',
    "'; {}; '",
    "'\n{}\n'",
    "$({})",
    "`{}`",
    "a?{}",
    "a!{}",
    "a | {}",
    "a && {}",
    "a > /etc/{}",
    "\\\n{}",
    "\x00{}",
    "\x1b[A{}",
    "\x7f{}",
    "é {}",
    "@{}",
    "*",
    "-f",
    "}}",
    "# segctl switch\n{}",
)
PLACES = (
    "zone id",
    "device zone",
    "interface",
    "asset",
    "conduit",
    "flow",
    "reason",
    "owner",
    "ticket",
    "log",
    "application",
    "user",
    "schedule",
)
_QUOTED = re.compile(r"'(?:[^']|'\\'')*'")
_SAFE_WORD = re.compile(r"[0-9A-Za-z ._/-]*")
_NFT = re.compile(
    r"(?:sudo -n )?/usr/sbin/nft (?:-f - \|\| exit \$\?|list table inet segctl"
    r"|-j list set inet segctl lock; (?:sudo -n )?/usr/sbin/nft -j list set inet segctl push)",
)


def _hostile() -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(str.format, st.sampled_from(FRAMES), st.sampled_from(PAYLOADS)),
        st.text(alphabet="\"';$`?!\\\n\r\t{}()|&<>#*@ a", min_size=1, max_size=12),
    )


def _with(site: Site, place: str, text: str) -> Site:
    """Put a hostile text in one place of an inventory, past all that checks files."""
    (device,) = site.devices
    one = site.conduits[0]
    flow = one.flows[0]
    zone = site.zones[0]
    if place == "zone id":
        bad = replace(zone, id=text)
        bindings = tuple(
            replace(b, zone=bad.key) if b.zone == zone.key else b for b in device.zones
        )
        conduits = tuple(_renamed(c, zone.key, bad.key) for c in site.conduits)
        return replace(
            site,
            zones=(bad, *site.zones[1:]),
            devices=(replace(device, zones=bindings),),
            conduits=conduits,
        )
    if place in ("device zone", "interface"):
        first = device.zones[0]
        first = (
            replace(first, name=text)
            if place == "device zone"
            else replace(first, interfaces=(text,))
        )
        return replace(site, devices=(replace(device, zones=(first, *device.zones[1:])),))
    if place == "log":
        return replace(site, devices=(replace(device, log_forwarding=text),))
    if place == "asset":
        source = next(z for z in site.zones if z.key == one.from_zones[0])
        asset = replace(source.assets[0], name=text)
        zones = tuple(
            replace(z, assets=(asset, *z.assets[1:])) if z is source else z for z in site.zones
        )
        flow = replace(flow, sources=(Endpoint(zone=source.key, asset=text),))
        one = replace(one, flows=(flow,))
        return replace(site, zones=zones, conduits=(one,))
    changes: dict[str, Any] = {
        "conduit": {"id": text},
        "reason": {"reason": text},
        "owner": {"owner": text},
        "ticket": {"ticket": text},
    }
    of_flow: dict[str, Any] = {
        "flow": {"id": text},
        "application": {"applications": (text,)},
        "user": {"users": (text,)},
        "schedule": {"schedule": text},
    }
    if place in of_flow:
        one = replace(one, flows=(replace(flow, **of_flow[place]), *one.flows[1:]))
    else:
        one = replace(one, **changes[place])
    return replace(site, conduits=(one, *site.conduits[1:]))


def _renamed(conduit: Conduit, old: str, new: str) -> Conduit:
    def key(zone: str) -> str:
        return new if zone == old else zone

    return replace(
        conduit,
        from_zones=tuple(map(key, conduit.from_zones)),
        to_zones=tuple(map(key, conduit.to_zones)),
        flows=tuple(
            replace(
                flow,
                sources=tuple(replace(one, zone=key(one.zone)) for one in flow.sources),
                destinations=tuple(replace(one, zone=key(one.zone)) for one in flow.destinations),
            )
            for flow in conduit.flows
        ),
    )


def _expected(command: str) -> bool:
    """Whether a command is one of segctl's own, with words that mean nothing to a shell."""
    if _NFT.fullmatch(command):
        return True
    programs = (
        agent.reader("").split(" 'segctl-reader'")[0],
        agent.command("", "", "").split(" '' ''")[0],
    )
    for program in programs:
        if command.startswith(program):
            rest = command.removeprefix(program)
            words = _QUOTED.findall(rest)
            return " ".join(words) == rest.strip() and all(
                _SAFE_WORD.fullmatch(word[1:-1]) for word in words
            )
    return False


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_name_runs_nothing(nft_mock: NftHarness, place: str) -> None:
    machine = cast("MockMachine", nft_mock.machine)
    with nft_mock.workbench() as bench:
        assert bench.machine.script(OTHERS[2])
        others = bench.others()

        @few(4)
        @given(st.data())
        def law(data: DataObject) -> None:
            drawn = sites(DEVICE, nft_mock.provider.capabilities)
            site = data.draw(drawn.filter(lambda found: bool(found.conduits)))
            text = data.draw(_hostile(), place)
            try:
                wanted = compile_site(_with(site, place, text), TODAY)[DEVICE.name]
                apply(nft_mock, bench, plan(nft_mock, bench, wanted))
            except (InventoryError, UnsupportedError):
                pass
            for request in machine.mock.requests:
                assert _expected(request.command), request.command[-300:]
                for line in request.stdin.decode().splitlines():
                    assert re.match(
                        r"(add|create|delete|flush) [a-z]+ inet segctl\b"
                        r"|# segctl (fence|prepare|switch|clean)$",
                        line,
                    ), line
            assert bench.others() == others
            assert machine.mock.edit("test -e /tmp/pwned").status
            tables = json.loads(machine.listing("-j", "list", "tables"))["nftables"]
            found = {one["table"]["name"] for one in tables if "table" in one}
            assert found <= {"other", "segctl"}
            machine.mock.forget()

        law()
