"""Firewalls with other versions of nft than the host's, through OpenSSH, measured with packets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support import industrial as wire
from support.lab import Lab, conduit, lines
from support.nft_versions import USABLE, nft_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORT = 502
PLANT = conduit(
    "ot",
    "supv",
    "ctrl",
    "{read: {source: [supv1], protocols: {modbus: [read]}},"
    " full: {source: [supv2], protocols: {modbus: [read, write]}}}",
)
READ_ONLY = PLANT.replace("[read, write]", "[read]")
READS = {"read v4", "read v6"}
READ = wire.modbus(b"\x03\0\0\0\x0a")
WRITE = wire.modbus(b"\x06\0\x01\0\x02")
#: nft 1.0.6 aborts when it lists this table; it judges nothing that comes between our zones.
ABORTS = """
table inet other {
 chain forward { type filter hook forward priority 50; policy accept;
  ip saddr 192.0.2.1 tcp doff . tcp dport { 5 . 60, 6 . 70 } drop
 }
}
"""
#: What nft 1.1.2 and newer store of such a set crashes nft 1.0.6 whenever it looks at all sets.
NEWER = (
    "table ip newer {\n set s { type ipv4_addr; }\n"
    " chain f { type filter hook forward priority 50; }\n}\n"
)


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with a server that answers everything."""
    server = lab.python("ctrl1", wire.SINK, str(PORT))
    assert lines(server.stdout).readline() == "ready\n"
    return lab


@pytest.fixture
def empty(plant: Lab) -> Iterator[Lab]:
    """The firewall without any table, and the newest nft to take away what is left."""
    plant.use(nft_of("sid"))
    plant.nft("flush", "ruleset")
    plant.on_firewall("rm", "-f", "/etc/nftables.d/segctl.nft")
    yield plant
    plant.use(nft_of("sid"))
    plant.nft("flush", "ruleset")


def passes(lab: Lab, host: str) -> set[str]:
    """Return which requests of a host reach the controller, by what they are and IP version."""
    client = lab.python(host, wire.CLIENT)
    wanted = [
        [f"{name} v{version}", lab.address("ctrl1", version), PORT, [request.hex()]]
        for name, request in (("read", READ), ("write", WRITE))
        for version in (4, 6)
    ]
    out, _ = client.communicate(json.dumps(wanted) + "\n", timeout=60)
    return set(json.loads(out))


def applied(lab: Lab, inventory: Path) -> None:
    done = lab.segctl(inventory, "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    again = lab.segctl(inventory, "drift")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.parametrize("suite", USABLE)
def test_functions_are_judged_on_every_version(empty: Lab, suite: str) -> None:
    empty.use(nft_of(suite))
    applied(empty, empty.inventory(PLANT))
    assert passes(empty, "supv1") == READS
    assert len(passes(empty, "supv2")) == 4
    applied(empty, empty.inventory(READ_ONLY))
    assert passes(empty, "supv2") == READS
    assert passes(empty, "supv1") == READS


@pytest.mark.parametrize(("before", "after"), [("bookworm", "sid"), ("sid", "bookworm")])
def test_a_host_whose_nft_is_replaced_is_in_sync(empty: Lab, before: str, after: str) -> None:
    inventory = empty.inventory(PLANT)
    empty.use(nft_of(before))
    applied(empty, inventory)
    empty.use(nft_of(after))
    assert empty.segctl(inventory, "drift").returncode == 0
    empty.nft("flush", "ruleset")
    assert empty.segctl(inventory, "drift").returncode == 2
    empty.nft("-f", "/etc/nftables.d/segctl.nft")
    done = empty.segctl(inventory, "drift")
    assert done.returncode == 0, done.stdout
    assert passes(empty, "supv1") == READS
    applied(empty, empty.inventory(READ_ONLY))


def test_a_version_that_cannot_comment_objects_is_refused(empty: Lab) -> None:
    empty.use(nft_of("bullseye"))
    inventory = empty.inventory(PLANT)
    for command in (["plan"], ["drift"], ["apply", "--auto-approve"]):
        done = empty.segctl(inventory, *command)
        assert done.returncode == 1
        said = " ".join((done.stdout + done.stderr).split())
        assert "has nft 0.9.8, which cannot comment objects" in said
    empty.use(nft_of("sid"))
    assert empty.nft("list", "tables") == ""


def test_a_table_at_which_nft_aborts_keeps_nobody_from_revoking(empty: Lab) -> None:
    empty.use(nft_of("bookworm"))
    inventory = empty.inventory(PLANT)
    applied(empty, inventory)
    empty.nft("-f", "-", stdin=ABORTS)
    done = empty.segctl(inventory, "drift")
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "cannot tell what table inet other does to traffic between our zones" in said
    assert "nft crashed (Aborted)" in said
    done = empty.segctl(empty.inventory(READ_ONLY), "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert passes(empty, "supv2") == READS
    assert passes(empty, "supv1") == READS


def test_a_table_of_a_newer_nft_keeps_nobody_from_reading(empty: Lab) -> None:
    inventory = empty.inventory(PLANT)
    empty.use(nft_of("bookworm"))
    applied(empty, inventory)
    empty.use(nft_of("sid"))
    empty.nft("-f", "-", stdin=NEWER)
    before = empty.nft("-s", "list", "ruleset")
    empty.use(nft_of("bookworm"))
    done = empty.segctl(inventory, "drift")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot tell what table ip newer does" in " ".join(done.stdout.split())
    assert empty.segctl(inventory, "plan").returncode == 0
    # this nft cannot change anything any more, ours or not: that is said, and nothing is half made
    done = empty.segctl(empty.inventory(READ_ONLY), "apply", "--auto-approve")
    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "nft crashed (Segmentation fault); nothing was changed" in said
    assert "update nftables on the host" in said
    empty.use(nft_of("sid"))
    assert empty.nft("-s", "list", "ruleset") == before
    applied(empty, empty.inventory(READ_ONLY))
