"""Waves, tolerated failures and tags come out as in Ansible's own code."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.playbook import exceeds, selected, waves

# ansible-core carries no types
PlaybookExecutor: Any = import_module("ansible.executor.playbook_executor").PlaybookExecutor
DataLoader: Any = import_module("ansible.parsing.dataloader").DataLoader
Taggable: Any = import_module("ansible.playbook.taggable").Taggable

#: A machine under load is slow at everything.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZES = st.one_of(
    st.integers(-2, 30),
    st.integers(0, 150).map(lambda number: f"{number}%"),
)


def ansible_batches(hosts: list[str], serial: list[int | str]) -> list[list[str]]:
    def get_hosts(_pattern: object, order: object) -> list[str]:
        del order
        return list(hosts)

    executor = SimpleNamespace(_inventory=SimpleNamespace(get_hosts=get_hosts))
    play = SimpleNamespace(hosts="all", order=None, serial=list(serial))
    found: list[list[str]] = PlaybookExecutor._get_serialized_batches(executor, play)
    return found


@PATIENT
@given(st.integers(0, 120), st.lists(SIZES, max_size=4))
def test_waves_are_ansibles_batches(count: int, serial: list[int | str]) -> None:
    hosts = [f"fw{number}" for number in range(count)]
    assert [list(wave) for wave in waves(hosts, serial)] == ansible_batches(hosts, serial)


@pytest.mark.parametrize(
    ("count", "serial", "sizes"),
    [
        (10, [], [10]),
        (10, [1, "30%"], [1, 3, 3, 3]),
        (7, ["30%"], [2, 2, 2, 1]),
        (3, ["10%"], [1, 1, 1]),
        (5, [2, 0], [2, 3]),
        (0, [1], []),
    ],
)
def test_the_last_size_repeats(count: int, serial: list[int | str], sizes: list[int]) -> None:
    assert [len(wave) for wave in waves(range(count), serial)] == sizes


@pytest.mark.parametrize(
    ("failed", "size", "tolerated", "fails"),
    [
        (0, 10, 0.0, False),
        (1, 10, 0.0, True),
        (3, 10, 30.0, False),  # greater than, not equal
        (4, 10, 30.0, True),
        (9, 10, 100.0, False),
        (10, 10, 100.0, True),  # Ansible goes on with no host left
        (1, 1, 99.0, True),
    ],
)
def test_a_wave_fails_above_the_percentage(
    failed: int, size: int, tolerated: float, *, fails: bool
) -> None:
    assert exceeds(failed, size, tolerated) is fails


TAGS = ("always", "never", "all", "tagged", "untagged", "net", "web")


def ansible_selects(tags: list[str], only: list[str], skip: list[str]) -> bool:
    def none() -> list[object]:
        return []

    task = SimpleNamespace(
        tags=tags,
        untagged=Taggable.untagged,
        _loader=DataLoader(),
        _get_all_taggable_objects=none,
    )
    # --tags is `all` unless it is given
    return bool(Taggable.evaluate_tags(task, only or ["all"], skip, {}))


@PATIENT
@given(
    st.lists(st.sampled_from(("always", "never", "net", "web")), max_size=3, unique=True),
    st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
    st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
)
def test_tags_select_as_in_ansible(tags: list[str], only: list[str], skip: list[str]) -> None:
    assert selected(tags, only, skip) is ansible_selects(tags, only, skip)
