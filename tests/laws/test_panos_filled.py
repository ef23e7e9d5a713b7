"""What objects hold now: as the device itself takes them, never certain, and no part of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from segctl.analysis.effective import permitted
from segctl.analysis.space import Point, addresses, service
from segctl.model.addresses import interval
from segctl.providers.base import provider, reading
from segctl.testing import apply, plan, read
from support.panos import ANCHOR, RULES, VSYS, PanosBench, PanosHarness, other_rule
from support.plants import flow, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject

OBJECTS = (
    "<external-list><entry name='o-l0'><type><ip><url>x</url></ip></type></entry>"
    "<entry name='o-l1'><type><ip><url>x</url></ip></type></entry></external-list>"
    "<tag><entry name='a'/><entry name='b'/></tag>"
    "<address><entry name='o-n'><fqdn>n.example</fqdn></entry>"
    "<entry name='o-t'><ip-netmask>192.0.2.6</ip-netmask><tag><member>a</member></tag></entry>"
    "</address><address-group>"
    "<entry name='o-a'><dynamic><filter>'a'</filter></dynamic></entry>"
    "<entry name='o-ab'><dynamic><filter>'a' and 'b'</filter></dynamic></entry>"
    "<entry name='o-all'><static><member>o-ab</member><member>o-n</member></static></entry>"
    "</address-group><region><entry name='o-place'><address><member>192.0.2.4/31</member></address>"
    "</entry></region>"
)
NAMES = ("o-l0", "o-l1", "o-n", "o-a", "o-ab", "o-all", "o-place", "any")
HOSTS = tuple(f"192.0.2.{number}" for number in range(8))
some_hosts = st.lists(st.sampled_from(HOSTS), max_size=4, unique=True).map(tuple)
WEB = plant(flow("web", ports=(443,), to_asset="a0", from_asset="a0"))


@pytest.fixture
def bench(panos: PanosHarness) -> Iterator[PanosBench]:
    with panos.workbench() as made:
        without_anchor(made)
        yield made


def without_anchor(bench: PanosBench) -> None:
    """Let no rule stand before those of the test, and have the objects."""
    bench.mock.edit("delete", f"{RULES}/entry[@name='{ANCHOR}']")
    bench.mock.edit("set", VSYS, OBJECTS, commit=True)


def fill(bench: PanosBench, data: DataObject) -> None:
    for name in ("o-l0", "o-l1"):
        bench.mock.fetch(name, *data.draw(some_hosts, name))
    bench.mock.resolve("n.example", *data.draw(some_hosts, "n.example"))
    tags = st.lists(st.sampled_from(("a", "b")), unique=True)
    for host in HOSTS:
        bench.mock.register(host, *data.draw(tags, host))


def decided(bench: PanosBench, source: str, destination: str) -> str:
    """Return the rule that the device itself finds."""
    fields = {"from": "OT-SUPV", "to": "OT-CTRL", "source": source, "destination": destination}
    fields |= {"protocol": "6", "destination-port": "22"}
    inside = "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields.items())
    cmd = f"<test><security-policy-match>{inside}</security-policy-match></test>"
    key = bench.mock.key("admin")
    found = bench.mock.handle({"type": "op", "cmd": cmd, "key": key}).content()
    entry = etree.fromstring(found).find("result/rules/entry")
    return "" if entry is None else entry.findtext("action") or ""


@settings(max_examples=15)
@given(data=st.data())
def test_by_what_is_held_now_the_device_decides_alike(
    data: DataObject, panos: PanosHarness
) -> None:
    with panos.workbench() as bench:
        without_anchor(bench)
        for number in range(data.draw(st.integers(1, 4))):
            body = "".join(
                f"<{side}><member>{data.draw(st.sampled_from(NAMES))}</member></{side}>"
                for side in ("source", "destination")
            )
            action = data.draw(st.sampled_from(("allow", "deny")))
            bench.mock.edit("set", RULES, other_rule(f"o-{number}", body, action))
        bench.publish()
        fill(bench, data)
        held = reading(provider("panos"), read(panos, bench))
        now = held.now or held
        can = permitted(held.between("OT-SUPV", "OT-CTRL"))
        by_now = permitted(now.between("OT-SUPV", "OT-CTRL"))
        assert by_now.can == by_now.sure, "all of it is known"
        assert by_now.can.within(can.can)
        assert can.sure.within(by_now.sure)
        for source in HOSTS[::2]:
            for destination in HOSTS[1::2]:
                passes = decided(bench, source, destination) == "allow"
                assert (point(source, destination) in by_now.can) is passes


def point(source: str, destination: str) -> Point:
    first, second = (addresses([interval(one)])[0][0] for one in (source, destination))
    port = service("tcp", 22, 22)[0][0]
    return Point(source=first, destination=second, service=port, application="ssh")


def test_a_plan_does_not_depend_on_what_objects_hold(
    panos: PanosHarness, bench: PanosBench
) -> None:
    body = "<source><member>o-l0</member><member>o-a</member></source>"
    bench.mock.edit("set", RULES, other_rule("o-rule", body))
    bench.publish()
    bench.mock.fetch("o-l0", "192.0.2.1")
    made = plan(panos, bench, WEB)
    bench.mock.fetch("o-l0", "192.0.2.2", "192.0.2.3")
    bench.mock.register("192.0.2.9", "a")
    assert plan(panos, bench, WEB).changes == made.changes
    assert apply(panos, bench, made).status == "applied"
    assert not plan(panos, bench, WEB).changes


def test_an_example_of_an_address(panos: PanosHarness, bench: PanosBench) -> None:
    """The mock takes what it holds as a firewall does, so that the law above says something."""
    body = "<source><member>o-ab</member></source>"
    bench.mock.edit("set", RULES, other_rule("o-r", body, "allow"))
    bench.publish()
    bench.mock.register("192.0.2.1", "a")
    assert decided(bench, "192.0.2.1", "192.0.2.2") != "allow"
    bench.mock.register("192.0.2.1", "a", "b")
    assert decided(bench, "192.0.2.1", "192.0.2.2") == "allow"
    assert read(panos, bench).filled["o-ab"].addresses == ("192.0.2.1",)
