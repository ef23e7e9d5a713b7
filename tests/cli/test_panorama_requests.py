"""How often a Panorama is asked: once for what is the same for all its device groups."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from segctl.fleet.connections import MOST_TO_A_MANAGER
from support.panorama_groups import groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import PanoramaMock

MANY = 6
#: Of a plan: the key, the system, shared, whose objects count, applications, containers, the
#: hierarchy, the stacks, and two of the one template.
MOST_IN_COMMON = 10
#: Of each device group: pending changes, the group, what its firewalls have, four counts, two kinds
#: of locks.
MOST_OF_A_GROUP = 9


@pytest.fixture
def panorama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanoramaMock]:
    monkeypatch.chdir(tmp_path)
    with groups_of(tmp_path, MANY) as mock:
        yield mock


def asked(mock: PanoramaMock, *words: str) -> Counter[str]:
    """Run a command; return what it asked the Panorama, and how often."""
    before = len(mock.requests)
    assert run(["-i", "hosts.yml", *words]) == 0
    return Counter(
        f"{request.type} {request.action} {request.xpath}{request.cmd}"
        for request in mock.requests[before:]
    )


def test_what_belongs_to_panorama_as_a_whole_is_asked_once_for_all_groups(
    panorama: PanoramaMock,
) -> None:
    one = asked(panorama, "plan", "--no-cache", "-l", "fw0")
    many = asked(panorama, "plan", "--no-cache")
    more = many.total() - one.total()
    assert more == (MANY - 1) * MOST_OF_A_GROUP
    assert one.total() <= MOST_IN_COMMON + MOST_OF_A_GROUP
    again = {request: times for request, times in many.items() if times > 1}
    assert len(again) <= 3, "pending changes, and locks: what may change at any moment"
    assert set(again.values()) <= {MANY}


QUESTIONS = {
    "plan": ("plan", "--no-cache"),
    "drift": ("drift", "--no-cache"),
    "check": ("check", "--from", "supervisory", "--to", "cell", "--port", "502"),
}


@pytest.mark.parametrize("words", QUESTIONS.values(), ids=QUESTIONS)
def test_all_groups_and_firewalls_share_one_login_and_a_few_connections(
    words: tuple[str, ...], panorama: PanoramaMock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-i", "hosts.yml", "apply", "--auto-approve"]) == 0
    before, asked_before = panorama.connections, len(panorama.requests)
    code = run(["-i", "hosts.yml", *words])
    told = capsys.readouterr()
    assert code == 0, told.out + told.err
    kinds = Counter(request.type for request in panorama.requests[asked_before:])
    assert kinds["keygen"] == 1
    assert kinds["config"] > MANY
    assert 1 <= panorama.connections - before <= MOST_TO_A_MANAGER


def test_what_is_changed_is_read_by_each_for_itself(
    panorama: PanoramaMock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change rests on what its own session read, under its lock."""
    found = asked(panorama, "apply", "--auto-approve")
    assert found["config show /config/shared"] > 2 * MANY
    capsys.readouterr()
    assert run(["-i", "hosts.yml", "plan", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["changes"] for one in document["devices"]] == [[]] * MANY
