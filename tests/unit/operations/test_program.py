"""Every operation from a program without the command line: typed results, and nothing printed."""

from __future__ import annotations

import ast
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segctl.operations
from segctl.analysis.query import Check
from segctl.model.errors import InventoryError, SignatureError, StalePlanError, UsageError
from segctl.model.warned import Warned
from segctl.operations.apply import ApplyOptions, SavedPlanOptions, apply, apply_saved
from segctl.operations.check import CheckOptions, check
from segctl.operations.drift import Acceptance, DriftOptions, accept, drift
from segctl.operations.formatting import FormatOptions, format_files
from segctl.operations.history import HistoryOptions, history
from segctl.operations.importing import ImportOptions, import_host
from segctl.operations.options import CommonOptions
from segctl.operations.plan import PlanOptions, plan
from segctl.operations.plan_files import compare, save_plan, show
from segctl.operations.progress import Messages
from segctl.operations.publishing import Channels, past_of, publish, remember
from segctl.operations.rollout import (
    PlaybookOptions,
    RolloutOptions,
    apply_playbook,
    check_playbook,
    combined_plan,
    plan_playbook,
)
from segctl.operations.snapshot import SnapshotOptions, snapshot
from segctl.operations.validate import validate
from support.cells import RULE, serve_cells, write_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager

    from segctl.operations.rollout import PlaybookPlan
    from segctl.planning.plan import Plan
    from segctl_mocks import Fleet

HOSTS = ("fw1", "gw2")
PACKAGE = Path(segctl.operations.__file__).parent


def test_warnings_among_the_steps_of_a_device_are_kept() -> None:
    kept = Messages()
    with kept.devices(["fw1"]) as told:
        told("fw1", "reading")
        told("fw1", Warned("something is missing"))
        told("fw1", "")
    assert kept.warnings == ["fw1: something is missing"]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A firewall and a gateway as they came from the factory; the plant in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_cells(tmp_path, HOSTS)
    with serve_cells(tmp_path, HOSTS) as fleet:
        yield fleet


@pytest.fixture
def common(fleet: Fleet) -> CommonOptions:
    assert fleet.everything.keys() == {*HOSTS}
    return CommonOptions(inventory=(Path("hosts.yml"), Path("mocks.yml")))


@pytest.fixture(autouse=True)
def _silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing that an operation does reaches the terminal."""
    capfd.readouterr()
    yield
    assert capfd.readouterr() == ("", "")


def yes(*_asked: object) -> bool:
    return True


def no(*_asked: object) -> bool:
    return False


AGREED = ApplyOptions(approve=yes, approve_settling=no)


@pytest.fixture
def applied(common: CommonOptions) -> CommonOptions:
    """The options of the plant, provisioned."""
    done = apply(common, AGREED, Messages())
    assert {one.device: one.status for one in done.outcomes} == dict.fromkeys(HOSTS, "applied")
    return common


def nowhere(common: CommonOptions) -> CommonOptions:
    """The same plant, where no device answers."""
    variables = ("ansible_host=127.0.0.1", "ansible_port=1")
    return replace(common, inventory=(Path("hosts.yml"),), extra_vars=variables)


def tamper(fleet: Fleet) -> None:
    fleet.linux["gw2"].edit("nft insert rule inet segctl forward accept")


# --- plan and apply ------------------------------------------------------------------------------


def test_a_program_plans_asks_and_applies(common: CommonOptions) -> None:
    planned = plan(common, PlanOptions(), Messages())
    assert (planned.applyable, planned.differs, planned.failures) == (True, True, ())
    assert [device.name for device in planned.plan.devices] == [*HOSTS]
    asked: list[Plan] = []

    def approve(made: Plan) -> bool:
        asked.append(made)
        return True

    done = apply(common, ApplyOptions(approve=approve, approve_settling=no), Messages())
    assert (done.status, done.well, asked) == ("ended", True, [done.plan])
    assert done.journal is not None
    assert done.journal.is_file()
    assert {one.device: one.status for one in done.outcomes} == dict.fromkeys(HOSTS, "applied")
    assert not plan(common, PlanOptions(), Messages()).differs


def test_what_is_not_approved_is_not_applied(common: CommonOptions) -> None:
    done = apply(common, ApplyOptions(approve=no, approve_settling=no), Messages())
    assert (done.status, done.well, done.outcomes) == ("not_approved", False, ())
    assert plan(common, PlanOptions(), Messages()).differs


def test_a_saved_plan_is_applied_once(common: CommonOptions) -> None:
    file = Path("plan.json")
    made = plan(common, PlanOptions(valid_for=1), Messages()).plan
    save_plan(made, file, None)
    assert show(file).plan == made
    assert compare(file, file).differences == ()
    with pytest.raises(SignatureError):
        apply_saved(common, SavedPlanOptions(file=file, verify=Path("keys")), Messages())
    done = apply_saved(common, SavedPlanOptions(file=file), Messages())
    assert {one.status for one in done.outcomes} == {"applied"}
    with pytest.raises(Exception, match="applied already"):
        apply_saved(common, SavedPlanOptions(file=file), Messages())
    save_plan(replace(made, expires="2020-01-01T00:00:00+00:00"), file, None)
    with pytest.raises(StalePlanError):
        apply_saved(common, SavedPlanOptions(file=file), Messages())


def test_a_device_that_cannot_be_read_is_a_value(common: CommonOptions) -> None:
    alone = replace(nowhere(common), limit="fw1")
    planned = plan(alone, PlanOptions(), Messages())
    assert [failure.device for failure in planned.failures] == ["fw1"]
    done = apply(alone, AGREED, Messages())
    assert (done.status, [one.device for one in done.failures]) == ("refused", ["fw1"])


def test_the_caller_can_stop_what_changes_devices(common: CommonOptions) -> None:
    def at_once(
        revert: Callable[[], None], finish: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        assert finish is None
        revert()
        return nullcontext()

    done = apply(replace(common, interrupts=at_once), AGREED, Messages())
    assert (done.well, {one.status for one in done.outcomes}) == (False, {"failed"})
    assert plan(common, PlanOptions(), Messages()).differs


def test_progress_hears_every_device_and_warnings_are_kept(common: CommonOptions) -> None:
    heard: list[tuple[str, str]] = []

    class Heard(Messages):
        @contextmanager
        def devices(self, names: Sequence[str]) -> Generator[Callable[[str, str], None]]:
            assert set(names) == {*HOSTS}
            yield lambda device, step: heard.append((device, step))

    progress = Heard()
    assert plan(common, PlanOptions(), progress).failures == ()
    for host in HOSTS:
        steps = [step for device, step in heard if device == host]
        assert len(steps) > 1
        assert steps[-1] == ""
    assert progress.warnings == []
    Path("hosts.yml").chmod(0o666)
    plan(common, PlanOptions(), progress)
    assert ["can change it" in warning for warning in progress.warnings] == [True]
    with pytest.raises(InventoryError):
        apply(common, AGREED, progress)


# --- drift ---------------------------------------------------------------------------------------


def test_drift_is_found_told_accepted_and_on_record(applied: CommonOptions, fleet: Fleet) -> None:
    assert drift(applied, DriftOptions(), Messages()).in_sync
    tamper(fleet)
    progress = Messages()
    result = drift(applied, DriftOptions(), progress)
    assert (result.in_sync, result.failures) == (False, ())
    channels = Channels.of(
        environment="line1",
        history="history.db",
        no_history=False,
        keep_days=30,
        metrics=Path("segctl.prom"),
        pushgateway=None,
        plan=None,
        webhooks=(),
        template="generic",
        notify="on-change",
    )
    past = past_of(channels, result.report, result.loaded, result.started)
    publish(channels, result.report, result.loaded, past, progress)
    remember(channels, result.report, applied, result.loaded, past, progress=progress)
    assert progress == Messages()
    assert "segctl_" in Path("segctl.prom").read_text("utf-8")
    entries = history(HistoryOptions(url="history.db", environment="line1"))
    assert {entry.device for entry in entries} == {"gw2"}
    baseline = Path("baseline.yml")
    acceptance = Acceptance.of(baseline, "plant manager", "2099-01-31")
    assert acceptance is not None
    accept(result, acceptance)
    assert drift(applied, DriftOptions(baseline=baseline), Messages()).in_sync


def test_snapshots_are_planned_and_compared_without_a_device(applied: CommonOptions) -> None:
    kept = snapshot(applied, SnapshotOptions(out=Path("kept")), Messages())
    assert [one.name for one in kept.taken] == [*HOSTS]
    assert all(kept.files[host].is_file() for host in HOSTS)
    cut_off = nowhere(applied)
    offline = Path("kept")
    assert not plan(cut_off, PlanOptions(offline=offline), Messages()).differs
    assert drift(cut_off, DriftOptions(offline=offline), Messages()).in_sync


# --- the inventory -------------------------------------------------------------------------------


def test_check_and_validate_answer_in_values(applied: CommonOptions) -> None:
    found = validate(applied)
    assert (found.ok, found.refusals, found.counts["firewalls"]) == (True, {}, len(HOSTS))
    asked = (
        Check(source="scada1", destination="plc1", application="modbus.read", allow=True),
        Check(source="plc2", destination="scada1", allow=False),
    )
    for declared in (False, True):
        result = check(applied, CheckOptions(checks=asked, declared=declared), Messages())
        assert len(result.questions) == len(asked)
        assert result.answers.keys() == {*HOSTS}


def test_a_device_is_imported_and_files_are_formatted(applied: CommonOptions) -> None:
    result = import_host(applied, ImportOptions(host="fw1"), Messages())
    assert result.imported.changes == 0
    assert all(path.is_file() for path in result.written)
    assert any(RULE.format(1).split(".")[1] in text for text in result.imported.files.values())
    with pytest.raises(UsageError, match="fw9"):
        import_host(applied, ImportOptions(host="fw9"), Messages())
    Path("hosts.yml").write_text(Path("hosts.yml").read_text("utf-8") + "\n\n\n", "utf-8")
    options = FormatOptions(paths=(Path("hosts.yml"),))
    looked = format_files(applied, replace(options, check=True))
    assert [one.status for one in looked] == ["changed"]
    assert Path("hosts.yml").read_text("utf-8") == looked[0].before
    assert format_files(applied, options)[0].status == "changed"
    assert Path("hosts.yml").read_text("utf-8") == looked[0].after


# --- playbooks -----------------------------------------------------------------------------------


def test_a_playbook_is_planned_approved_and_rolled_out(common: CommonOptions) -> None:
    file = Path("play.yml")
    file.write_text("- {hosts: [fw1, gw2], name: Cells, serial: 1}\n", "utf-8")
    planned = plan_playbook(common, PlaybookOptions(file=file), Messages())
    assert (planned.well, planned.changes) == (True, True)
    assert not combined_plan(common, planned, 1).failures
    assert check_playbook(common, RolloutOptions(file=file), Messages()).well
    refused = apply_playbook(common, RolloutOptions(file=file), Messages())
    assert (refused.status, refused.well) == ("not_approved", False)
    waves: list[list[str]] = []
    asked: list[PlaybookPlan] = []

    def approve(plays: PlaybookPlan) -> bool:
        asked.append(plays)
        return True

    options = RolloutOptions(
        file=file,
        approve=approve,
        wave_done=lambda wave: waves.append([one.device for one in wave.devices]),
    )
    done = apply_playbook(common, options, Messages())
    assert (done.status, done.well, done.resume) == ("ended", True, "")
    assert waves == [["fw1"], ["gw2"]]
    assert len(asked) == 1
    assert not plan(common, PlanOptions(), Messages()).differs


# --- what holds for all of them ------------------------------------------------------------------

_TERMINAL = ("sys.stdout", "sys.stderr", "sys.stdin", "sys.exit", "sys.__stdout__", "os.write")
_CALLS = {"print", "input", "exit", "quit", "getpass"}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_no_operation_knows_a_terminal(path: Path) -> None:
    """Nothing prints, asks or exits; what is imported is the import contract's business, too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names]
            tops = {name.partition(".")[0] for name in names}
            assert not tops & {"typer", "rich", "click", "getpass"}
            assert not any(name.startswith("segctl.cli") for name in names)
        if isinstance(node, ast.Attribute):
            assert not ast.unparse(node).startswith(_TERMINAL)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in _CALLS
