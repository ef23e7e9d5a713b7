"""Tables on a real kernel: what is written is read back, and scripts carry differences only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from segctl.analysis.decide import decider
from segctl.model.site import Flow, PortRange, ProtocolUse
from segctl.planning.make import plan_device
from segctl.providers.nftables import agent
from segctl.providers.nftables.render import CLEAN, PREPARE, SWITCH
from segctl.testing import desired as any_desired
from support.lab import refused
from support.nft import PROVIDER, Kernel, asset, desired, firewall, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator

F1 = Flow(id="f1", sources=(asset("supv", "a1"),), services=(tcp(502), tcp(80, 90)))
F2 = Flow(id="f2", services=(tcp(443), PortRange(protocol="udp", first=53, last=53)), log=False)
READ = Flow(id="f3", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """nft in a namespace of its own."""
    if reason := refused():
        pytest.skip(reason)
    made = Kernel()
    yield made
    made.close()


def test_the_first_push_is_one_transaction(kernel: Kernel) -> None:
    made = kernel.reach(desired(F1, F2))
    assert PREPARE not in made.script
    assert CLEAN not in made.script
    assert kernel.reach(desired(F1, F2)).changes == ()


def test_a_new_source_comes_in_three_transactions(kernel: Kernel) -> None:
    kernel.reach(desired(F1, F2))
    wider = Flow(id="f1", sources=(asset("supv", "a1"), asset("supv", "a2")), services=F1.services)
    script = kernel.reach(desired(wider, F2)).script
    assert [line for line in script.splitlines() if line.startswith("#")] == [
        PREPARE,
        SWITCH,
        CLEAN,
    ]
    assert "rule_c1.f2" not in script
    assert kernel.reach(desired(wider, F2)).changes == ()


def test_what_was_counted_is_kept_when_a_comment_changes(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    kernel.run("nft delete rule inet segctl rule_c1.f1 handle $(nft -a list chain inet segctl "
               "rule_c1.f1 | sed -n 's/.*counter name.*handle //p')")  # fmt: skip
    kernel.run("nft delete counter inet segctl rule_c1.f1")
    kernel.run(
        "nft -f -", 'add counter inet segctl rule_c1.f1 { packets 7 bytes 70 comment "x"; }\n'
    )
    kernel.reach(desired(F1))
    assert "packets 7 bytes 70" in kernel.run("nft list counter inet segctl rule_c1.f1")


def shape(listing: str) -> list[str]:
    """Return a listing without what a repair may change: order and values of marks."""
    return sorted(re.sub(r"0x000[0-9a-f]+(?:/16)?|/\\* .*", "MARK", listing).split())


@pytest.mark.parametrize(
    "edit",
    [
        "add rule inet segctl out_SUPV/CTRL accept",
        "insert rule inet segctl may_c1.f1 accept",
        "flush chain inet segctl may_c1.f1",
        "flush chain inet segctl rule_c1.f1",
        "insert rule inet segctl quoted accept",
        "insert rule inet segctl era_SUPV/CTRL accept",
        "flush chain inet segctl erq_SUPV/CTRL",
        "flush map inet segctl mark_SUPV/CTRL",
        "add element inet segctl mark_SUPV/CTRL { 0x00770000 : accept }",
        "insert rule inet segctl forward accept",
        "flush chain inet segctl forward",
        "add element inet segctl a4_supv.a1 { 192.0.2.0/24 }",
        'delete element inet segctl zoned { "e3" }',
        "add chain inet segctl mine { type filter hook forward priority -10; policy accept; }",
        "flush chain inet segctl deny",
        "insert rule inet segctl pair_CTRL/SUPV accept",
        "insert rule inet segctl is_modbus.read accept",
        "add element inet segctl x4_modbus { 80 . 60 . 6 }",
        "add map inet segctl other { type ifname : verdict; }",
    ],
)
def test_an_edit_by_hand_is_drift_and_is_repaired(kernel: Kernel, edit: str) -> None:
    wanted = desired(F1, F2, READ)
    kernel.reach(wanted)
    before = kernel.run("nft -s list table inet segctl")
    kernel.run("nft -f -", edit + "\n")
    made = kernel.reach(wanted)
    if "map" in edit:
        assert made.findings, "debris goes unseen"
        return
    assert made.changes, "an edit goes unseen"
    assert kernel.reach(wanted).changes == ()
    assert shape(kernel.run("nft -s list table inet segctl")) == shape(before)


def listed(kernel: Kernel) -> str:
    return kernel.run("nft list ruleset")


PUSH, LOCK, TOKEN = "0x0000abcd", "0x00000007", "00000007"
#: What makes a script a push, and what holds the lock.
BEARS = (
    "# segctl switch\nadd set inet segctl push { type mark; }\n"
    f'add element inet segctl push {{ {PUSH} comment "push {TOKEN} since 60 a@b - -" }}\n'
)
HOLDS = (
    "add table inet segctl\ncreate set inet segctl lock { type mark; }\n"
    f'add element inet segctl lock {{ {LOCK} comment "segctl a@b 1 2 {TOKEN} 60 - - -" }}\n'
)


def push(kernel: Kernel, script: str, seconds: int = 0, *, size: int = -1, code: int = 0) -> str:
    """Run the agent's push."""
    script = script.replace("# segctl switch\n", BEARS)
    wanted = len(script.encode()) if size < 0 else size
    words = (PUSH, LOCK, TOKEN, str(seconds), str(wanted))
    return kernel.run(agent.command("", "go", *words), script, code=code)


def confirm(kernel: Kernel, *, code: int = 0) -> str:
    """Run the agent's confirmation."""
    text = f"delete element inet segctl push {{ {PUSH} }}\n"
    words = (PUSH, LOCK, "0" * 64, str(len(text)))
    return kernel.run(agent.command("", "confirm", *words), text, code=code)


def revert(kernel: Kernel, *, code: int = 0) -> str:
    """Let the agent go back."""
    return kernel.run(agent.command("", "revert", PUSH, LOCK, TOKEN), code=code)


def test_a_push_that_is_cut_off_changes_nothing(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    before = listed(kernel)
    whole = len(script.encode())
    for cut in {0, 1, whole // 2, whole - 1, *(m.end() for m in re.finditer("\n", script))}:
        if cut < whole:
            push(kernel, script[:cut], size=whole + len(BEARS), code=agent.INCOMPLETE)
            assert listed(kernel) == before


def test_a_push_that_nft_refuses_changes_nothing(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS)
    before = listed(kernel)
    bad = "# segctl switch\nflush chain inet segctl deny\nadd rule inet segctl none accept\n"
    push(kernel, bad, code=agent.CHECK_FAILED)
    assert listed(kernel) == before


def test_the_guard_confirm_and_revert_exclude_each_other(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    before = listed(kernel)
    kernel.run("nft -f -", HOLDS)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    push(kernel, script)
    assert "rule_c1.f2" in listed(kernel)
    revert(kernel)
    kernel.run("nft delete set inet segctl lock")
    assert listed(kernel) == before
    confirm(kernel, code=agent.NOT_PENDING)
    revert(kernel, code=agent.NOT_PENDING)
    kernel.run("nft -f -", HOLDS)
    push(kernel, script, 1)
    kernel.run("n=0; until ! nft list set inet segctl push && [ ! -e /run/segctl/*.old ] || "
               "[ $n -gt 100 ]; do n=$((n+1)); sleep 0.2; done")  # fmt: skip
    assert listed(kernel) == before, "the lock of the run whose push goes back goes, too"
    assert kernel.run("find /run/segctl -type f") == ""
    confirm(kernel, code=agent.NOT_PENDING)


def test_a_run_that_has_lost_its_lock_changes_nothing(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    push(kernel, script, 600)
    kernel.run("nft delete set inet segctl lock")
    kernel.run("nft -f -", HOLDS.replace(LOCK, "0x00000008").replace(TOKEN, "00000008"))
    before = listed(kernel)
    confirm(kernel, code=agent.LOST_LOCK)
    revert(kernel, code=agent.LOST_LOCK)
    assert listed(kernel) == before


def test_a_push_without_its_lock_changes_nothing(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    before = listed(kernel)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    fence = f"# segctl fence\ndelete element inet segctl lock {{ {LOCK} }}\n"
    push(kernel, fence + script, code=agent.LOST_LOCK)
    assert listed(kernel) == before
    assert kernel.run("find /run/segctl -type f") == ""


def test_a_push_whose_files_vanish_with_its_lock_changes_nothing(kernel: Kernel) -> None:
    """A run that lost the line takes its push back and clears it away while it still runs."""
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    fence = (
        f"# segctl fence\ndelete element inet segctl lock {{ {LOCK} }}\n"
        f"add element inet segctl lock {{ {LOCK} }}\n"
    )
    kernel.run(
        "{ cp /usr/sbin/nft /run/nft; cat > /run/other; chmod +x /run/other; "
        "mount --bind /run/other /usr/sbin/nft; }",
        '#!/bin/sh\ncase "$*" in "-c -f -") rm -f /run/segctl/*.fence; '
        '/run/nft delete set inet segctl lock;; esac; exec /run/nft "$@"\n',
    )
    push(kernel, fence + script, code=agent.LOST_LOCK)
    kernel.run("umount /usr/sbin/nft")
    assert "rule_c1.f2" not in listed(kernel)
    assert kernel.run("find /run/segctl -type f") == ""


def test_a_push_whose_run_took_its_lock_anew_leaves_no_sets(kernel: Kernel) -> None:
    """A run that lost the line gives its lock another key between two transactions of its push."""
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS)
    before = listed(kernel)
    wider = Flow(id="f1", sources=(asset("supv", "a1"), asset("supv", "a2")), services=F1.services)
    script = plan_device(desired(wider), kernel.live(), PROVIDER).script
    assert PREPARE in script
    fence = (
        f"# segctl fence\ndelete element inet segctl lock {{ {LOCK} }}\n"
        f'add element inet segctl lock {{ {LOCK} comment "segctl a@b 1 2 {TOKEN} 60 - - -" }}\n'
    )
    again = HOLDS.replace(LOCK, "0x00000008")
    kernel.run(
        "{ cp /usr/sbin/nft /run/nft; cat > /run/other; chmod +x /run/other; "
        "mount --bind /run/other /usr/sbin/nft; }",
        '#!/bin/sh\n[ "$*" = "-f -" ] || exec /run/nft "$@"\ncat > /run/script\n'
        "if grep -q 'inet segctl push' /run/script; then /run/nft delete set inet segctl lock\n"
        f"/run/nft -f - <<'END'\n{again}END\nfi\nexec /run/nft -f - < /run/script\n",
    )
    push(kernel, fence + script, code=agent.LOST_LOCK)
    kernel.run("umount /usr/sbin/nft")
    kernel.run("nft delete set inet segctl lock")
    kernel.run("nft -f -", HOLDS)
    assert listed(kernel) == before


@pytest.mark.parametrize("token", [TOKEN, "00000009"])
def test_going_back_removes_what_was_prepared_under_its_own_lock_only(
    kernel: Kernel, token: str
) -> None:
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS.replace(TOKEN, token))
    before = listed(kernel)
    prepared = "add set inet segctl a4_new { type ipv4_addr; }\n"
    kernel.run(f"{{ mkdir -p /run/segctl; cat > /run/segctl/{PUSH}.prepare; }}", prepared)
    kernel.run("nft -f -", prepared)
    revert(kernel, code=agent.NOT_PENDING)
    assert (listed(kernel) == before) is (token == TOKEN)
    assert kernel.run("find /run/segctl -type f") == ""


def test_a_guard_leaves_the_lock_of_another_run(kernel: Kernel) -> None:
    kernel.reach(desired(F1))
    kernel.run("nft -f -", HOLDS)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    push(kernel, script, 2)
    kernel.run("nft delete set inet segctl lock")
    kernel.run("nft -f -", HOLDS.replace(LOCK, "0x00000008").replace(TOKEN, "00000008"))
    kernel.run("n=0; until ! nft list set inet segctl push || [ $n -gt 100 ]; do "
               "n=$((n+1)); sleep 0.2; done")  # fmt: skip
    held = listed(kernel)
    assert "rule_c1.f2" not in held
    assert '0x00000008 comment "segctl a@b 1 2 00000008 60 - - -"' in held


@pytest.mark.parametrize("listing", ["exit 0", "echo 'Error: Resource busy' >&2; exit 1"])
def test_nothing_is_pushed_over_a_table_that_could_not_be_saved(
    kernel: Kernel, listing: str
) -> None:
    kernel.reach(desired(F1))
    before = listed(kernel)
    script = plan_device(desired(F1, F2), kernel.live(), PROVIDER).script
    kernel.run(
        "{ cp /usr/sbin/nft /run/nft; cat > /run/other; chmod +x /run/other; "
        "mount --bind /run/other /usr/sbin/nft; }",
        f'#!/bin/sh\ncase "$*" in "list table"*) {listing};; esac; exec /run/nft "$@"\n',
    )
    push(kernel, script, code=agent.CHECK_FAILED)
    kernel.run("umount /usr/sbin/nft")
    assert listed(kernel) == before


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=any_desired(firewall(), PROVIDER.capabilities))
def test_what_is_written_is_read(kernel: Kernel, wanted: object) -> None:
    from segctl.compiler.build import Desired

    assert isinstance(wanted, Desired)
    kernel.reach(wanted)
    fitted, _ = PROVIDER.fit(wanted.policy, wanted.device)
    held = kernel.live().policy
    assert held.rules == fitted.rules
    assert held.digest == fitted.digest
    decider(held)
