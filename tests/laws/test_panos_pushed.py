"""Laws of managed firewalls: the rule that decides is the one that the device says matches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from segctl.analysis.effective import permitted
from segctl.analysis.space import Box, Space, addresses, service
from segctl.model.addresses import interval
from segctl.providers.base import reading
from segctl.testing import plan, reach
from support.panos import RULES, VSYS, ZONES, PanosBench, boot, others, target_of
from support.plants import flow, plant
from support.pushed import Policy, address, rule, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from segctl_mocks import PanosMock
    from support.panos import PanosHarness

HOSTS = ("10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4")
NAMES = ("n1", "n2", "10.2.0.3", "any")
PORTS = (22, 502)
RULE: SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {
        "enter": st.sampled_from(("any", *ZONES)),
        "leave": st.sampled_from(("any", *ZONES)),
        "destination": st.sampled_from(NAMES),
        "service": st.sampled_from(("any", "p22")),
        "action": st.sampled_from(("allow", "deny", "drop")),
    }
)
BASE = st.lists(RULE, min_size=1, max_size=3)
#: Where each name is defined, with which value: in one place of each scope at most.
OBJECTS = st.fixed_dictionaries(
    {
        name: st.tuples(
            st.sampled_from(("local", "OT", "")),
            st.sampled_from(HOSTS),
            st.sampled_from(("local shared", "shared")),
            st.sampled_from(HOSTS),
        )
        for name in ("n1", "n2")
    }
)


def rules(found: Sequence[dict[str, str]], name: str, loc: str) -> str:
    return "".join(rule(f"{name}{number}", loc=loc, **one) for number, one in enumerate(found))


def objects(where: dict[str, tuple[str, str, str, str]], wanted: str) -> str:
    made = [
        address(name, value, wanted)
        for name, (near, first, far, last) in where.items()
        for place, value in ((near, first), (far, last))
        if place == wanted
    ]
    return f"<address>{''.join(made)}</address>"


def matched(mock: PanosMock, pair: tuple[str, str], host: str, port: int) -> str:
    """Return the rule that the device says a packet matches; nothing for a default rule."""
    command = (
        f"<test><security-policy-match><from>{pair[0]}</from><to>{pair[1]}</to>"
        f"<source>10.9.9.9</source><destination>{host}</destination><protocol>6</protocol>"
        f"<destination-port>{port}</destination-port></security-policy-match></test>"
    )
    sent = {"type": "op", "cmd": command, "key": mock.key()}
    entry: Any = etree.fromstring(mock.handle(sent).content()).find("result/rules/entry")
    return "" if entry is None else entry.get("name")


@given(pre=BASE, own=BASE, post=BASE, where=OBJECTS)
def test_the_rule_that_decides_is_the_one_the_device_names(
    panos: PanosHarness,
    pre: list[dict[str, str]],
    own: list[dict[str, str]],
    post: list[dict[str, str]],
    where: dict[str, tuple[str, str, str, str]],
) -> None:
    ports = "<service><entry name='p22'><protocol><tcp><port>22</port></tcp></protocol></entry>"
    policy = Policy(
        pre=rules(pre, "pre", "OT"),
        post=rules(post, "post", "shared"),
        objects=objects(where, "OT"),
        shared=objects(where, "shared"),
    )
    boot(panos.mock, pushed=[policy.answer()])
    panos.mock.edit("set", VSYS, f"{objects(where, 'local')}{ports}</service>")
    panos.mock.edit("set", "/config/shared", objects(where, "local shared"))
    if own:
        panos.mock.edit("set", RULES, rules(own, "own", "x").replace(' loc="x"', ""))
    panos.mock.edit("set", VSYS, ports + "</service>", commit=True)
    with panos.provider.connect(target_of(panos.mock), read_only=True) as session:
        live = panos.provider.parse(session.read())
    known = reading(panos.provider, live)
    actions = {one.name: one.action for one in live.effective().rules}
    for enter in ZONES:
        for leave in ZONES:
            chain = known.between(enter, leave)
            for host in HOSTS:
                for port in PORTS:
                    region = Space(
                        (
                            Box(
                                source=addresses([interval("10.9.9.9")]),
                                destination=addresses([interval(host)]),
                                service=service("tcp", port, port),
                            ),
                        )
                    )
                    first = next(one.rule for one in chain if one.can & region)
                    named = first.removeprefix("Panorama pre-rule ")
                    named = named.removeprefix("Panorama post-rule ")
                    theirs = matched(panos.mock, (enter, leave), host, port)
                    assert named == (theirs or named)
                    assert (theirs == "") == named.endswith("zone-default")
                    allows = enter == leave if not theirs else actions[first] == "allow"
                    answer = permitted(chain, region)
                    assert (bool(answer.can), bool(answer.sure)) == (allows, allows)


@given(pre=BASE, post=BASE)
def test_a_policy_is_reached_whatever_is_pushed_and_nothing_of_it_is_written(
    panos: PanosHarness, pre: list[dict[str, str]], post: list[dict[str, str]]
) -> None:
    objects_of = f"<address>{address('n1', '10.2.0.1')}{address('n2', '10.2.0.2')}</address>"
    ports = (
        "<service><entry name='p22' loc='OT'><protocol><tcp><port>22</port></tcp></protocol>"
        "</entry></service>"
    )
    policy = Policy(
        pre=rules(pre, "pre", "OT"), post=rules(post, "post", "OT"), objects=objects_of + ports
    )
    boot(panos.mock, pushed=[policy.answer(), template(("T", "ae1"))])
    bench = PanosBench(panos.mock, {})
    before, put = others(panos.mock.running()), panos.mock.device.pushed.documents
    for wanted in (plant(flow("a", ports=(502,))), plant(flow("b", ports=(22,))), plant()):
        reach(panos, bench, wanted)
        assert plan(panos, bench, wanted).changes == ()
        assert others(panos.mock.running()) == before
    assert panos.mock.device.pushed.documents == put


def test_a_recorded_policy_of_a_real_firewall_is_read(panos: PanosHarness) -> None:
    default = Path(__file__).resolve().parents[2].parent / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples"
    if not folder.is_dir():
        pytest.skip("recorded answers are not here: set SEGCTL_THIRD_PARTY")
    recorded = folder / "demisto/get_rule_hitcounts_pushed_policy.xml"
    boot(panos.mock, zones={"Trust": ("loopback.901",), "Untrust": ("loopback.902",)},
         pushed=[recorded.read_bytes()])  # fmt: skip
    with panos.provider.connect(target_of(panos.mock), read_only=True) as session:
        live = panos.provider.parse(session.read())
    assert live.pushed.unread == ()
    assert [one.name for one in live.pushed.before] == [
        "Panorama pre-rule Rule 1",
        "Panorama pre-rule Rule 2",
    ]
    assert [one.name for one in live.pushed.after] == ["Panorama post-rule Rule 5"]
    known = reading(panos.provider, live)
    ping, out = known.between("Trust", "Untrust")[:2]
    assert (ping.rule, ping.allows, ping.why) == ("Panorama pre-rule Rule 2", False, ())
    assert (out.rule, out.allows) == ("Panorama post-rule Rule 5", True)
    (inward, *_) = known.between("Untrust", "Trust")
    assert inward.can.boxes[0].source == addresses([interval("10.0.0.185")])
