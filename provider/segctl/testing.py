"""The laws that every provider keeps, for the tests of ours and of third parties'.

A provider's tests make a `ProviderHarness` and call `check_provider` with it, or run each of
`LAWS` as a test of its own. The strategies make inventories (`sites`), what they compile to
(`desired`) and packets that try the borders of policies (`packets`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from random import Random
from typing import TYPE_CHECKING, Protocol

from segctl.analysis.decide import Packet, decider
from segctl.compiler.build import compile_site, with_closing
from segctl.model.diff import diff, in_place, longest_increasing
from segctl.model.errors import SegctlError
from segctl.model.policy import ANY, resolver
from segctl.model.site import (
    Asset,
    Conduit,
    Endpoint,
    Flow,
    PortRange,
    Position,
    ProtocolUse,
    Site,
    Zone,
)
from segctl.planning.apply import Order, apply_device
from segctl.planning.plan import managed, plan_device

try:
    from hypothesis import HealthCheck, assume, given, settings
    from hypothesis import strategies as st
except ImportError as error:  # pragma: no cover - the tests have it
    message = "segctl.testing needs Hypothesis: pip install hypothesis"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Literal

    from hypothesis.strategies import DataObject, DrawFn, SearchStrategy

    from segctl.compiler.build import Desired
    from segctl.model.policy import Policy, Rule
    from segctl.model.site import Device, Host, Network
    from segctl.planning.apply import Outcome
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Capabilities, Live, Provider
    from segctl.transports.target import Target

#: The day on which the strategies' inventories are compiled.
TODAY = date(2026, 1, 1)
#: Protocols with functions that every platform with application names must tell apart.
_USES = (
    ProtocolUse(protocol="modbus", classes=("read",)),
    ProtocolUse(protocol="modbus", classes=("read", "write")),
    ProtocolUse(protocol="iec-60870-5-104", classes=("read",)),
)


#: A law's example talks to a device: slow, and large in what it draws.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


# --- what a provider's tests bring ---------------------------------------------------------------


class Workbench(Protocol):
    """One device to try on, fresh: its zones exist, nothing in it is segctl's."""

    @property
    def target(self) -> Target:
        """Where it is."""
        ...

    @property
    def locks(self) -> int:
        """How many locks are held on it."""
        ...

    def met(self) -> Sequence[bytes]:
        """Every configuration traffic has met so far, as documents for `Provider.parse`."""
        ...

    def printed(self) -> str:
        """The configuration that enforces now, in one spelling."""
        ...

    def others(self) -> str:
        """Everything of it that is not segctl's, in order, in one spelling."""
        ...

    def bystand(self, data: DataObject) -> None:
        """Let other administrators make rules and objects of their own."""
        ...

    def disturb(self, data: DataObject) -> None:
        """Let another administrator change what is segctl's by hand, leaving its mark."""
        ...

    def sever(self, request: int, how: Literal["before", "after", "within"]) -> None:
        """Let the line drop once: at the n-th request from now, before or after it is handled."""
        ...

    def mend(self) -> None:
        """Let no line drop any more."""
        ...


class ProviderHarness(Protocol):
    """A provider, a firewall as its inventory declares it, and devices to try both on."""

    @property
    def provider(self) -> Provider:
        """What is tested."""
        ...

    @property
    def device(self) -> Device:
        """The firewall; its `zones` are the zones of the strategies' inventories."""
        ...

    @property
    def anchor(self) -> str:
        """A rule of others that every fresh device has, and that nobody takes away."""
        ...

    def workbench(self) -> AbstractContextManager[Workbench]:
        """Return a fresh device."""
        ...

    def widest(self, rule: Rule) -> Rule:
        """Return a compiled rule with its protocols in the platform's words, at their widest."""
        ...


# --- strategies ----------------------------------------------------------------------------------


def _zone(key: str, number: int, *, ipv6: bool) -> Zone:
    site, _, name = key.partition("/")
    networks: list[Network] = [ip_network(f"10.{number}.0.0/24"), ip_network(f"10.{number}.2.0/23")]
    if ipv6:
        networks.append(ip_network(f"fd00:{number:x}::/64"))
    assets = [
        Asset(name=f"a{index}", addresses=(ip_network(f"10.{number}.0.{10 + index}/32"),))
        for index in range(3)
    ]
    if ipv6:
        both = (ip_network(f"10.{number}.0.20/32"), ip_network(f"fd00:{number:x}::20/128"))
        assets.append(Asset(name="dual", addresses=both))
    return Zone(site=site, id=name, networks=tuple(networks), assets=tuple(assets))


def _endpoints(zone: Zone) -> SearchStrategy[tuple[Endpoint, ...]]:
    some = st.sampled_from(
        [
            *(Endpoint(zone=zone.key, asset=asset.name) for asset in zone.assets),
            *(Endpoint(zone=zone.key, network=network) for network in zone.networks),
        ]
    )
    return st.one_of(
        st.just(()), st.lists(some, min_size=1, max_size=3, unique=True).map(_with_ipv4)
    )


def _with_ipv4(found: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Add an asset with both versions where all others would be of the one only."""
    first = found[0]
    if all(endpoint.network is not None and endpoint.network.version == 6 for endpoint in found):
        return (Endpoint(zone=first.zone, asset="dual"), *found)
    return tuple(found)


def _ports() -> SearchStrategy[tuple[PortRange, ...]]:
    def port(protocol: Literal["tcp", "udp"], first: int, size: int) -> PortRange:
        return PortRange(protocol=protocol, first=first, last=first + size)

    one = st.builds(
        port,
        st.sampled_from(("tcp", "udp")),
        st.sampled_from((22, 443, 502, 8443)),
        st.sampled_from((0, 0, 10)),
    )
    return st.lists(one, min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def _flows(draw: DrawFn, name: str, source: Zone, target: Zone, platform: Capabilities) -> Flow:
    kinds = ["services", *(["protocols", "applications"] if platform.applications else [])]
    kind = draw(st.sampled_from(kinds))
    users = st.sampled_from(((), (), ("plant\\engineers",), ("plant\\a", "plant\\b")))
    return Flow(
        id=name,
        sources=draw(_endpoints(source)),
        destinations=draw(_endpoints(target)),
        services=draw(_ports()) if kind == "services" else (),
        protocols=(draw(st.sampled_from(_USES)),) if kind == "protocols" else (),
        applications=draw(st.sampled_from((("ssl",), ("ssl", "web-browsing"), ("ping",))))
        if kind == "applications"
        else (),
        users=draw(users) if platform.users else (),
        log=draw(st.booleans()),
    )


@st.composite
def sites(draw: DrawFn, device: Device, platform: Capabilities, *, flows: int = 5) -> Site:
    """Inventories with one firewall, `device`, and at most `flows` flows between its zones.

    Ids come from a small pool, so that of two such inventories one is a change of the other.
    """
    zones = tuple(
        _zone(binding.zone, number, ipv6=platform.ipv6)
        for number, binding in enumerate(device.zones, 1)
    )
    conduits: list[Conduit] = []
    names = draw(st.lists(st.sampled_from("abcdefg"), max_size=flows, unique=True))
    for name in names:
        source, target = draw(st.permutations(zones))[:2]
        count = draw(st.integers(1, 2))
        conduits.append(
            Conduit(
                site=source.site,
                id=f"c-{name}",
                from_zones=(source.key,),
                to_zones=(target.key,),
                reason=draw(
                    st.sampled_from(("polling", "<b>'quoted' & \"more\"</b>", "Überwachung"))
                ),
                owner="process-automation",
                mode=draw(st.sampled_from(("enforce", "enforce", "monitor"))),
                flows=tuple(
                    draw(_flows(f"f{number}", source, target, platform)) for number in range(count)
                ),
            )
        )
    return Site(zones=zones, conduits=tuple(conduits), devices=(device,))


def desired(device: Device, platform: Capabilities) -> SearchStrategy[Desired]:
    """What inventories of `sites` compile to for `device`."""
    return sites(device, platform).map(lambda site: compile_site(site, TODAY)[device.name])


def packets(*policies: Policy, seed: int, count: int = 300) -> list[Packet]:
    """Return packets at and next to the borders that the policies' rules and objects draw."""
    hosts: set[Host] = {ip_address("192.0.2.1"), ip_address("2001:db8::1")}
    ports, zones, applications, users = {1}, {"elsewhere"}, {"unknown-tcp"}, {"plant\\nobody"}
    for policy in policies:
        resolve = resolver(policy)
        for rule in policy.rules:
            zones.update(rule.from_zones, rule.to_zones)
            applications.update(rule.applications)
            users.update(rule.users)
            for version, first, last in (*resolve(rule.sources), *resolve(rule.destinations)):
                hosts.update(_around(version, first, last))
        for group in policy.application_groups:
            applications.update(group.members)
        for service in policy.services:
            for part in service.ports.split(","):
                low, _, high = part.partition("-")
                ports.update((int(low), int(high or low), int(high or low) + 1))
    pick = Random(seed)  # noqa: S311 - a packet is no secret
    versions = {
        version: sorted(host for host in hosts if host.version == version) for version in (4, 6)
    }
    result: list[Packet] = []
    for _ in range(count):
        host = versions[pick.choice((4, 4, 6))]
        result.append(
            Packet(
                from_zone=pick.choice(sorted(zones - {ANY})),
                to_zone=pick.choice(sorted(zones - {ANY})),
                source=pick.choice(host),
                destination=pick.choice(host),
                protocol=pick.choice(("tcp", "udp")),
                port=pick.choice(sorted(ports)),
                application=pick.choice(sorted(applications - {ANY})),
                user=pick.choice(sorted(users - {ANY})),
                default_port=pick.random() < 0.5,
            )
        )
    return [*result, *_aimed(policies, pick)]


def _aimed(policies: Iterable[Policy], pick: Random) -> Iterable[Packet]:
    """Yield packets that meet each rule."""
    for policy in policies:
        resolve = resolver(policy)
        services = {service.name: service for service in policy.services}
        groups = {group.name: group.members for group in policy.application_groups}
        for rule in policy.rules:
            for source in resolve(rule.sources):
                for target in resolve(rule.destinations):
                    if source[0] != target[0]:
                        continue
                    service = services.get(pick.choice(rule.services))
                    application = pick.choice(rule.applications or (ANY,))
                    yield Packet(
                        from_zone=pick.choice(rule.from_zones),
                        to_zone=pick.choice(rule.to_zones),
                        source=_host(source[0], pick.choice(source[1:])),
                        destination=_host(target[0], pick.choice(target[1:])),
                        protocol=service.protocol if service else "tcp",
                        port=int(re.split("[,-]", service.ports)[0]) if service else 1,
                        application=pick.choice(groups.get(application, (application,))),
                        user=pick.choice(rule.users),
                    )


def _around(version: int, first: int, last: int) -> Iterable[Host]:
    highest = 2**32 - 1 if version == 4 else 2**128 - 1
    for number in (first - 1, first, last, last + 1):
        if 0 <= number <= highest:
            yield _host(version, number)


def _host(version: int, number: int) -> Host:
    return IPv4Address(number) if version == 4 else IPv6Address(number)


# --- one device at a time ------------------------------------------------------------------------


def _quiet(_step: str) -> None:
    return


def read(harness: ProviderHarness, bench: Workbench) -> Live:
    """Read the device as `segctl plan` does."""
    with harness.provider.connect(bench.target, read_only=True, progress=_quiet) as session:
        return harness.provider.parse(session.read())


def plan(harness: ProviderHarness, bench: Workbench, wanted: Desired) -> DevicePlan:
    """Plan as `segctl plan` does."""
    return plan_device(wanted, read(harness, bench), harness.provider)


def apply(harness: ProviderHarness, bench: Workbench, made: DevicePlan) -> Outcome:
    """Apply as `segctl apply --allow-mass-delete` does: the laws leave nothing of a policy."""
    return apply_device(
        made,
        harness.provider,
        bench.target,
        order=Order(allow_mass_delete=True),
        progress=_quiet,
    )


def reach(harness: ProviderHarness, bench: Workbench, wanted: Desired) -> DevicePlan:
    """Plan and apply."""
    made = plan(harness, bench, wanted)
    apply(harness, bench, made)
    return made


def _policies(harness: ProviderHarness, bench: Workbench) -> list[Policy]:
    return [harness.provider.parse(document).effective() for document in bench.met()]


class _Shown:
    """A desired policy that prints as what makes it what it is."""

    def __init__(self, wanted: Desired) -> None:
        self.desired = wanted

    def __repr__(self) -> str:
        rules = ", ".join(
            f"{rule.name}({'|'.join(rule.sources)} > {'|'.join(rule.destinations)}, "
            f"{'|'.join(rule.services)}, {'|'.join(rule.applications)} {rule.protocols or ''})"
            for rule in self.desired.policy.rules
        )
        return f"{self.desired.device.position.where}: {rules or 'no rules'}"


@st.composite
def _examples(draw: DrawFn, harness: ProviderHarness) -> _Shown:
    positions = [Position(where="last"), Position(where="first")]
    if harness.anchor:
        positions.append(Position(where="before", rule=harness.anchor))
        positions.append(Position(where="after", rule=harness.anchor))
    device = replace(harness.device, position=draw(st.sampled_from(positions)))
    return _Shown(draw(desired(device, harness.provider.capabilities)))


def _wanted(data: DataObject, harness: ProviderHarness, label: str = "desired") -> Desired:
    return data.draw(_examples(harness), label).desired


def _packets(data: DataObject, *policies: Policy) -> list[Packet]:
    return packets(*policies, seed=data.draw(st.integers(0, 2**16), "packets"))


def _require(fact: object, *seen: object) -> None:
    """Raise AssertionError with what was seen, unless `fact` holds."""
    if not fact:
        raise AssertionError(*seen)


def _trial(law: Callable[[DataObject], None]) -> None:
    """Try a law on many examples."""
    quiet = settings(suppress_health_check=_SLOW, deadline=None)
    quiet(given(st.data())(law))()


# --- the laws ------------------------------------------------------------------------------------


def converges(harness: ProviderHarness) -> None:
    """Law 1: from any state one push reaches desired, and then the diff is empty."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, _wanted(data, harness, "desired before"))
            bench.disturb(data)
            wanted = _wanted(data, harness)
            made = reach(harness, bench, wanted)
            again = plan(harness, bench, wanted)
            _require(again.changes == (), made.script, again.changes)
            held = managed(read(harness, bench), made.covers)
            _require(held.digest == made.desired)

    _trial(law)


def round_trip(harness: ProviderHarness) -> None:
    """Law 2: what `render` wrote, `parse` reads as the fitted policy."""

    def law(data: DataObject) -> None:
        wanted = _wanted(data, harness)
        fitted, _ = harness.provider.fit(wanted.policy, wanted.device)
        with harness.workbench() as bench:
            made = reach(harness, bench, wanted)
            held = managed(read(harness, bench), made.covers)
        if held.rules != fitted.rules:  # others' rules follow: the block is closed
            fitted, _ = harness.provider.fit(with_closing(wanted), wanted.device)
        _require(held.rules == fitted.rules)
        for (kind, ours), (_, theirs) in zip(fitted.objects(), held.objects(), strict=True):
            _require(
                {item.name: item for item in ours} == {item.name: item for item in theirs}, kind
            )

    _trial(law)


def leaves_others(harness: ProviderHarness) -> None:
    """Law 3: what others own is untouched, byte for byte, and in its order."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            before = bench.others()
            reach(harness, bench, _wanted(data, harness, "desired before"))
            _require(bench.others() == before)
            reach(harness, bench, _wanted(data, harness))
            _require(bench.others() == before)

    _trial(law)


def nothing_in_between(harness: ProviderHarness) -> None:
    """Law 4: every configuration that traffic meets is the old or the new in all it decides."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, _wanted(data, harness, "desired before"))
            start = len(bench.met()) - 1
            reach(harness, bench, _wanted(data, harness))
            met = _policies(harness, bench)[start:]
        old, *between, new = [decider(policy) for policy in (met if len(met) > 1 else met * 2)]
        for packet in _packets(data, *met):
            before, after = old(packet).action, new(packet).action
            for policy in between:
                _require(policy(packet).action in (before, after), packet)

    _trial(law)


def reverts(harness: ProviderHarness) -> None:
    """Law 5: revert restores the printed configuration."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, _wanted(data, harness, "desired before"))
            bench.disturb(data)
            before = bench.printed()
            made = plan(harness, bench, _wanted(data, harness))
            assume(made.changes)
            with harness.provider.connect(
                bench.target, read_only=False, progress=_quiet
            ) as session:
                session.read()
                with session.lock():
                    session.push(made.script)
                    _require(bench.printed() != before)
                    session.read()
                    session.revert()
            _require(bench.printed() == before)
            _require(bench.locks == 0)

    _trial(law)


def old_or_new(harness: ProviderHarness) -> None:
    """Law 6: a connection dropped anywhere leaves old or new; a rerun converges; no lock stays."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, _wanted(data, harness, "desired before"))
            wanted = _wanted(data, harness)
            made = plan(harness, bench, wanted)
            assume(made.changes)
            old = bench.printed()
            start = len(bench.met()) - 1
            bench.sever(
                data.draw(st.integers(0, 40), "request"),
                data.draw(st.sampled_from(("before", "after", "within")), "how"),
            )
            try:
                apply(harness, bench, made)
            except SegctlError:
                _require(bench.printed() == old or _holds(harness, bench, made))
            else:
                _require(_holds(harness, bench, made))
            first, *later = (
                managed(harness.provider.parse(document), made.covers).digest
                for document in bench.met()[start:]
            )
            _require(set(later) <= {first, made.desired}, "a mixture was live")
            bench.mend()
            reach(harness, bench, wanted)
            _require(_holds(harness, bench, made))
            _require(bench.locks == 0)

    _trial(law)


def _holds(harness: ProviderHarness, bench: Workbench, made: DevicePlan) -> bool:
    live = harness.provider.parse(bench.met()[-1])
    return managed(live, made.covers).digest == made.desired


def never_widens(harness: ProviderHarness) -> None:
    """Law 7: what the fitted policy permits, the inventory declared."""

    def law(data: DataObject) -> None:
        wanted = _wanted(data, harness)
        fitted, _ = harness.provider.fit(wanted.policy, wanted.device)
        declared = [harness.widest(rule) for rule in wanted.policy.rules]
        for rule, other in zip(declared, fitted.rules, strict=True):
            _require(rule.action == other.action)
        names = {rule.name: index for index, rule in enumerate(fitted.rules)}
        _require(len(names) == len(fitted.rules))
        widest = decider(_with_rules(wanted.policy, declared, fitted))
        narrow = decider(fitted)
        for packet in _packets(data, fitted):
            found = narrow(packet)
            if found.action == "allow" and found.rule in names:
                _require(widest(packet).action == "allow", packet, found)

    _trial(law)


def _with_rules(policy: Policy, rules: Sequence[Rule], fitted: Policy) -> Policy:
    known = {service.name: service for service in (*policy.services, *fitted.services)}
    return replace(policy, rules=tuple(rules), services=tuple(known.values()))


def fewest_moves(harness: ProviderHarness) -> None:
    """Law 8: our rules stand in order and in place, by the fewest moves, and others never move."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            wanted = _wanted(data, harness)
            reach(harness, bench, wanted)
            bench.disturb(data)
            before = read(harness, bench)
            made = reach(harness, bench, wanted)
            after = read(harness, bench)
        ours = [rule.name for rule in after.policy.rules]
        _require(in_place(after.order, set(ours), made.position))
        others = [name for name in before.order if name in before.other_rules]
        _require([name for name in after.order if name in after.other_rules] == others)
        moves = sum(change["op"] == "move" for change in made.changes)
        _require(moves == _fewest(before, ours, made), made.changes)

    _trial(law)


def _fewest(before: Live, ours: Sequence[str], made: DevicePlan) -> int:
    """Count the moves that no way of moving could do without."""
    renamed = {
        change["before"]["name"]: change["name"]
        for change in made.changes
        if (change["op"], change["kind"]) == ("rename", "rule")
    }
    others = [name for name in before.order if name in before.other_rules]
    rank = {name: index for index, name in enumerate(ours)}
    place = _place(others, made.position)
    common = [
        name for rule in before.policy.rules if (name := renamed.get(rule.name, rule.name)) in rank
    ]
    above, standing = 0, list[int]()
    for held in before.order:
        name = renamed.get(held, held)
        if held in before.other_rules:
            above += 1
        elif name in rank and above == place:
            standing.append(rank[name])
    return len(common) - len(longest_increasing(standing))


def _place(others: Sequence[str], position: Position) -> int:
    if position.where in ("first", "last"):
        return 0 if position.where == "first" else len(others)
    return others.index(position.rule) + (position.where == "after")


def plans_nothing_twice(harness: ProviderHarness) -> None:
    """Law 9: what is on the device, taken as desired, needs no change."""

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            made = reach(harness, bench, _wanted(data, harness))
            live = read(harness, bench)
        held = managed(live, made.covers)
        _require(diff(held, held, order=live.order, position=made.position) == ())

    _trial(law)


LAWS: Mapping[str, Callable[[ProviderHarness], None]] = {
    law.__name__: law
    for law in (
        converges,
        round_trip,
        leaves_others,
        nothing_in_between,
        reverts,
        old_or_new,
        never_widens,
        fewest_moves,
        plans_nothing_twice,
    )
}


def check_provider(harness: ProviderHarness) -> None:
    """Hold a provider to every law.

    Raises:
        AssertionError: a law is broken; Hypothesis shows the smallest example it finds.
    """
    for law in LAWS.values():
        law(harness)
