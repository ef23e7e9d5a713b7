"""NAT rules: an asset that is reached by another address is not called denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli_support import RULES, VSYS

if TYPE_CHECKING:
    from cli_support import Plant

NAT = f"{VSYS}/rulebase/nat/rules"
DENIED = ("--from", "scada1", "--to", "plc1", "--port", "22", "--expect", "deny")
VIP = "10.20.2.99"


def listed(tag: str, *members: str) -> str:
    return f"<{tag}>{''.join(f'<member>{one}</member>' for one in members)}</{tag}>"


def nat(more: str, *, enter: str = "SUPV", source: str = "any", destination: str = VIP) -> str:
    zones = listed("from", enter) + listed("to", "SUPV")
    ends = listed("source", source) + listed("destination", destination)
    return f'<entry name="in">{zones}{ends}<service>any</service>{more}</entry>'


def sent_to(address: str, more: str = "", kind: str = "destination-translation") -> str:
    return f"<{kind}><translated-address>{address}</translated-address>{more}</{kind}>"


BACK = (
    f"<source-translation><static-ip><translated-address>{VIP}</translated-address>"
    "<bi-directional>yes</bi-directional></static-ip></source-translation>"
)


def put(plant: Plant, entry: str, *, permitted: bool = True) -> None:
    plant.fleet["fw1"].edit("set", NAT, entry, commit=not permitted)
    if permitted:
        said = {"from": "SUPV", "to": "CTRL", "source": "any", "destination": VIP}
        said |= {"application": "any", "service": "any"}
        inside = "".join(listed(tag, text) for tag, text in said.items())
        rule = f'<entry name="vip">{inside}<action>allow</action></entry>'
        plant.fleet["fw1"].edit("set", RULES, rule, commit=True)


def check(plant: Plant, *words: str) -> tuple[int, Any]:
    done = plant("check", *(words or DENIED), "--json")
    (row,) = done.json["checks"][0]["devices"]
    return done.code, row


@pytest.mark.parametrize(
    "entry",
    [
        nat(sent_to("10.20.1.11")),
        nat(sent_to("10.20.1.0/24", kind="dynamic-destination-translation")),
        nat(BACK, enter="CTRL", source="10.20.1.11", destination="any"),
    ],
    ids=["destination", "dynamic", "both ways"],
)
def test_what_arrives_by_another_address_is_no_denial(applied: Plant, entry: str) -> None:
    put(applied, entry)
    code, row = check(applied)
    assert (code, row["answer"]) == (1, "cannot_tell")
    assert row["cannot_tell"]["rule"] == "NAT rule in"
    assert row["why"] == [f"NAT rule in: packets sent to {VIP} arrive there, if permitted"]
    assert applied("query", "--from", "scada1", "--to", "plc1").code == 1


def test_another_port_is_the_one_on_which_it_arrives(applied: Plant) -> None:
    put(applied, nat(sent_to("10.20.1.11", "<translated-port>8022</translated-port>")))
    assert check(applied)[0] == 0
    there = ("--from", "scada1", "--to", "plc1", "--port", "8022", "--expect", "deny")
    assert check(applied, *there)[1]["answer"] == "cannot_tell"


@pytest.mark.parametrize(
    "entry",
    [
        nat(sent_to("10.20.1.12")),
        nat(sent_to("10.20.1.11") + "<disabled>yes</disabled>"),
        nat(sent_to("10.20.1.11"), enter="CTRL"),
    ],
    ids=["to another", "disabled", "from another zone"],
)
def test_what_does_not_arrive_is_denied(applied: Plant, entry: str) -> None:
    put(applied, entry)
    assert check(applied)[1]["answer"] == "deny"


def test_what_no_rule_permits_does_not_arrive(applied: Plant) -> None:
    put(applied, nat(sent_to("10.20.1.11")), permitted=False)
    assert check(applied)[1]["answer"] == "deny"
    assert applied("prove", "-l", "fw1").code == 0


def test_one_that_panorama_pushed_counts_and_a_snapshot_has_it(applied: Plant) -> None:
    put(applied, nat(sent_to("10.20.1.12")))
    rules = f"<nat><rules>{nat(sent_to('10.20.1.11'))}</rules></nat>"
    applied.fleet["fw1"].push(
        '<response status="success"><result><policy><panorama>'
        f"<pre-rulebase>{rules}</pre-rulebase></panorama></policy></result></response>".encode()
    )
    code, row = check(applied)
    assert (code, row["cannot_tell"]["rule"]) == (1, "Panorama NAT rule in")
    assert applied("snapshot", "-o", "kept").code == 0
    code, row = check(applied, *DENIED, "--offline", "kept")
    assert (code, row["cannot_tell"]["rule"]) == (1, "NAT rule 1")
    there = ("--from", "scada1", "--to", "10.20.1.77", "--port", "22", "--expect", "deny")
    assert check(applied, *there, "--offline", "kept")[0] == 0


@pytest.mark.parametrize(
    ("more", "destination"),
    [
        ("<nat-type>nat64</nat-type>", "64:ff9b::/96"),
        (f"<nat-type>nat64</nat-type>{sent_to('10.20.1.11')}", "2001:db8::11"),
    ],
)
def test_what_arrives_by_another_version_of_ip_is_no_denial(
    applied: Plant, more: str, destination: str
) -> None:
    put(applied, nat(more, destination=destination), permitted=False)
    assert check(applied)[0] == 0  # nothing is permitted to that prefix
    said = {"from": "SUPV", "to": "CTRL", "source": "any", "destination": destination}
    said |= {"application": "any", "service": "any"}
    inside = "".join(listed(tag, text) for tag, text in said.items())
    rule = f'<entry name="six">{inside}<action>allow</action></entry>'
    applied.fleet["fw1"].edit("set", RULES, rule, commit=True)
    code, row = check(applied)
    assert (code, row["answer"]) == (1, "cannot_tell")
    arrive = f"packets sent to {destination} by another version of IP arrive there"
    assert row["why"] == [f"NAT rule in: {arrive}, if permitted"]
    assert applied("snapshot", "-o", "kept").code == 0
    assert check(applied, *DENIED, "--offline", "kept")[1]["answer"] == "cannot_tell"
