"""Mocks of each platform are found by entry point and keep what `segctl_mocks.platforms` asks."""

from __future__ import annotations

import pytest

from segctl_mocks import (
    Authority,
    HostSpec,
    Mock,
    PanosMock,
    Platform,
    Surroundings,
    installed,
    platform,
)
from segctl_mocks.linux.platform import NftablesMocks
from segctl_mocks.panos.platform import PanosMocks

#: The type checker holds ours to the protocol.
OURS: dict[str, Platform] = {"nftables": NftablesMocks(), "panos": PanosMocks()}
ANY = "".join(
    f"<{name}><member>any</member></{name}>"
    for name in ("from", "to", "source", "destination", "service", "source-user", "category")
)
ALLOW = f"<action>allow</action>{ANY}<application><member>ssl</member></application>"
RULES = (
    "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
    "/rulebase/security/rules"
)


@pytest.fixture(scope="module")
def surroundings() -> Surroundings:
    return Surroundings(authority=Authority.create(), job_seconds=0.0)


def test_ours_are_found() -> None:
    assert installed() == set(OURS)
    for name, ours in OURS.items():
        assert type(platform(name)) is type(ours)


def test_a_platform_without_mocks_is_named() -> None:
    with pytest.raises(ValueError, match=r"no mock for platform 'acme'; installed: nftables, pano"):
        platform("acme")


@pytest.mark.parametrize("name", OURS)
def test_each_listens_where_it_says(name: str, surroundings: Surroundings) -> None:
    spec = HostSpec(platform=name, interfaces=("lan", "wan"))
    mock: Mock = platform(name).make("one", spec, surroundings)
    with mock:
        assert mock.port > 0
        assert mock.host == "127.0.0.1"
        assert bool(mock.host_key_line) is (mock.transport == "SSH")


@pytest.mark.parametrize("name", OURS)
def test_where_there_is_nothing_to_open_nothing_is_said(
    name: str, surroundings: Surroundings
) -> None:
    with platform(name).make("one", HostSpec(platform=name), surroundings) as mock:
        assert not mock.tamper()


def test_a_firewall_is_opened_as_by_hand(surroundings: Surroundings) -> None:
    mock = platform("panos").make("one", HostSpec(), surroundings)
    assert isinstance(mock, PanosMock)
    mock.edit("set", RULES, f"<entry name='web'>{ALLOW}</entry>", commit=True)
    assert mock.tamper() == "opens rule web to any application."
    assert b"<member>ssl</member>" not in mock.running()
