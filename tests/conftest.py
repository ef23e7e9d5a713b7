"""What holds for every test: nothing of the user's is touched, what is costly is made once."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from support.golden import Golden

if TYPE_CHECKING:
    from pathlib import Path

    from xdist.scheduler import LoadScopeScheduling

# no test fails because a machine is slow; laws have a profile of their own
settings.register_profile("slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slow")

#: Modules whose tests share what takes long to make: one worker runs them, from the beginning.
_TOGETHER = (
    "tests/browser/test_accessibility.py",
    "tests/cli/test_discover_made.py",
    "tests/lab/test_containing.py",
    "tests/lab/test_functions.py",
    "tests/lab/test_islands.py",
    "tests/lab/test_kernel.py",
    "tests/lab/test_marks.py",
    "tests/lab/test_settling.py",
    "tests/lab/test_versions.py",
    "tests/matrix/test_containing.py",
    "tests/matrix/test_kernel.py",
    "tests/mocks/traffic/test_forms.py",
    "tests/unit/nftables/test_versions.py",
    "tests/unit/bench/test_bench_smoke.py",
)

#: Unit tests in seconds or minutes, which `make quick` leaves out.
_SLOW = (
    "tests/unit/planning/test_snapshots.py",
    "tests/unit/system/test_chain.py",
    "tests/unit/system/test_children.py",
    "tests/unit/transports/test_ssh_exec.py",
    "tests/unit/transports/test_ssh_cli.py",
    "tests/unit/panos/test_wire.py",
    "tests/unit/bench/",
    "tests/unit/inventory/test_programs.py",
    "tests/unit/nftables/test_endings.py",
    "tests/unit/nftables/test_kernel.py",
    "tests/unit/nftables/test_memory.py",
    "tests/unit/nftables/test_versions.py",
    "tests/unit/panos/test_memory.py",
    "tests/unit/platform/",
    "tests/unit/transports/test_host_keys.py",
    "tests/unit/transports/test_ssh_identity.py",
)


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.nodeid.startswith(_SLOW):
        item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Spare the collector what thousands of tests consist of: it stays to the end anyway."""
    gc.collect()
    gc.freeze()


if "PYTEST_XDIST_WORKER" in os.environ:
    # coverage is measured in the workers; in all that they start it would cost minutes
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh-golden",
        action="store_true",
        help="write expected outputs that differ anew, and fail each test whose file was written",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the file that holds what is expected."""
    return Golden(refresh=bool(request.config.getoption("--refresh-golden")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand tests out one by one, those of `_TOGETHER` module by module."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module in _TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "caches" / uuid4().hex  # made when it is needed
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture(autouse=True)
def state_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of this test alone, with the history of drift, made when it is needed."""
    home = tmp_path_factory.getbasetemp() / "states" / uuid4().hex
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    for name in ("HISTORY", "WEBHOOK", "PUSHGATEWAY"):
        monkeypatch.delenv(f"SEGCTL_{name}", raising=False)
        monkeypatch.delenv(f"SEGCTL_{name}_FILE", raising=False)
    return home
