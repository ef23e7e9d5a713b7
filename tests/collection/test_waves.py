"""Waves under ansible-playbook, as a task of a later one sees them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.segctl.segctl.plugins.plugin_utils.arguments import SPECS
from ansible_collections.segctl.segctl.plugins.plugin_utils.waves import earlier, seconds, soak
from segctl.inventory.convert import duration
from segctl.playbook.shapes import ARGUMENTS


def play(batch: str, *, alive: str = "abcd", **changed_at: float) -> dict[str, Any]:
    return {
        "ansible_play_hosts_all": list("abcd"),
        "ansible_play_batch": list(batch),
        "ansible_play_hosts": list(alive),
        "hostvars": {
            host: {"ansible_facts": {"segctl": {"changed_at": at}}} if at else {}
            for host in "abcd"
            for at in [changed_at.get(host)]
        },
    }


def test_the_first_wave_has_none_before_it() -> None:
    before = earlier(play("ab", a=5.0))
    assert list(before.failed) == []
    assert soak({"soak": "1h"}, before) == 0


def test_a_later_wave_knows_who_failed_and_when_the_last_was_changed() -> None:
    before = earlier(play("cd", alive="acd", a=4.0, b=3.0, c=9.0))
    assert list(before.failed) == ["b"]
    assert before.changed_at == 4.0


def test_it_waits_only_after_a_change() -> None:
    assert soak({"soak": "2h"}, earlier(play("cd"))) == 0
    assert soak({}, earlier(play("cd", a=4e12))) > 0
    assert soak({"soak": 1}, earlier(play("cd", a=4.0))) == 0


@pytest.mark.parametrize("text", ["90", "30s", "10m", "2h"])
def test_durations_are_those_of_segctl(text: str) -> None:
    assert seconds(text) == duration(text)


def test_no_duration_is_an_error() -> None:
    with pytest.raises(ValueError, match="soon"):
        seconds("soon")


@pytest.mark.parametrize("module", SPECS)
def test_segctl_reads_the_same_arguments(module: str) -> None:
    """One file for both: what a module takes, `segctl apply -p` understands."""
    assert {one.name for one in ARGUMENTS[module].fields} == set(SPECS[module])
