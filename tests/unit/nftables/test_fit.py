from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import UnsupportedError
from segctl.model.policy import FirewallZone
from segctl.model.site import Flow, PortRange, ProtocolUse, Schedule, ZoneBinding
from support.nft import PROVIDER, desired, firewall, tcp

if TYPE_CHECKING:
    from segctl.model.policy import Policy, Rule


def use(protocol: str, *classes: str) -> ProtocolUse:
    return ProtocolUse(protocol=protocol, classes=classes)


def fit(flow: Flow) -> tuple[Policy, str]:
    wanted = desired(flow)
    policy, notes = PROVIDER.fit(wanted.policy, wanted.device)
    return policy, "\n".join(str(note) for note in notes)


def test_ports_that_join_become_one() -> None:
    policy, notes = fit(Flow(id="f", services=(tcp(80, 82), tcp(83), tcp(81), tcp(443))))
    assert policy.rules[0].services == ("segctl-tcp-443", "segctl-tcp-80-83")
    assert not notes


def test_an_echo_is_a_service() -> None:
    policy, _ = fit(Flow(id="f", services=(PortRange(protocol="icmp", first=0, last=0),)))
    assert policy.rules[0].services == ("segctl-icmp",)


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (Flow(id="f", applications=("ssl",)), "applications ssl"),
        (Flow(id="f", services=(tcp(1),), users=("plant\\a",)), r"users plant\\a"),
        (Flow(id="f", protocols=(use("opc-ua", "session"),)), "opc-ua"),
        (Flow(id="f", protocols=(use("modbus", "program"),)), "class program"),
        (Flow(id="f", protocols=(use("cip-ethernet-ip", "read"),)), "distinguish functions"),
        (Flow(id="f", protocols=(use("modbus", "read"), use("dnp3", "read"))), "split the flow"),
        (
            Flow(
                id="f",
                protocols=(use("modbus", "read"),),
                services=(PortRange(protocol="udp", first=502, last=502),),
            ),
            "over TCP only",
        ),
    ],
)
def test_what_nft_cannot_express_is_refused(flow: Flow, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        fit(flow)


def test_a_protocol_as_a_whole_is_its_ports() -> None:
    policy, notes = fit(Flow(id="f", protocols=(use("ntp", "session"),)))
    assert policy.rules[0].services == ("segctl-udp-123",)
    assert "by its ports" in notes


def test_functions_not_enforced_are_marked_and_said() -> None:
    flow = Flow(id="f", protocols=(use("modbus", "read"),), functions="not-enforced")
    policy, notes = fit(flow)
    assert policy.rules[0].tags == ("functions-not-enforced",)
    assert policy.rules[0].applications == ("any",)
    assert "NOT enforced" in notes


def test_threat_prevention_is_refused_where_it_was_asked_for() -> None:
    flow = Flow(id="f", services=(tcp(1),))
    device = replace(firewall(), threat_profiles=(("alert", "ot-alert"),))
    by_default = desired(flow, device=device)
    policy, _ = PROVIDER.fit(by_default.policy, device)
    assert policy.rules[0].profile_group == ""
    asked = desired(flow, device=device, threat_prevention="alert")
    with pytest.raises(UnsupportedError, match="threat prevention"):
        PROVIDER.fit(asked.policy, device)


def test_schedules_are_refused() -> None:
    device = replace(firewall(), schedules=(Schedule(name="day", daily=("08:00-17:00",)),))
    wanted = desired(Flow(id="f", services=(tcp(1),), schedule="day"), device=device)
    with pytest.raises(UnsupportedError, match="schedule"):
        PROVIDER.fit(wanted.policy, device)


def test_a_zone_needs_interfaces() -> None:
    bare = ZoneBinding(zone="site/ctrl", name="CTRL")
    device = replace(firewall(), zones=(bare, *firewall().zones[1:]))
    with pytest.raises(UnsupportedError, match="zone CTRL has no interfaces"):
        PROVIDER.fit(desired(device=device).policy, device)


@pytest.mark.parametrize(("setting", "fitted"), [("", ""), ("10", ""), ("7", "7"), ("kernel",) * 2])
def test_logs_go_where_they_are_sent(setting: str, fitted: str) -> None:
    device = replace(firewall(), log_forwarding=setting)
    wanted = desired(Flow(id="f", services=(tcp(1),)), device=device)
    policy, notes = PROVIDER.fit(wanted.policy, device)
    assert policy.rules[0].log_setting == fitted
    assert not notes


_HOSTILE = st.text(min_size=1, max_size=40)


@given(name=_HOSTILE, conduit=_HOSTILE, zone=_HOSTILE, port=_HOSTILE)
def test_no_name_reaches_nft_unchecked(name: str, conduit: str, zone: str, port: str) -> None:
    bindings = (ZoneBinding(zone="site/ctrl", name=zone, interfaces=(port,)),)
    device = replace(firewall(), zones=(*bindings, *firewall().zones[1:]))
    wanted = desired(Flow(id="f", services=(tcp(1),)), device=device)
    rules = tuple(
        replace(rule, name=name, conduit=conduit, description=name) for rule in wanted.policy.rules
    )
    try:
        policy, _ = PROVIDER.fit(wanted.policy.replace(rules=rules), device)
    except UnsupportedError:
        return
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:")
    for rule in policy.rules:
        assert _texts(rule) <= allowed
    for held in policy[FirewallZone]:
        assert set(held.name + "".join(held.interfaces)) <= allowed


def _texts(rule: Rule) -> set[str]:
    return set(rule.name + rule.conduit + rule.flow + rule.description + "".join(rule.from_zones))
