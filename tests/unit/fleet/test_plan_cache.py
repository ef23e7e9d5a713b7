"""The cache of plans: ours alone, whole or not at all, bounded, and never in the way."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segctl
from segctl.compiler.build import Desired
from segctl.fleet import plan_cache as module
from segctl.fleet.plan_cache import Key, PlanCache, key_of
from segctl.model.diff import Change
from segctl.model.errors import Problem
from segctl.model.policy import DeclaredPolicy, DeclaredRule, Rule
from segctl.planning.plan import DevicePlan, Unmanaged
from segctl.providers import base
from segctl.providers.base import provider
from support.changes import change
from support.panos import firewall

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key(text="ab" * 32, exact=True)
PLAN = DevicePlan(
    name="fw1",
    platform="panos",
    serial="0070",
    rule_count=7,
    findings=(Problem(message="überlappt", file="zones.yml", line=3, severity="warning"),),
    covers={"zone": ("CTRL", "SUPV")},
    unmanaged=(Unmanaged(name="r1", action="allow", above=True),),
)
DESIRED = Desired(device=firewall(), policy=DeclaredPolicy())
PANOS = provider("panos")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "segctl"


@pytest.fixture
def cache(folder: Path) -> PlanCache:
    return PlanCache.of_user({"XDG_CACHE_HOME": str(folder.parent)})


def entry(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_what_was_put_comes_back_and_only_its_owner_sees_it(cache: PlanCache, folder: Path) -> None:
    assert cache.get(KEY) is None
    cache.put(KEY, PLAN)
    assert cache.get(KEY) == PLAN
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(folder).stat().st_mode) == 0o600
    assert cache.get(replace(KEY, text="cd" * 32)) is None


def test_changes_are_kept_only_for_the_exact_document(cache: PlanCache) -> None:
    changed = replace(PLAN, changes=(change("create", conduit="c"),))
    loose = Key(text="cd" * 32, exact=False)
    cache.put(loose, changed)
    assert cache.get(loose) is None
    cache.put(loose, PLAN)
    assert cache.get(loose) == PLAN
    cache.put(KEY, changed)
    assert cache.get(KEY) == changed


def test_what_does_not_come_back_as_it_is_is_not_kept(cache: PlanCache) -> None:
    rule = Rule(name="r", from_zones=("SUPV",), to_zones=("CTRL",), seal="0123abcd")
    odd = replace(PLAN, changes=(Change(op="create", kind="rule", name="r", after=rule),))
    cache.put(KEY, odd)
    assert cache.get(KEY) is None


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def moved(path: Path) -> None:
    other = path.with_name(f"{'cd' * 32}.plan")
    path.rename(other)
    other.rename(path.with_name(f"{KEY.text}.plan"))
    path.write_bytes(path.read_bytes()[1:])


def linked(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def opened(path: Path) -> None:
    path.chmod(0o622)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [flipped, moved, linked, opened, emptied, piped, fold])
def test_an_entry_that_is_not_whole_or_not_ours_alone_is_none(
    cache: PlanCache, folder: Path, spoil: Callable[[Path], None]
) -> None:
    cache.put(KEY, PLAN)
    spoil(entry(folder))
    assert cache.get(KEY) is None


def test_an_entry_of_another_key_is_none(cache: PlanCache, folder: Path) -> None:
    cache.put(KEY, PLAN)
    other = Key(text="cd" * 32, exact=True)
    entry(folder).rename(folder / f"{other.text}.plan")
    assert cache.get(other) is None


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "segctl"
    folder.mkdir()
    folder.chmod(mode)
    cache = PlanCache.of_user({"XDG_CACHE_HOME": str(tmp_path)})
    cache.put(KEY, PLAN)
    assert cache.get(KEY) is None
    assert not list(folder.iterdir())


def test_a_folder_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "segctl").symlink_to(tmp_path / "real")
    cache = PlanCache.of_user({"XDG_CACHE_HOME": str(tmp_path)})
    cache.put(KEY, PLAN)
    assert not list((tmp_path / "real").iterdir())


@pytest.mark.parametrize("environment", [{}, {"XDG_CACHE_HOME": "relative"}, {"HOME": ""}])
def test_without_a_place_nothing_is_kept(environment: dict[str, str]) -> None:
    cache = PlanCache.of_user(environment)
    cache.put(KEY, PLAN)
    assert cache.get(KEY) is None
    cache.tidy()


def test_a_place_that_cannot_be_made_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = PlanCache.of_user({"XDG_CACHE_HOME": str(tmp_path / "file")})
    cache.put(KEY, PLAN)
    assert cache.get(KEY) is None


def test_old_entries_and_too_many_go(
    cache: PlanCache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [Key(text=f"{number:064x}", exact=True) for number in range(4)]
    for number, key in enumerate(keys):
        cache.put(key, PLAN)
        moment = time.time() - 1000 + number
        os.utime(folder / f"{key.text}.plan", (moment, moment))
    os.utime(folder / f"{keys[0].text}.plan", (0, 0))
    size = (folder / f"{keys[0].text}.plan").stat().st_size
    monkeypatch.setattr(module, "MAX_TOTAL", 2 * size)
    cache.tidy()
    assert [cache.get(key) == PLAN for key in keys] == [False, False, True, True]


def test_the_key_is_of_everything_the_plan_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = DeclaredRule(name="r", from_zones=("A",), to_zones=("B",))
    found = {
        key_of(DESIRED, b"document", PANOS),
        key_of(DESIRED, b"Document", PANOS),
        key_of(replace(DESIRED, policy=DeclaredPolicy(rules=(rule,))), b"document", PANOS),
        key_of(replace(DESIRED, device=firewall("fw2")), b"document", PANOS),
        key_of(replace(DESIRED, findings=PLAN.findings), b"document", PANOS),
    }
    same = key_of(replace(DESIRED, device=firewall()), bytes(bytearray(b"document")), PANOS)
    assert len(found) == 5
    assert same in found

    def other_code(_platform: str) -> str:
        return "other code"

    monkeypatch.setattr(module, "_code", other_code)
    assert key_of(DESIRED, b"document", PANOS) not in found


def test_the_code_is_of_the_files_of_segctl_and_of_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = module._code.__wrapped__  # pyright: ignore[reportPrivateUsage] - its memory left out
    before = code("panos")
    assert before == code("panos") != code("nftables")
    assert not code("nonsense")
    copy = tmp_path / "segctl"
    copy.mkdir()
    (copy / "plan.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(segctl.__spec__, "submodule_search_locations", [str(copy)])
    changed = code("panos")
    (copy / "plan.py").write_text("x = 2\n", encoding="utf-8")
    assert before != changed != code("panos")


def test_code_touched_long_ago_is_told_by_when_and_how_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = module._code.__wrapped__  # pyright: ignore[reportPrivateUsage] - its memory left out
    monkeypatch.setattr(module, "_FRESH", -1.0)
    copy = tmp_path / "segctl"
    copy.mkdir()
    (copy / "plan.py").write_text("x = 1\n", encoding="utf-8")
    (copy / "gone.py").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr(segctl.__spec__, "submodule_search_locations", [str(copy)])
    before = code("panos")
    assert before == code("panos")
    (copy / "plan.py").write_text("x = 10\n", encoding="utf-8")
    assert before != code("panos")
    again = code("panos")
    os.utime(copy / "plan.py", ns=(1, 1))
    assert again != code("panos")


def test_telling_the_code_reads_no_file_and_looks_for_no_provider_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it takes as long as a plan for a small device, and the cache saves nothing there."""
    done: list[object] = []

    def noted(what: object = None, *, group: object = None) -> bytes:
        done.append(what or group)
        return b""

    monkeypatch.setattr(module, "_FRESH", -1.0)
    monkeypatch.setattr(Path, "read_bytes", noted)
    monkeypatch.setattr(base, "entry_points", noted)
    module._code.cache_clear()  # pyright: ignore[reportPrivateUsage] - as in a new process
    assert key_of(DESIRED, b"document", PANOS)
    module._code.cache_clear()  # pyright: ignore[reportPrivateUsage] - what was patched is forgotten
    assert done == []


def test_what_json_cannot_hold_has_no_key() -> None:
    odd = replace(DESIRED, findings=(Problem(message="x", subject=object()),))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - on purpose
    assert key_of(odd, b"document", PANOS) is None
