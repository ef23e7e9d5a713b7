"""Many devices at once: one that fails is a value, and Ctrl-C stops each of them once."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.compiler.build import Desired
from segctl.fleet import (
    Brake,
    Failure,
    apply_plans,
    internal,
    plan_devices,
    target,
    tasks,
    unverified,
)
from segctl.fleet.connections import portable
from segctl.fleet.failures import failure_of
from segctl.model.errors import ConnectError, LockedError, PlanError
from segctl.model.policy import DeclaredPolicy
from segctl.model.scope import DEFAULT_SCOPE, Scope
from segctl.planning.apply import Order
from segctl.planning.plan import DevicePlan
from segctl.transports.credentials import Secret
from segctl.transports.target import Member
from support.changes import change
from support.panos import firewall

if TYPE_CHECKING:
    from segctl.transports.target import Target

CONNECTIONS = {
    f"fw{number}": {"ansible_user": "me", "ansible_password": Secret("x")} for number in range(4)
}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LockedError("fw1", "held by jane"), "locked", "held by jane"),
        (PlanError("fw1: no such rule"), "plan", "no such rule"),
        (KeyboardInterrupt(), "interrupted", "interrupted: nothing was read"),
        (ValueError("bad"), "internal", "a defect in segctl, please report it: ValueError: bad"),
    ],
)
def test_a_failure_names_its_cause(error: BaseException, code: str, message: str) -> None:
    found = failure_of("fw1", error)
    assert (found.device, found.code, found.message) == ("fw1", code, message)


def test_a_defect_is_found_by_its_place() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        divmod(1, 0)
    assert "ZeroDivisionError: " in (said := internal(caught.value))
    assert " at test_run.py:" in said


def test_the_brake_stops_each_device_once() -> None:
    brake, told = Brake(), list[str]()
    step = brake.watch(told.append)
    step("reading")
    brake.press()
    brake.press()
    with pytest.raises(KeyboardInterrupt):
        step("writing")
    step("going back")
    assert told == ["reading", "going back"]
    other = brake.watch(told.append)
    with pytest.raises(KeyboardInterrupt):
        other("reading")


def test_after_the_brake_no_further_device_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    brake, asked = Brake(), Asked()

    def provider(_platform: str) -> Asked:
        brake.press()
        return asked

    monkeypatch.setattr(tasks, "provider", provider)
    desired = [
        Desired(device=firewall(f"fw{number}"), policy=DeclaredPolicy()) for number in range(4)
    ]
    found = plan_devices(
        desired, CONNECTIONS, forks=1, report=lambda _device, _step: None, brake=brake
    )
    assert [one.code for one in found if isinstance(one, Failure)] == ["locked"] + 3 * [
        "interrupted"
    ]
    assert asked.read_only == [True]


def test_a_device_that_cannot_even_be_asked_hides_no_other() -> None:
    plans = [
        DevicePlan(name="fw1", platform="panos"),
        DevicePlan(name="fw2", platform="nonsense", changes=(change("create"),)),
        DevicePlan(name="fw3", platform="panos", changes=(change("create"),)),
    ]
    told: list[tuple[str, str]] = []
    outcomes = apply_plans(
        plans,
        {name: {"ansible_user": "me", "ansible_password": Secret("x")} for name in ("fw1", "fw2")},
        forks=2,
        order=Order(),
        brake=Brake(),
        report=lambda device, step: told.append((device, step)),
    )
    assert [outcome.code for outcome in outcomes] == ["", "unsupported", "auth"]
    assert [outcome.status for outcome in outcomes] == ["unchanged", "failed", "failed"]
    assert not any(outcome.message.startswith("fw") for outcome in outcomes)
    assert {device for device, step in told if not step} >= {"fw2"}


class Asked:
    """A provider that only notes how it was asked to connect."""

    def __init__(self) -> None:
        self.read_only: list[bool] = []

    def connect(self, target: Target, *, read_only: bool, progress: object) -> None:
        del progress
        self.read_only.append(read_only)
        raise LockedError(target.name, "asked")


def test_plans_open_sessions_that_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()

    def provider(_platform: str) -> Asked:
        return asked

    monkeypatch.setattr(tasks, "provider", provider)
    connections = {"fw1": {"ansible_user": "me", "ansible_password": Secret("x")}}
    desired = Desired(device=firewall("fw1"), policy=DeclaredPolicy())
    (found,) = plan_devices([desired], connections, forks=1, report=lambda _device, _step: None)
    assert found == Failure(device="fw1", code="locked", message="asked")
    plan = DevicePlan(name="fw1", platform="panos", changes=(change("create"),))
    apply_plans(
        [plan],
        connections,
        forks=1,
        order=Order(),
        brake=Brake(),
        report=lambda _device, _step: None,
    )
    assert asked.read_only == [True, False]


def test_no_device_is_no_work() -> None:
    assert plan_devices([], {}, forks=4, report=lambda _device, _step: None) == ()


def test_a_target_is_read_from_the_connection_variables() -> None:
    found = target(
        "fw1",
        {
            "ansible_host": "192.0.2.1",
            "ansible_port": 4443,
            "ansible_user": "me",
            "ansible_password": Secret("x"),
            "segctl_ca_file": "/ca.pem",
            "segctl_timeout": 2.5,
            "segctl_commit_timeout": 30,
            "segctl_max_answer_mb": 2,
        },
        Scope(name="vsys2"),
    )
    assert (found.host, found.port, found.user, str(found.scope)) == (
        "192.0.2.1",
        4443,
        "me",
        "vsys2",
    )
    assert (found.ca_file, found.timeout, found.commit_timeout) == (Path("/ca.pem"), 2.5, 30.0)
    assert found.max_answer == 2 * 2**20
    assert found.tls_verify is True
    bare = target(
        "fw1", {"ansible_user": "me", "ansible_password": Secret("x")}, Scope(name="vsys1")
    )
    assert (bare.host, bare.port, bare.tls_verify, bare.ca_file) == ("fw1", 0, True, None)


def test_only_an_explicit_false_turns_verification_off_and_it_is_said() -> None:
    account = {"ansible_user": "me", "ansible_password": Secret("x")}
    for value in (None, "", 0, "false"):
        assert (
            target("fw1", {**account, "segctl_tls_verify": value}, DEFAULT_SCOPE).tls_verify is True
        )
    assert target("fw1", {**account, "segctl_tls_verify": False}, DEFAULT_SCOPE).tls_verify is False
    (said,) = unverified("fw1", {"fw1": {"segctl_tls_verify": False}})
    assert "NOT verified" in said.message
    assert not list(unverified("fw1", {"fw1": {}}))
    pinned = {"segctl_tls_verify": False, "segctl_tls_fingerprint": "ab"}
    assert not list(unverified("fw1", {"fw1": pinned}))


ACCOUNT = {"ansible_user": "me", "ansible_password": Secret("x")}


@pytest.mark.parametrize(
    ("allowed", "address", "fine"),
    [
        ("10.9.0.0/24", "10.9.0.7", True),
        ("10.9.0.0/24", "10.9.1.7", False),
        ("10.9.0.0/24 fd00::/64", "fd00::7", True),
        ("10.9.0.0/24", "fw1.plant.example", False),
        ("fw1.plant.example", "FW1.plant.example.", True),
        ("*.plant.example", "fw1.plant.example", True),
        ("*.plant.example", "plant.example.attacker.example", False),
        ("10.9.0.7", "10.9.0.7", True),
        ("", "198.51.100.1", True),
    ],
)
def test_a_password_goes_to_the_management_networks_only(
    allowed: str, address: str, *, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_MANAGEMENT", allowed)
    where = {**ACCOUNT, "ansible_host": address}
    if fine:
        assert target("fw1", where, Scope(name="vsys1")).host == address
        return
    with pytest.raises(ConnectError, match="no password was looked up") as found:
        target("fw1", where, Scope(name="vsys1"))
    assert address in found.value.message


@pytest.mark.parametrize("allowed", ["10.9.0.1/24", "*", "10.9.0.0/24 a/b"])
def test_a_management_network_that_is_none_is_said(
    allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_MANAGEMENT", allowed)
    with pytest.raises(ConnectError, match="neither a network nor a name"):
        target("fw1", {**ACCOUNT, "ansible_host": "10.8.0.7"}, Scope(name="vsys1"))


def test_the_members_of_a_cluster_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"fw1a": "10.8.0.1", "fw1b": "10.8.0.2"}
    connection = {**ACCOUNT, "ansible_host": "10.8.0.7", "segctl_members": members}
    travelled = pickle.loads(pickle.dumps(portable(connection)))
    assert travelled["segctl_members"] == members
    found = target("fw1", connection, DEFAULT_SCOPE)
    assert found.members == (
        Member(name="fw1a", host="10.8.0.1"),
        Member(name="fw1b", host="10.8.0.2"),
    )
    assert pickle.loads(pickle.dumps(found.members)) == found.members
    assert target("fw1", ACCOUNT, DEFAULT_SCOPE).members == ()
    # the password goes to them as well
    monkeypatch.setenv("SEGCTL_MANAGEMENT", "10.8.0.7/32 10.8.0.1/32")
    with pytest.raises(ConnectError, match=r"its address is 10\.8\.0\.2, which SEGCTL_MANAGEMENT"):
        target("fw1", connection, DEFAULT_SCOPE)
