"""A table that one version of nft wrote is the same policy to every other, on a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from segctl.model.errors import UnsupportedError
from segctl.model.site import Flow, PortRange, ProtocolUse
from segctl.planning.make import plan_device
from segctl.providers.nftables import agent, functions, names
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.records import read_records
from segctl.testing import desired as any_desired
from support.lab import refused
from support.nft import PROVIDER, Kernel, asset, desired, firewall, tcp
from support.nft_versions import USABLE, nft_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.compiler.build import Desired
    from segctl.providers.base import Live

#: Everything that segctl writes: ports, ranges, echo, and every function that it judges.
FLOWS = (
    Flow(id="f1", sources=(asset("supv", "a1"),), services=(tcp(502), tcp(80, 90))),
    Flow(id="f2", services=(tcp(443), PortRange(protocol="udp", first=53, last=53)), log=False),
    Flow(id="f3", services=(PortRange(protocol="icmp", first=0, last=0),)),
    *(
        Flow(id=f"{protocol}.{word}", protocols=(ProtocolUse(protocol=protocol, classes=(word,)),))
        for protocol, shape in functions.SHAPES.items()
        for word in shape.classes
    ),
)
WANTED = desired(*FLOWS)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A namespace for the module: versions share its tables, as on a host."""
    if reason := refused():
        pytest.skip(reason)
    made = Kernel()
    yield made
    made.close()


def use(kernel: Kernel, suite: str) -> None:
    """Let the nft of a suite be the host's."""
    found = nft_of(suite)
    kernel.use(found)
    assert f"v{found.version}" in kernel.run("nft --version")


def emptied(kernel: Kernel, suite: str) -> None:
    """Begin with no table at all."""
    use(kernel, suite)
    kernel.run("nft flush ruleset")


@pytest.mark.parametrize("writer", USABLE)
def test_what_one_version_wrote_is_no_change_to_another(kernel: Kernel, writer: str) -> None:
    emptied(kernel, writer)
    kernel.reach(WANTED)
    for reader in USABLE:
        use(kernel, reader)
        made = kernel.reach(WANTED)
        assert made.changes == (), reader
        assert not [one for one in made.findings if "items that no packet reaches" in one.message]


@pytest.mark.parametrize("suite", USABLE)
def test_a_table_that_was_put_to_sleep_is_told_from_one_that_is_awake(
    kernel: Kernel, suite: str
) -> None:
    emptied(kernel, suite)
    kernel.reach(WANTED)
    assert not read_table(kernel.run("nft -j list table inet segctl")).strange
    kernel.run("nft 'add table inet segctl { flags dormant; }'")
    (found,) = read_table(kernel.run("nft -j list table inet segctl")).strange
    assert "may be dormant" in found
    assert kernel.reach(WANTED).changes
    assert "dormant" not in kernel.run("nft list table inet segctl")


@pytest.mark.parametrize("writer", USABLE)
def test_a_boot_file_of_one_version_is_no_change_when_another_has_loaded_it(
    kernel: Kernel, writer: str
) -> None:
    emptied(kernel, writer)
    kernel.reach(WANTED)
    kept = kernel.run("nft -s list table inet segctl")
    for reader in USABLE:
        emptied(kernel, reader)
        kernel.run("nft -f -", kept)
        assert kernel.reach(WANTED).changes == (), reader
        use(kernel, writer)
        assert kernel.reach(WANTED).changes == (), reader


#: Edits by hand, each of something that versions list in different ways.
EDITS = (
    "insert rule inet segctl is_modbus.read accept",
    "insert rule inet segctl is_dnp3.read @ih,24,8 & 0x7 != 0x4 accept",
    "insert rule inet segctl is_dnp3.read @ih,24,8 & 0xf0 != 0x40 accept",
    "insert rule inet segctl is_iec-60870-5-104.read @ih,16,8 & 0x2 == 0x2 accept",
    "insert rule inet segctl pair_SUPV/CTRL ct mark & 0xfffe0000 == 0x00010000 accept",
    "insert rule inet segctl pair_SUPV/CTRL ct mark & 0xffff0000 == 0x00990000 accept",
    "add element inet segctl x4_modbus { 80 . 60 . 6 }",
    "add element inet segctl a4_supv.a1 { 192.0.2.0/24 }",
    'add element inet segctl zoned { "e9" }',
)


@pytest.mark.parametrize("suite", USABLE)
def test_an_edit_by_hand_is_drift_to_every_version(kernel: Kernel, suite: str) -> None:
    emptied(kernel, suite)
    kernel.reach(WANTED)
    for edit in EDITS:
        kernel.run("nft -f -", edit + "\n")
        assert kernel.reach(WANTED).changes, f"an edit goes unseen: {edit}"
        assert kernel.reach(WANTED).changes == (), edit


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=any_desired(firewall(), PROVIDER.capabilities))
def test_any_policy_is_the_same_to_every_version(kernel: Kernel, wanted: Desired) -> None:
    fitted, _ = PROVIDER.fit(wanted.policy, wanted.device)
    for writer in USABLE:
        emptied(kernel, writer)
        kernel.reach(wanted)
        for reader in USABLE:
            use(kernel, reader)
            held: Live = kernel.live()
            assert held.policy.rules == fitted.rules
            assert held.policy.digest == fitted.digest


def test_a_version_that_cannot_comment_objects_is_refused(kernel: Kernel) -> None:
    emptied(kernel, "bullseye")
    counter = 'add counter ip t c { packets 0 bytes 0 comment "x"; }'
    kernel.run("nft -f -", f"add table ip t\n{counter}\n")
    assert "comment" not in kernel.run("nft -j list table ip t")
    with pytest.raises(UnsupportedError, match=r"has nft 0\.9\.8, which cannot comment objects"):
        kernel.live()


PUSH, LOCK, TOKEN = "0x0000abcd", "0x00000007", "00000007"
#: What holds the lock, and what makes a script a push.
HOLDS = (
    f"add table {names.TABLE}\n"
    f"create set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
    f"add element {names.TABLE} {names.LOCK} "
    f'{{ {LOCK} comment "segctl a@b 1 2 {TOKEN} 60 - - -" }}\n'
)
BEARS = (
    f"# segctl switch\nadd set {names.TABLE} {names.PUSH} {{ {names.LOCK_MADE} }}\n"
    f"add element {names.TABLE} {names.PUSH} "
    f'{{ {PUSH} comment "push {TOKEN} since 60 a@b - -" }}\n'
)


@pytest.mark.parametrize("suite", USABLE)
def test_the_lock_of_a_newer_nft_is_read_by_an_older(kernel: Kernel, suite: str) -> None:
    emptied(kernel, "bookworm")
    kernel.reach(WANTED)
    use(kernel, suite)
    kernel.run("nft -f -", HOLDS)
    use(kernel, "bookworm")
    (held,) = read_records(kernel.run("nft -j list table inet segctl")).locks
    assert (held.key, held.comment) == (LOCK, f"segctl a@b 1 2 {TOKEN} 60 - - -")
    kernel.run("nft -f -", f"delete element {names.TABLE} {names.LOCK} {{ {LOCK} }}\n")
    assert read_records(kernel.run("nft -j list table inet segctl")).locks == ()


@pytest.mark.parametrize("suite", USABLE)
def test_a_lock_is_held_by_one(kernel: Kernel, suite: str) -> None:
    emptied(kernel, suite)
    kernel.run("nft -f -", HOLDS)
    assert "File exists" in kernel.run("nft -f -", HOLDS, code=1)
    other = f"delete element {names.TABLE} {names.LOCK} {{ 0x00000008 }}\n"
    assert kernel.run("nft -f -", other, code=1)


@pytest.mark.parametrize("suite", USABLE)
def test_a_push_is_taken_back_on_every_version(kernel: Kernel, suite: str) -> None:
    emptied(kernel, suite)
    kernel.reach(WANTED)
    before = kernel.run("nft -s list table inet segctl")
    script = plan_device(desired(*FLOWS[:2]), kernel.live(), PROVIDER).script
    script = script.replace("# segctl switch\n", BEARS)
    kernel.run("nft -f -", HOLDS)
    words = (PUSH, LOCK, TOKEN, "0", str(len(script.encode())))
    kernel.run(agent.command("", "go", *words), script)
    assert kernel.reach(desired(*FLOWS[:2])).changes == ()
    kernel.run(agent.command("", "revert", PUSH, LOCK, TOKEN))
    kernel.run(f"nft delete set {names.TABLE} {names.LOCK}")
    assert kernel.run("nft -s list table inet segctl") == before
