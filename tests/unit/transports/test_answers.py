"""Answers that sessions of one command share."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from segctl.fleet.connections import COMMON, sharing
from segctl.inventory.loading import MANAGER
from segctl.model.errors import ConnectError
from segctl.transports.answers import Answers


def test_each_is_asked_for_once_also_by_many_at_a_time() -> None:
    answers, asked, begun = Answers(), list[str](), threading.Barrier(4)

    def ask() -> bytes:
        asked.append("shared")
        return b"<x/>"

    def one(_number: int) -> bytes:
        begun.wait()
        return answers.of("shared", ask)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, range(4))) == {b"<x/>"}
    assert asked == ["shared"]


def test_an_answer_that_fails_or_is_forgotten_is_asked_for_again() -> None:
    answers = Answers()

    def lost() -> bytes:
        raise ConnectError("panorama1", "the connection is lost")

    with pytest.raises(ConnectError):
        answers.of("shared", lost)
    assert answers.of("shared", lambda: b"1") == b"1"
    assert answers.of("shared", lambda: b"2") == b"1"
    answers.forget("shared")
    assert answers.of("shared", lambda: b"3") == b"3"


def test_another_process_begins_with_none() -> None:
    answers = Answers()
    answers.of("shared", lambda: b"1")
    found = pickle.loads(pickle.dumps(answers))
    assert isinstance(found, Answers)
    assert found.of("shared", lambda: b"2") == b"2"


def test_connections_share_by_manager_and_by_device_and_anew_each_time() -> None:
    one = {"ansible_host": "10.0.0.1"}
    ways: dict[str, dict[str, object]] = {
        "a:1": {MANAGER: "a"},
        "a:2": {MANAGER: "a"},
        "b:1": {MANAGER: "b"},
        "v1": {**one},
        "v2": {**one},
        "fw": {},
        "gw1": {**one},
        "gw2": {**one},
    }
    panos, linux = ("v1", "v2", "fw"), ("gw1", "gw2")
    hosts = [*((name, "panos") for name in panos), *((name, "nftables") for name in linux)]
    with sharing(ways, hosts) as found, sharing(ways, hosts) as again:
        assert found["a:1"][COMMON] is found["a:2"][COMMON]
        assert found["a:1"][COMMON] is not found["b:1"][COMMON]
        assert found["v1"][COMMON] is found["v2"][COMMON]
        assert found["v1"][COMMON] is not found["a:1"][COMMON]
        assert found["a:1"][COMMON] is not again["a:1"][COMMON]
        assert found["v1"][COMMON] is not again["v1"][COMMON]
        assert {name: found[name] for name in ("fw", *linux)} == {
            name: ways[name] for name in ("fw", *linux)
        }
