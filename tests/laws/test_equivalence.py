"""One policy on two platforms decides alike, up to what the one has said it cannot express."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decider
from segctl.compiler.build import compile_site
from segctl.inventory import load
from segctl.model.errors import UnsupportedError
from segctl.model.policy import ANY, ApplicationGroup, DeclaredRule, FirewallZone
from segctl.model.site import Conduit, Endpoint, Flow, PortRange, ProtocolUse
from segctl.planning.apply import apply_device
from segctl.planning.make import plan_device
from segctl.protocols import catalogue, layer4_ports
from segctl.providers.base import Capabilities
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.functions import SHAPES
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.app_id import applications as panos_applications
from segctl.testing import TODAY, packets, sites
from segctl_mocks import PanosMock
from segctl_mocks.linux.mock import LinuxMock
from support.nft_harness import QUIET_CHECKS, fresh, mock_target, pooled, thorough
from support.panos import boot, firewall, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from hypothesis.strategies import DataObject, DrawFn

    from segctl.analysis.decide import Decision
    from segctl.compiler.build import Desired
    from segctl.model.policy import Policy
    from segctl.model.site import Device, Site
    from segctl.providers.base import Provider
    from segctl.transports.target import Target

ROOT = Path(__file__).parents[2]
PLANTS = sorted((ROOT / "inventory").glob("0*.yml"))
NFT, PANOS = NftablesProvider(), PanosProvider()
#: What both know: services of layer 4, with functions of protocols besides (see `_judged`).
COMMON = Capabilities(ipv6=True)
QUIET = settings(
    max_examples=60 if thorough() else 3,
    deadline=None,
    suppress_health_check=QUIET_CHECKS,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two mocks, one of each platform."""

    panos: PanosMock
    linux: LinuxMock


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    ports = [f"e{number}" for number in range(1, 9)]
    with (
        PanosMock("fw1", job_seconds=0.0) as panos,
        LinuxMock("fw", interfaces=ports) as linux,
        pooled(),
    ):
        yield Pair(panos, linux)


@dataclass(frozen=True, slots=True)
class Both:
    """What the two hold, and what of the policy nftables said it does not."""

    panos: Policy
    nft: Policy
    #: rules that nftables refused by name
    refused: frozenset[str]
    #: rules that it said it permits by port, whoever speaks there
    by_port: frozenset[str]
    #: rules whose functions it said are not enforced
    unenforced: frozenset[str]
    rules: Mapping[str, DeclaredRule]


def _applied(wanted: Desired, provider: Provider, target: Target) -> Policy:
    def held() -> Policy:
        with provider.connect(target, read_only=True) as session:
            return provider.parse(session.read()).effective()

    with provider.connect(target, read_only=True) as session:
        live = provider.parse(session.read())
    made = plan_device(wanted, live, provider)
    apply_device(made, provider, target, progress=lambda _: None)
    return held()


def _twin(device: Device) -> Device:
    """Return the same firewall as a Linux gateway."""
    numbers = {name: n for n, name in enumerate(sorted({one.name for one in device.zones}), 1)}
    zones = tuple(replace(one, interfaces=(f"e{numbers[one.name]}",)) for one in device.zones)
    return replace(device, name="fw", platform="nftables", zones=zones, log_forwarding="10")


@dataclass(slots=True)
class _Reported:
    """What nftables says of each rule alone."""

    refused: set[str] = field(default_factory=set[str])
    by_port: set[str] = field(default_factory=set[str])
    unenforced: set[str] = field(default_factory=set[str])


def _reported(wanted: Desired, device: Device) -> _Reported:
    """Ask rule by rule; a refusal names the flow it is about."""
    said = _Reported()
    for rule in wanted.policy.rules:
        try:
            _, notes = NFT.fit(wanted.policy.replace(rules=(rule,)), device)
        except UnsupportedError as error:
            if f"conduit {rule.conduit}, flow {rule.flow}" not in str(error):
                raise
            said.refused.add(rule.name)
            continue
        text = "\n".join(note.message for note in notes)
        named = re.findall(r"^protocol (\S+) is permitted by its ports", text, re.MULTILINE)
        if rule.protocols and {use.protocol for use in rule.protocols} <= set(named):
            said.by_port.add(rule.name)
        if f"flow {rule.flow}: functions" in text and "NOT enforced" in text:
            said.unenforced.add(rule.name)
    return said


def _hold(pair: Pair, wanted: Desired) -> Both:
    device = wanted.device
    twin = _twin(device)
    said = _reported(wanted, twin)
    left = tuple(rule for rule in wanted.policy.rules if rule.name not in said.refused)
    policy = wanted.policy.replace(rules=left)
    bindings = NFT.fit(policy, twin)[0][FirewallZone]
    linux = replace(wanted, device=twin, policy=policy, bindings=bindings)
    ports = enumerate(device.zones, 1)
    boot(
        pair.panos,
        zones={one.name: one.interfaces or (f"ethernet1/{n}",) for n, one in ports},
    )
    fresh(pair.linux)
    return Both(
        panos=_applied(wanted, PANOS, target_of(pair.panos)),
        nft=_applied(linux, NFT, mock_target(pair.linux)),
        refused=frozenset(said.refused),
        by_port=frozenset(said.by_port),
        unenforced=frozenset(said.unenforced),
        rules={rule.name: rule for rule in wanted.policy.rules},
    )


# --- one packet in the words of both -------------------------------------------------------------


def _functions() -> Mapping[str, frozenset[str]]:
    """Return what each application of PAN-OS is called on nftables."""
    found: dict[str, set[str]] = {}
    for protocol, shape in SHAPES.items():
        entry = catalogue().get(protocol)
        session = set(panos_applications(entry, ("session",)).names)
        words = set(shape.classes)
        for word in words:
            for name in panos_applications(entry, (word,)).names:
                # what every class brings is no function of its own: any of them will do
                every = {f"{protocol}.{one}" for one in (*words, "session")}
                found.setdefault(name, set()).update(
                    every if name in session else {f"{protocol}.{word}"}
                )
    return {name: frozenset(words) for name, words in found.items()}


FUNCTIONS = _functions()


def _allowed(decide: Callable[[Packet], Decision], packet: Packet) -> tuple[bool, str]:
    """Return whether nftables permits a packet with an application of PAN-OS, by which rule."""
    last = ""
    for name in sorted(FUNCTIONS.get(packet.application, frozenset({packet.application}))):
        found = decide(replace(packet, application=name))
        if found.action == "allow":
            return True, found.rule
        last = found.rule
    return False, last


def _names(use: ProtocolUse) -> frozenset[str]:
    return frozenset(panos_applications(catalogue().get(use.protocol), use.classes).names)


def _compare(both: Both, tried: Sequence[Packet]) -> tuple[set[str], set[str]]:
    """Return what differs: rules that only PAN-OS permits by, rules that nftables widens."""
    on_panos, on_nft = decider(both.panos), decider(both.nft)
    narrower: set[str] = set()
    wider: set[str] = set()
    for packet in tried:
        first = on_panos(packet)
        second, by = _allowed(on_nft, packet)
        if (first.action == "allow") == second:
            continue
        if second:
            reported = by in both.by_port | both.unenforced
            assert reported, ("nftables permits more and did not say so", packet, by)
            wider.add(by)
        else:
            assert first.rule in both.refused, ("nftables permits less, unsaid", packet, first)
            narrower.add(first.rule)
    return narrower, wider


def _packets(both: Both, seed: int = 0, count: int = 300) -> list[Packet]:
    """Return packets at the borders of both, from ports that are the applications' own."""
    found = packets(both.panos, both.nft, seed=seed, count=count)
    known = set(FUNCTIONS) | {"unknown-tcp"}
    own = {app for rule in both.panos.rules for app in rule.applications} - {ANY}
    own |= {app for group in both.panos[ApplicationGroup] for app in group.members}
    spoken = sorted(known | own)
    result = [replace(one, default_port=True) for one in found]
    result = [one for one in result if one.application in spoken]
    for rule in both.rules.values():
        for use in rule.protocols:
            ports = {(p.protocol, p.first) for p in layer4_ports(catalogue().get(use.protocol))}
            result = [one for one in result if not _off_port(one, use, ports)]
    for name, rule in both.rules.items():
        met = [replace(one, default_port=True) for one in _of_rule(both, name)]
        result += met if name in both.refused else _on_ports(rule, met)
    return result


def _on_ports(rule: DeclaredRule, met: Sequence[Packet]) -> Iterator[Packet]:
    """Yield packets of a rule's hosts on its protocols' ports: its applications, and another."""
    for use in rule.protocols:
        names = sorted(_names(use))
        for port in layer4_ports(catalogue().get(use.protocol)):
            for number, one in enumerate(met[:8]):
                there = replace(one, protocol=port.protocol, port=port.first)
                yield replace(there, application=names[number % len(names)])
                yield replace(there, application="unknown-tcp")


def _off_port(packet: Packet, use: ProtocolUse, ports: Collection[tuple[str, int]]) -> bool:
    """Whether PAN-OS would know by itself that this application is not on its own port."""
    return packet.application in _names(use) and (packet.protocol, packet.port) not in ports


def _of_rule(both: Both, name: str) -> list[Packet]:
    only = both.panos.replace(rules=tuple(r for r in both.panos.rules if r.name == name))
    return packets(only, seed=0, count=0)


# --- generated sites -----------------------------------------------------------------------------


@st.composite
def _judged(draw: DrawFn, device: Device) -> Site:
    """Return a site with functions of the protocols that both can judge, and plain services."""
    site = draw(sites(device, COMMON))
    zones = {zone.key: zone for zone in site.zones}
    conduits: list[Conduit] = []
    for number in range(draw(st.integers(1, 3))):
        source, target = draw(st.permutations(sorted(zones)))[:2]
        protocol = draw(st.sampled_from(sorted(SHAPES)))
        classes = draw(
            st.lists(st.sampled_from(sorted(SHAPES[protocol].classes)), min_size=1, unique=True)
        )
        conduits.append(
            Conduit(
                site="site",
                id=f"j-{number}",
                from_zones=(source,),
                to_zones=(target,),
                reason="r",
                owner="o",
                threat_prevention="none",
                flows=(
                    Flow(
                        id="f",
                        sources=(Endpoint(zone=source, asset="a0"),),
                        destinations=(Endpoint(zone=target, asset="dual"),),
                        protocols=(ProtocolUse(protocol=protocol, classes=tuple(sorted(classes))),),
                        services=tuple(
                            PortRange(protocol="tcp", first=port.first, last=port.last)
                            for port in layer4_ports(catalogue().get(protocol))
                            if port.protocol == "tcp"
                        ),
                    ),
                ),
            )
        )
    plain = tuple(replace(one, threat_prevention="none") for one in site.conduits)
    return replace(site, conduits=(*plain, *conduits))


def test_generated_sites_decide_alike(pair: Pair) -> None:
    device = firewall()

    @QUIET
    @given(st.data())
    def law(data: DataObject) -> None:
        site = data.draw(_judged(device))
        both = _hold(pair, compile_site(site, TODAY)[device.name])
        assert not both.refused
        narrower, wider = _compare(both, _packets(both, data.draw(st.integers(0, 999))))
        assert narrower == set()
        assert wider == both.by_port

    law()


# --- the example plants --------------------------------------------------------------------------


def _plain(site: Site) -> Site:
    """Return a plant without what only PAN-OS has: signatures, users, applications, schedules."""
    return replace(
        site,
        conduits=tuple(
            replace(
                one,
                threat_prevention="none",
                flows=tuple(
                    replace(flow, users=(), schedule="", applications=())
                    for flow in one.flows
                    if flow.services or flow.protocols
                ),
            )
            for one in site.conduits
        ),
    )


@pytest.mark.parametrize("declared", ["as declared", "plain"])
@pytest.mark.parametrize("plant", PLANTS, ids=[path.stem for path in PLANTS])
def test_a_plant_decides_alike(pair: Pair, plant: Path, declared: str) -> None:
    site = load([plant], today=TODAY).site
    compiled = compile_site(site if declared == "as declared" else _plain(site), TODAY)
    permitted = 0
    for wanted in compiled.values():
        if wanted.device.platform != "panos":
            continue
        both = _hold(pair, wanted)
        tried = _packets(both)
        narrower, wider = _compare(both, tried)
        # each difference that was reported is there, and no other
        assert narrower == both.refused
        assert wider == both.by_port | both.unenforced
        on_nft = decider(both.nft)
        permitted += sum(_allowed(on_nft, packet)[0] for packet in tried)
    if declared == "plain":
        assert permitted
