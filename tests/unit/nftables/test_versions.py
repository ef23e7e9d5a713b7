"""A table that one version of nft wrote is the same policy to every other, on a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from segctl.errors import UnsupportedError
from segctl.intent import Flow, PortRange, ProtocolUse
from segctl.plan import plan_device
from segctl.providers.nftables import agent, functions, names
from segctl.testing import desired as any_desired
from support.lab import refused
from support.nft import PROVIDER, Kernel, asset, desired, firewall, live, tcp
from support.nft_versions import USABLE, nft_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.compile import Desired
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
PAIRS = [(writer, reader) for writer in USABLE for reader in USABLE]


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


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_what_one_version_wrote_is_no_change_to_another(
    kernel: Kernel, writer: str, reader: str
) -> None:
    nft_of(reader)
    emptied(kernel, writer)
    kernel.reach(WANTED)
    use(kernel, reader)
    made = kernel.reach(WANTED)
    assert made.changes == ()
    assert not [one for one in made.findings if "things that no packet meets" in one.message]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_a_boot_file_of_one_version_is_no_change_when_another_has_loaded_it(
    kernel: Kernel, writer: str, reader: str
) -> None:
    nft_of(reader)
    emptied(kernel, writer)
    kernel.reach(WANTED)
    kept = kernel.run("nft -s list table inet segctl")
    emptied(kernel, reader)
    kernel.run("nft -f -", kept)
    assert kernel.reach(WANTED).changes == ()
    use(kernel, writer)
    assert kernel.reach(WANTED).changes == ()


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


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("suite", USABLE)
def test_an_edit_by_hand_is_drift_to_every_version(kernel: Kernel, suite: str, edit: str) -> None:
    emptied(kernel, suite)
    kernel.reach(WANTED)
    kernel.run("nft -f -", edit + "\n")
    assert kernel.reach(WANTED).changes, "an edit goes unseen"
    assert kernel.reach(WANTED).changes == ()


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


@pytest.mark.parametrize("suite", USABLE)
def test_the_lock_of_a_newer_nft_is_read_by_an_older(kernel: Kernel, suite: str) -> None:
    emptied(kernel, "bookworm")
    kernel.reach(WANTED)
    use(kernel, suite)
    kernel.run(
        "nft -f -",
        f"create set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
        f'add element {names.TABLE} {names.LOCK} {{ 1 comment "somebody" }}\n',
    )
    use(kernel, "bookworm")
    assert "somebody" in kernel.run("nft -j list table inet segctl")
    kernel.run(agent.command("", "unlock", "somebody", "0"))
    assert "somebody" not in kernel.run("nft -j list table inet segctl")


@pytest.mark.parametrize("suite", USABLE)
def test_a_lock_is_held_by_one_and_leaves_nothing(kernel: Kernel, suite: str) -> None:
    emptied(kernel, suite)
    take = (
        f"add table {names.TABLE}\n"
        f"create set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
        f'add element {names.TABLE} {names.LOCK} {{ 1 comment "somebody" }}\n'
    )
    kernel.run("nft -f -", take)
    assert "File exists" in kernel.run("nft -f -", take, code=1)
    assert live(kernel.run("nft -j list table inet segctl")).pending == (("somebody", "its lock"),)
    kernel.run(agent.command("", "unlock", "somebody", "1"))
    assert agent.ABSENT in kernel.run("nft -j list table inet segctl", code=1)


@pytest.mark.parametrize("suite", USABLE)
def test_a_guard_goes_back_on_every_version(kernel: Kernel, suite: str) -> None:
    emptied(kernel, suite)
    kernel.reach(WANTED)
    before = kernel.run("nft -s list table inet segctl")
    script = plan_device(desired(*FLOWS[:2]), kernel.live(), PROVIDER).script
    size = str(len(script.encode()))
    kernel.run(agent.command("", "go", "p", "0", size), script)
    assert kernel.reach(desired(*FLOWS[:2])).changes == ()
    kernel.run(agent.command("", "revert", "p"))
    assert kernel.run("nft -s list table inet segctl") == before
    kernel.run("rm -rf /run/segctl")
