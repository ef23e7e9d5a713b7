"""A plan rests on what Panorama pushed above our block, and on what the rules there name."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import StalePlanError
from segctl.model.site import Flow, Position
from segctl.planning.documents import LATER_PARTS, basis_json, device_json, device_of
from segctl.planning.freshness import check_fresh, fingerprint
from segctl.planning.make import plan_device
from segctl.providers.panos import PanosProvider
from segctl_mocks import PanosMock
from support.panos import RULES, VSYS, boot, other_rule, target_of
from support.plants import flow, plant
from support.pushed import Policy, address, entry, rule

if TYPE_CHECKING:
    from collections.abc import Generator

    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live

PANOS = PanosProvider()
PRE = "Panorama pre-rule "
FIRST, SECOND = rule("first", action="deny", source="bad"), rule("second", enter="OT-CTRL")
BAD, GOOD = address("bad", "10.9.0.0/24"), address("good", "10.8.0.0/24")
GROUP = entry("bad", "<static><member>worse</member></static>")
WORSE = address("worse", "10.7.0.1")


def flows() -> Flow:
    return flow("poll", ports=(502,))


def objects(*addresses: str, groups: str = "", more: str = "") -> str:
    listed = "".join(addresses)
    return f"<address>{listed}</address><address-group>{groups}</address-group>{more}"


@contextmanager
def firewall(policy: Policy, *own: str, more: str = "") -> Generator[PanosMock]:
    with PanosMock("fw1", job_seconds=0.0) as mock:
        boot(mock, pushed=[policy.answer()])
        if more:
            mock.edit("set", VSYS, more, commit=True)
        for text in own:
            mock.edit("set", RULES, text, commit=True)
        yield mock


def live(mock: PanosMock) -> Live:
    with PANOS.connect(target_of(mock), read_only=True) as session:
        return PANOS.parse(session.read())


def from_file(made: DevicePlan) -> DevicePlan:
    """Return a plan as a file gives it back."""
    return device_of(json.loads(json.dumps(device_json(made))))


def saved(found: Live) -> DevicePlan:
    """Return the plan for a device as a file gives it back."""
    return from_file(plan_device(plant(flows()), found, PANOS))


BASE = Policy(pre=FIRST + SECOND, objects=objects(BAD, GOOD))


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (replace(BASE, pre=SECOND + FIRST), "order of the rules that Panorama pushed above"),
        (replace(BASE, pre=FIRST), f"{PRE}second is gone"),
        (replace(BASE, pre=BASE.pre + rule("third")), f"{PRE}third is new"),
        (
            replace(BASE, pre=FIRST + rule("second", enter="OT-CTRL", action="deny")),
            f"{PRE}second changed",
        ),
        (
            replace(BASE, pre=FIRST + rule("second", enter="OT-CTRL", more="<a><b>c</b></a>")),
            f"{PRE}second changed",
        ),
        (
            replace(BASE, objects=objects(address("bad", "10.9.0.0/16"), GOOD)),
            "bad of others, which rules above our block or our rules use, changed",
        ),
        (
            replace(BASE, objects=objects(GOOD, WORSE, groups=GROUP)),
            "bad of others, which rules above our block or our rules use, changed",
        ),
        (replace(BASE, post=rule("late")), "whether rules of others follow our block changed"),
    ],
)
def test_a_plan_goes_stale_with_what_was_pushed_above_it(after: Policy, moved: str) -> None:
    with firewall(BASE) as mock:
        made = saved(live(mock))
        check_fresh(made, live(mock), PANOS)
        mock.push(after.answer())
        with pytest.raises(StalePlanError, match=moved):
            check_fresh(made, live(mock), PANOS)


@pytest.mark.parametrize(
    "after",
    [
        replace(BASE, objects=objects(BAD, address("good", "10.8.0.0/16"))),
        replace(BASE, objects=objects(BAD, GOOD, WORSE)),
    ],
)
def test_what_no_rule_above_names_does_not_make_it_stale(after: Policy) -> None:
    with firewall(BASE) as mock:
        made = saved(live(mock))
        mock.push(after.answer())
        check_fresh(made, live(mock), PANOS)


def test_a_member_of_a_pushed_group_counts_as_the_group() -> None:
    base = replace(BASE, objects=objects(WORSE, groups=GROUP))
    with firewall(base) as mock:
        made = saved(live(mock))
        mock.push(
            replace(base, objects=objects(address("worse", "10.7.0.2"), groups=GROUP)).answer()
        )
        with pytest.raises(StalePlanError, match="worse of others"):
            check_fresh(made, live(mock), PANOS)


def test_an_application_that_is_only_named_counts_with_its_content() -> None:
    def custom(port: str) -> str:
        ports = f"<default><port><member>tcp/{port}</member></port></default>"
        return objects(BAD, more=f"<application>{entry('mine', ports)}</application>")

    used = rule("first", source="bad").replace(
        "<application><member>any", "<application><member>mine"
    )
    base = replace(BASE, pre=used, objects=custom("1"))
    with firewall(base) as mock:
        made = saved(live(mock))
        mock.push(replace(base, objects=custom("2")).answer())
        with pytest.raises(StalePlanError, match="mine of others"):
            check_fresh(made, live(mock), PANOS)


def test_an_object_of_a_rule_between_other_zones_does_not_count() -> None:
    base = Policy(pre=rule("it", enter="IT", leave="DMZ", source="bad"), objects=objects(BAD))
    with firewall(base) as mock:
        made = saved(live(mock))
        mock.push(replace(base, objects=objects(address("bad", "10.9.0.0/16"))).answer())
        check_fresh(made, live(mock), PANOS)


def test_an_object_of_a_local_rule_above_counts_too() -> None:
    local = "<address><entry name='theirs'><ip-netmask>10.{}.0.0/16</ip-netmask></entry></address>"
    body = "<source><member>theirs</member></source>"
    with firewall(Policy(), other_rule("mine", body), more=local.format(3)) as mock:
        desired = plant(flows(), position=Position(where="last"))
        made = from_file(plan_device(desired, live(mock), PANOS))
        assert made.basis is not None
        assert list(made.basis.above) == ["mine"]
        mock.edit("set", VSYS, local.format(4), commit=True)
        with pytest.raises(StalePlanError, match="theirs of others"):
            check_fresh(made, live(mock), PANOS)


REFUSED = b'<response status="error" code="16"><msg><line>no right</line></msg></response>'


@pytest.mark.parametrize("first", [True, False])
def test_whether_the_pushed_rules_could_be_read_is_part_of_it(first: bool) -> None:  # noqa: FBT001 - a row of a table
    def refuse(mock: PanosMock) -> None:
        mock.fail("body", contains="pushed-shared-policy", times=100, body=REFUSED)

    with firewall(BASE) as mock:
        if first:
            refuse(mock)
        made = saved(live(mock))
        check_fresh(made, live(mock), PANOS)
        if first:
            mock.device.faults.waiting.clear()
        else:
            refuse(mock)
        with pytest.raises(StalePlanError, match="what of the rules that Panorama pushed cannot"):
            check_fresh(made, live(mock), PANOS)


def test_a_plan_from_a_snapshot_is_fresh_on_the_device() -> None:
    described = replace(BASE, pre=rule("first", source="bad", more="<description>x</description>"))
    with firewall(described) as mock:
        with PANOS.connect(target_of(mock), read_only=True) as session:
            kept = PANOS.mask(session.read())
        made = saved(PANOS.parse(kept))
        check_fresh(made, live(mock), PANOS)
        mock.push(replace(described, pre=SECOND).answer())
        with pytest.raises(StalePlanError, match=f"{PRE}first is gone"):
            check_fresh(made, live(mock), PANOS)


def test_a_plan_of_an_older_release_is_compared_by_what_it_has() -> None:
    with firewall(BASE) as mock:
        found = live(mock)
        made = plan_device(plant(flows()), found, PANOS)
        document = device_json(made)
        assert made.basis is not None
        assert document["basis"].keys() >= {*LATER_PARTS}
        older = replace(made.basis, pushed=None, pushed_order=None, pushed_unread=None, named=None)
        made = device_of(document | {"basis": basis_json(older), "fingerprint": fingerprint(older)})
        assert made.basis == older
        mock.push(replace(BASE, pre=SECOND).answer())
        check_fresh(made, live(mock), PANOS)
