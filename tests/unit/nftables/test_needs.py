"""What a Linux host says of how it is managed and what it asks of others."""

from __future__ import annotations

import json
import os
import posixpath
import subprocess
from contextlib import closing

import pytest

from segctl.providers.management import Need, Plane
from segctl.providers.nftables import NftablesProvider, agent
from segctl.providers.nftables.needs import MOST, management
from segctl.providers.nftables.session import NftSession
from segctl_mocks.linux.mock import LinuxMock
from support.nft_harness import mock_target

SSH = "ssh 10.20.35.9\n"


def needs(text: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(one.name, one.hosts, one.services) for one in management(text).needs]


def test_it_is_managed_where_the_session_came_to() -> None:
    found = management(SSH)
    assert found.planes == (Plane(address="10.20.35.9", interface="", manages=True),)
    assert found.unread == ()


def test_names_of_servers_are_joined_by_service() -> None:
    text = (
        "/etc/resolv.conf:nameserver 127.0.0.53\n"
        "/run/systemd/resolve/resolv.conf:nameserver 10.20.35.53\n"
        "/run/systemd/resolve/resolv.conf:nameserver fe80::1%eth0\n"
        "/etc/chrony/chrony.conf:pool ntp.example.org iburst maxsources 4\n"
        "/etc/chrony/sources.d/plant.sources:  server 10.20.35.123 prefer\n"
    )
    assert needs(text) == [
        ("dns", ("10.20.35.53", "fe80::1"), ("udp/53", "tcp/53")),
        ("ntp", ("ntp.example.org", "10.20.35.123"), ("udp/123",)),
    ]


def test_timesyncd_lists_several() -> None:
    text = "/etc/systemd/timesyncd.conf:NTP=10.20.35.123 10.20.35.124\n"
    assert needs(text) == [("ntp", ("10.20.35.123", "10.20.35.124"), ("udp/123",))]


@pytest.mark.parametrize(
    ("line", "host", "service"),
    [
        ("*.* @10.20.35.14", "10.20.35.14", "udp/514"),
        ("*.*;auth.none   @@logs.example.org:6514", "logs.example.org", "tcp/6514"),
        ("*.* @(o)[2001:db8::14]:1514;RSYSLOG_Format", "2001:db8::14", "udp/1514"),
        (
            '*.* action(type="omfwd" Target="10.20.35.14" Port="1514" Protocol="tcp")',
            "10.20.35.14",
            "tcp/1514",
        ),
    ],
)
def test_logs_are_sent_on(line: str, host: str, service: str) -> None:
    assert needs(f"/etc/rsyslog.d/90-plant.conf:{line}\n") == [("syslog", (host,), (service,))]


@pytest.mark.parametrize(
    "line",
    [
        'action(type="omfwd"',
        'target="10.20.35.14"',
        '*.* action(type="omfwd" target="10.20.35.14" protocol="relp")',
        'action(type="omfwd" target=`echo $SERVER` port="514")',
        "*.* @$SERVER somewhere",
    ],
)
def test_a_way_of_writing_that_is_not_understood_is_said(line: str) -> None:
    found = management(f"/etc/rsyslog.conf:{line}\n")
    assert found.needs == ()
    assert found.unread == ("a line of /etc/rsyslog.conf is not understood",)


def test_what_may_not_be_read_and_what_is_too_much_is_said() -> None:
    found = management("closed /etc/chrony/chrony.conf\n" + "x" * MOST)
    assert found.unread == (
        "/etc/chrony/chrony.conf may not be read by the account",
        "its configuration files name more servers than are read",
    )


def test_a_host_that_names_no_server_needs_none() -> None:
    assert management(SSH).needs == ()


FILES = {
    "/etc/resolv.conf": "# by hand\nnameserver 10.20.35.53\nsearch example.org\n",
    "/etc/rsyslog.d/90-plant.conf": "*.* @10.20.35.14\n#*.* @10.20.35.15\n",
}


def read() -> bytes:
    with LinuxMock("fw") as mock:
        for path, text in FILES.items():
            folder = posixpath.dirname(path)
            assert mock.edit(f"mkdir -p {folder} && cat > {path}", text).status == 0
        session = NftSession(mock_target(mock), read_only=True, progress=lambda _: None)
        with closing(session):
            return session.read()


def test_it_is_read_over_ssh_and_not_kept_in_snapshots() -> None:
    config = read()
    found = NftablesProvider().parse(config).management
    assert found is not None
    assert [one.address for one in found.planes] == ["127.0.0.1"]
    assert found.needs == (
        Need(name="dns", hosts=("10.20.35.53",), services=("udp/53", "tcp/53")),
        Need(name="syslog", hosts=("10.20.35.14",), services=("udp/514",)),
    )
    masked = NftablesProvider().mask(config)
    assert b"10.20.35.53" not in masked
    kept = NftablesProvider().parse(masked).management
    assert kept is not None
    assert (kept.planes, kept.needs) == ((), ())
    assert kept.unread


def test_a_document_of_before_says_nothing_of_it() -> None:
    fields = json.loads(read())
    del fields["needs"]
    assert NftablesProvider().parse(json.dumps(fields).encode()).management is None


def test_a_real_shell_answers_alike() -> None:
    """The reader's own lines, run by the shell of this machine."""
    said = subprocess.run(
        ["sh", "-c", agent.READER.replace("/usr/sbin/nft", "true"), "reader", "word"],
        env={**os.environ, "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    part = said.partition("word begin needs\n")[2].partition("\nword end")[0]
    assert management(part).planes == (Plane(address="192.0.2.2", interface="", manages=True),)
