"""``-C``, ``-D``, ``--list-hosts``, ``--list-tasks``, ``--syntax-check``: as in Ansible."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from segctl.planning.documents import schema

if TYPE_CHECKING:
    from support.cells import Cells

PLAY = """\
    - hosts: plant
      name: Cells
      serial: [1, 3]
      tags: [night]
      tasks:
        - name: Roll out
          segctl_apply: {}
          tags: [write]
        - segctl_drift: {}
    """


@pytest.fixture
def played(four: Cells) -> Cells:
    """The cells with a playbook, and devices that do not answer: none of the lists asks one."""
    four.play(PLAY)
    for host in ("fw1", "fw2", "fw3", "fw4"):
        four.fleet[host].stop()
    return four


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_hosts_are_listed_by_wave(played: Cells, command: str) -> None:
    done = played(command, "-p", "play.yml", "--list-hosts")
    assert done.code == 0
    assert "Play 1: Cells  4 firewalls in 2 waves (1, 3): apply, drift" in done.out
    assert "\n  Wave 1: fw1\n  Wave 2: fw2, fw3, fw4\n" in done.out
    assert "Task:" not in done.out
    limited = played(command, "-p", "play.yml", "--list-hosts", "-l", "fw3")
    assert "Wave 1: fw3\n" in limited.out


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_tasks_are_listed_with_their_tags(played: Cells, command: str) -> None:
    done = played(command, "-p", "play.yml", "--list-tasks")
    assert done.code == 0
    assert "  Wave 2: 3 hosts\n" in done.out
    assert "  Task: segctl_apply (Roll out)  tags: night, write\n" in done.out
    assert "  Task: segctl_drift  tags: night\n" in done.out
    tagged = played(command, "-p", "play.yml", "--list-tasks", "-t", "write")
    assert "segctl_drift" not in tagged.out


def test_the_lists_as_json(played: Cells) -> None:
    document = played("plan", "--json", "-p", "play.yml", "--list-tasks").json
    jsonschema.validate(document, schema("listing"))
    (play,) = document["plays"]
    assert play["waves"] == [["fw1"], ["fw2", "fw3", "fw4"]]
    assert [(one["action"], one["tags"]) for one in play["tasks"]] == [
        ("apply", ["night", "write"]),
        ("drift", ["night"]),
    ]
    hosts = played("apply", "--json", "--list-hosts").json
    jsonschema.validate(hosts, schema("listing"))
    assert hosts["hosts"] == ["fw1", "fw2", "fw3", "fw4"]


def test_hosts_are_listed_without_a_playbook(played: Cells) -> None:
    done = played("plan", "--list-hosts", "-l", "!fw2")
    assert (done.code, done.out) == (0, "hosts (3):\n  fw1\n  fw3\n  fw4\n")


def test_apply_with_a_list_applies_nothing_even_when_approved(four: Cells) -> None:
    four.play(PLAY)
    for words in (["--list-hosts"], ["-p", "play.yml", "--syntax-check"]):
        assert four("apply", "--auto-approve", *words).code == 0
    assert four.holding == set()


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_playbook_is_checked(played: Cells, command: str) -> None:
    done = played(command, "-p", "play.yml", "--syntax-check")
    assert (done.code, done.out) == (0, "playbook: play.yml\n")
    played.play("- {hosts: plant, sreial: 1}")
    wrong = played(command, "-p", "play.yml", "--syntax-check")
    assert wrong.code == 1
    assert "serial" in wrong.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--list-tasks"], "give it with -p FILE"),
        (["apply", "--syntax-check"], "segctl validate checks the inventory"),
        (["apply", "plan.json", "--list-hosts"], "segctl show plan.json"),
    ],
)
def test_what_lists_nothing_is_refused(played: Cells, words: list[str], message: str) -> None:
    done = played(*words)
    assert done.code == 1
    assert message in done.err


def test_the_short_letters_of_ansible(four: Cells) -> None:
    four.play(PLAY)
    checked = four("apply", "-CD", "-p", "play.yml")
    assert checked.code == 0
    assert "<entry" in checked.out
    assert four.holding == set()
    assert json.loads(four("plan", "-C", "--json").out)["devices"]
