"""Who holds a lock, told of real processes, and of PID namespaces where root may make them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.transports.lock_owner import (
    LEASE,
    LockOwner,
    is_alive,
    new_owner,
    read_owner,
    release,
    remaining,
    token_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

#: Takes a lock and waits.
TAKES = """
import sys
from segctl.transports.lock_owner import new_owner
print(new_owner(600), flush=True)
sys.stdin.readline()
"""
#: Says of a lock on its command line whether its run lives.
JUDGES = """
import sys
from segctl.transports.lock_owner import is_alive, read_owner
print(is_alive(read_owner(sys.argv[1])))
"""
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def mine() -> Iterator[LockOwner]:
    """A lock that this process holds."""
    made = new_owner(600)
    yield made
    release(made)


@contextmanager
def taken(*before: str) -> Generator[tuple[LockOwner, subprocess.Popen[str]]]:
    """Let another process take a lock."""
    with subprocess.Popen(
        [*before, sys.executable, "-c", TAKES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        found = read_owner(process.stdout.readline())
        assert found is not None
        try:
            yield found, process
        finally:
            process.kill()


def judged(owner: LockOwner, *before: str) -> str:
    """Let another process say whether the run lives."""
    words = [*before, sys.executable, "-c", JUDGES, str(owner)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def namespaces() -> Sequence[str]:
    """Return what makes a container of a process; skip where that cannot be."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("PID namespaces need root and unshare")
    found = subprocess.run([*CONTAINER, "true"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"no PID namespace: {found.stderr!r}")
    return CONTAINER


def test_a_lock_of_this_process_lives_until_it_is_released(mine: LockOwner) -> None:
    assert is_alive(mine) is True
    release(mine)
    assert is_alive(mine) is False


def test_a_lock_of_a_process_that_lives() -> None:
    with taken() as (owner, _):
        assert is_alive(owner) is True
        assert judged(owner) == "True"


def test_a_lock_of_a_process_that_was_killed() -> None:
    with taken() as (owner, process):
        process.kill()
        process.wait()
        assert is_alive(owner) is False


def test_a_lock_of_a_process_whose_parent_has_not_noticed_its_end() -> None:
    with taken() as (owner, process):
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(owner) is False


def test_a_process_id_that_is_used_again_is_another_run() -> None:
    with taken() as (owner, _):
        earlier = replace(owner, started=str(int(owner.started) - 1))
        assert is_alive(earlier) is False


def test_a_child_does_not_hold_its_parents_lock(mine: LockOwner) -> None:
    read, write = os.pipe()
    parent = os.fork()
    if not parent:  # the child of the child: its parent is dead when it looks
        own = new_owner(600)
        child = os.fork()
        if child:
            os._exit(0)
        while os.getppid() == own.process:
            time.sleep(0.01)
        alive = (is_alive(own), is_alive(mine), is_alive(replace(own, process=os.getpid())))
        os.write(write, repr(alive).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(parent, 0)
    with os.fdopen(read) as told:
        # the last: a process that this one's id was once of
        assert told.read() == "(False, True, False)"


def test_another_boot_or_namespace_tells_nothing_until_the_lease_is_over(mine: LockOwner) -> None:
    for other in (
        replace(mine, boot="0123456789abcdef", token="00000001"),
        replace(mine, namespace="1", token="00000001"),
        replace(mine, boot="", namespace="", token="00000001"),
    ):
        assert is_alive(other) is None
        assert is_alive(other, age=599) is None
        assert is_alive(other, age=600) is False
        assert is_alive(replace(other, began=mine.began - 601)) is False


def test_a_run_that_is_proved_to_live_keeps_its_lock_beyond_the_lease() -> None:
    with taken() as (owner, _):
        assert is_alive(owner, age=10**6) is True
        assert remaining(owner, age=10**6) < 0


def test_containers_with_one_host_name_and_process_1() -> None:
    container = namespaces()
    with taken(*container) as (first, process):
        assert first.process == 1
        assert judged(first, *container) == "None"
        assert judged(first) == "None"
        process.kill()
        process.wait()
        assert judged(first, *container) == "None"
        over = replace(first, began=first.began - 601)
        assert judged(over, *container) == "False"


def test_a_namespace_whose_processes_proc_does_not_show_proves_nothing() -> None:
    container = [word for word in namespaces() if word != "--mount-proc"]
    with taken(*container) as (owner, _):
        assert owner.process == 1
        assert owner.namespace == ""
        assert is_alive(owner) is None


words = st.text(st.sampled_from("ab09.@_-"), min_size=1, max_size=40)
numbers = st.integers(0, 2**33)


@given(
    st.builds(
        LockOwner,
        run=words,
        process=st.integers(1, 2**22),
        began=numbers,
        token=st.from_regex("[0-9a-f]{8}", fullmatch=True),
        lease=st.integers(1, 10**6),
        boot=st.sampled_from(["", "76d814fd51704895"]),
        namespace=st.sampled_from(["", "4026531836"]),
        started=st.sampled_from(["", "168888"]),
    )
)
def test_an_owner_is_read_from_what_it_writes(owner: LockOwner) -> None:
    assert read_owner(str(owner)) == owner
    assert token_of(str(owner)) == owner.token
    assert len(str(owner)) <= 127


@given(st.text())
def test_any_comment_can_be_read(comment: str) -> None:
    owner = read_owner(comment)
    assert owner is None or comment.split(maxsplit=1)[0] == "segctl"


def test_a_lock_of_an_earlier_version() -> None:
    owner = read_owner("segctl root@gw 12 1764412345 0a1b2c3d")
    assert owner == LockOwner(run="root@gw", process=12, began=1764412345, token="0a1b2c3d")
    assert owner is not None
    assert owner.lease == LEASE
    assert is_alive(owner, age=10) is None
    assert is_alive(owner, age=LEASE) is False
