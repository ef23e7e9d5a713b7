"""What a mock firewall fills by itself: in the shapes of real answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from lxml import etree

from segctl_mocks import PanosMock

if TYPE_CHECKING:
    from pathlib import Path

Ask: TypeAlias = Callable[..., Any]

GROUPS = "<show><object><dynamic-address-group><all/></dynamic-address-group></object></show>"
NAMES = "<show><dns-proxy><fqdn><all/></fqdn></dns-proxy></show>"
FEED = (
    "<external-list><entry name='feed'><type><ip><url>x</url></ip></type></entry></external-list>"
)


@pytest.fixture
def observed(third_party: Path) -> Path:
    folder = third_party.parent / "observe-samples" / "panos-op"
    if not folder.is_dir():
        pytest.skip("recorded answers are not here: set SEGCTL_THIRD_PARTY")
    return folder


def show(kind: str = "ip", name: str = "feed", page: str = "") -> str:
    inside = f"<{kind}><name>{name}</name>{page}</{kind}>"
    shown = f"<show><type>{inside}</type></show>"
    return f"<request><system><external-list>{shown}</external-list></system></request>"


def shape(element: Any) -> Any:
    """The tags of an answer, with the names of their attributes."""
    return element.tag, sorted(element.keys()), [shape(child) for child in element]


def test_dynamic_groups_have_the_recorded_shape(
    op: Ask, mock: PanosMock, vsys: str, observed: Path
) -> None:
    group = "<entry name='testBlock'><dynamic><filter>'malicious'</filter></dynamic></entry>"
    mock.edit("set", f"{vsys}/address-group", group, commit=True)
    mock.register("10.0.0.1", "malicious")
    mock.register("10.0.0.2", "malicious")
    recorded = etree.parse(observed / "show_dynamic_address_group.xml").find("result")
    found = op(GROUPS).find("result")
    assert shape(found) == shape(recorded)
    assert found.itertext("group-name") is not None
    assert [one.get("name") for one in found.iter("entry") if one.get("name")] == [
        "10.0.0.1",
        "10.0.0.2",
    ]


@pytest.mark.parametrize(
    ("wanted", "tags", "inside"),
    [
        ("'a'", ("a",), True),
        ("'a'", ("b",), False),
        ("'a' and 'b'", ("a",), False),
        ("'a' and ('b' or 'c')", ("a", "c"), True),
        ("'a' and 'b' or 'c'", ("c",), True),
        ("'a' and ('b' or 'c')", ("c",), False),
        ("a or b", ("b",), True),
        ("", ("a",), False),
    ],
)
def test_filters(
    op: Ask,
    mock: PanosMock,
    vsys: str,
    wanted: str,
    tags: tuple[str, ...],
    inside: bool,  # noqa: FBT001 - a column of the table
) -> None:
    group = f"<entry name='g'><dynamic><filter>{wanted}</filter></dynamic></entry>"
    mock.edit("set", f"{vsys}/address-group", group, commit=True)
    mock.register("10.0.0.1", *tags)
    assert bool(op(GROUPS).findall(".//member-list/entry")) is inside


def test_shared_groups_name_no_system(op: Ask, mock: PanosMock) -> None:
    group = "<entry name='g'><dynamic><filter>x</filter></dynamic></entry>"
    mock.edit("set", "/config/shared/address-group", group, commit=True)
    (entry,) = op(GROUPS).findall("result/dyn-addr-grp/entry")
    assert entry.find("vsys") is None


def test_pages_of_a_list(op: Ask, mock: PanosMock, vsys: str) -> None:
    mock.edit("set", vsys, FEED, commit=True)
    every = tuple(f"10.0.{n >> 8}.{n & 255}" for n in range(250))
    mock.fetch("feed", *every)
    found = op(show()).find("result")
    assert (found.get("total-count"), found.get("count")) == ("250", "100")
    assert len(found.findall("external-list/valid-members/member")) == 100
    pages = [
        op(show(page=f"<anchor>{anchor}</anchor><num-records>120</num-records>"))
        for anchor in (1, 121, 241)
    ]
    assert [one.text for page in pages for one in page.iter("member")] == list(every)
    past = op(show(page="<anchor>251</anchor>")).find("result")
    assert past.get("count") == "100"
    assert past.find(".//member") is None


def test_lists_are_refused_under_the_other_type(op: Ask, mock: PanosMock, vsys: str) -> None:
    mock.edit("set", vsys, FEED, commit=True)
    mock.fetch("panw-known-ip-list", "192.0.2.1")
    assert op(show()).get("status") == "success"
    assert op(show("predefined-ip", "panw-known-ip-list")).get("status") == "success"
    for kind, name in (("predefined-ip", "feed"), ("ip", "panw-known-ip-list"), ("ip", "x")):
        refused = op(show(kind, name))
        assert refused.get("code") == "17"
        assert "is invalid name.Current target-vsys is vsys1" in "".join(refused.itertext())


@pytest.mark.parametrize("version", ["8.1.3", "11.1.6"])
def test_names_are_a_table_of_text(version: str) -> None:
    mock = PanosMock(users={"admin": "pw"}, sw_version=version)
    place = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
    hosts = "".join(f"<entry name='o{n}'><fqdn>{n}.example</fqdn></entry>" for n in (1, 2))
    mock.edit("set", f"{place}/address", hosts, commit=True)
    mock.resolve("1.example", "192.0.2.1", "2001:db8::1")
    params = {"type": "op", "cmd": NAMES, "key": mock.key("admin")}
    (result,) = etree.fromstring(mock.handle(params).content()).iterfind("result")
    text = result.text or ""
    assert len(result) == 0
    lines = text.splitlines()
    assert lines[0].startswith("FQDN Table : ")
    at = next(number for number, line in enumerate(lines) if line.startswith("1.example"))
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == ["192.0.2.1", "2001:db8::1"]
    assert ("::  unknown" in text) == (version == "11.1.6")
