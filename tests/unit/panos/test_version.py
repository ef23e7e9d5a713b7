"""PAN-OS older than what segctl supports is refused, unless the inventory takes the risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.fleet.connections import target
from segctl.model.errors import UnsupportedError
from segctl.model.scope import Scope
from segctl.providers.panos import version
from segctl.testing import apply, plan, read
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl_mocks import PanosMock
from support.panos import PanosBench, PanosHarness, boot
from support.plants import flow, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = plant(flow("web", ports=(443,)))


@pytest.fixture
def old() -> Iterator[PanosMock]:
    with PanosMock("fw1", sw_version="9.0.16-h3", job_seconds=0.0) as mock:
        boot(mock)
        yield mock


@pytest.mark.parametrize("text", ["9.1.0", "9.1", "9.10.2", "10.0.5-h1", "11.1.6-h3", "12.1.2"])
def test_what_is_supported(text: str) -> None:
    assert version.is_supported(text)
    assert not version.warnings(text)


@pytest.mark.parametrize("text", ["9.0.99", "8.1.3", "7.1.0-b4", "", "unknown", "11", "v11.1"])
def test_what_is_not(text: str) -> None:
    assert not version.is_supported(text)
    with pytest.raises(UnsupportedError, match=r"fw1: .*segctl_allow_unsupported_version: true"):
        version.check(Target(name="fw1", host="fw1"), text)
    version.check(Target(name="fw1", host="fw1", allow_unsupported_version=True), text)


def test_an_old_device_is_refused_before_its_configuration_is_read(old: PanosMock) -> None:
    harness = PanosHarness(old)
    with pytest.raises(UnsupportedError, match=r"fw1: runs PAN-OS 9\.0\.16-h3, .*9\.1 and newer"):
        plan(harness, PanosBench(old, {}), WEB)
    assert not any("vsys1" in str(request) for request in old.requests)
    plan(harness, PanosBench(old, {}, any_version=True), WEB)
    assert any("vsys1" in str(request) for request in old.requests)


def test_at_ones_own_risk_it_goes_on_and_says_so(old: PanosMock) -> None:
    harness, bench = PanosHarness(old), PanosBench(old, {}, any_version=True)
    made = plan(harness, bench, WEB)
    assert any("at your own risk" in finding.message for finding in made.findings)
    assert apply(harness, bench, made).status == "applied"
    assert read(harness, bench).policy.rules


def test_the_variable_reaches_the_session() -> None:
    connection = {"ansible_user": "u", "ansible_password": Secret("pw")}
    assert not target("fw1", connection, Scope(name="vsys1")).allow_unsupported_version
    allowed = {**connection, "segctl_allow_unsupported_version": True}
    assert target("fw1", allowed, Scope(name="vsys1")).allow_unsupported_version
