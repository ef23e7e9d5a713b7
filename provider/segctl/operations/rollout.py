"""A playbook planned, rolled out in waves, and resumed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from segctl.fleet import Brake
from segctl.model.errors import PlanError, StalePlanError, UsageError
from segctl.operations.apply import Allowed
from segctl.operations.audit import record_of
from segctl.operations.files import save
from segctl.operations.loading import intent, load_inventory, refuse_writable, today, vault
from segctl.operations.plan_files import expired, refuse_unrehearsed
from segctl.operations.signatures import SIGNED_WAVES, read_verified, refuse_unsigned
from segctl.operations.workers import opened
from segctl.planning.documents import digest_of, plan_json
from segctl.planning.journal import journal_of
from segctl.planning.make import make_plan
from segctl.planning.meaning import refuse_widening
from segctl.playbook.run.combined import left_out, not_reviewed, whole
from segctl.playbook.run.context import Run
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from segctl.fleet import Failure, Workers
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.audit import Record
    from segctl.planning.plan import Allowance, DevicePlan, Plan
    from segctl.planning.rehearsal import Requirement
    from segctl.playbook import Playbook
    from segctl.playbook.run.prepare import Prepared
    from segctl.playbook.run.results import PlayResult, RolloutResult, WaveResult
    from segctl.playbook.run.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookOptions:
    """A playbook and which tasks of it are meant: all, or those that their tags choose.

    With `rehearsal`, the reviewed plan must have one that shows what that asks, as it must where
    a play asks.
    """

    file: Path
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    allow_mass_delete: bool = False
    no_widening: bool = False
    disruptions: tuple[Allowance, ...] = ()
    rehearsal: Requirement | None = None


def _refuse(_planned: PlaybookPlan) -> bool:
    return False


def _ignore(_wave: WaveResult) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions(PlaybookOptions):
    """How a playbook is rolled out.

    `approve` is given what the plays would do, and says whether they do it; it is not asked with
    `auto_approve`, nor where `reviewed`, a saved plan, says what may be done. With `verify`, one of
    these keys must have signed that plan. `resume` is the state file to go on from, `state` where
    to keep it. `wave_done` is called with what became of each wave.
    """

    reviewed: Path | None = None
    verify: Path | None = None
    resume: Path | None = None
    state: Path | None = None
    on_interrupt: Literal["finish", "revert"] = "finish"
    auto_approve: bool = False
    allow_purge: bool = False
    approve: Callable[[PlaybookPlan], bool] = _refuse
    wave_done: Callable[[WaveResult], None] = _ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookPlan:
    """What a playbook would do on its devices.

    `reviewed` is the plan that says what may be done, `refusal` why this is not that.
    """

    playbook: Playbook
    loaded: Loaded
    plays: tuple[Prepared, ...]
    result: RolloutResult
    reviewed: Plan | None = None
    refusal: RolloutResult | None = None

    @property
    def well(self) -> bool:
        """Whether it could be rolled out."""
        return self.refusal is None and self.result.well

    @property
    def changes(self) -> bool:
        """Whether a device would be changed."""
        return any(device.status == "planned" for device in self.result.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedPlan:
    """All waves as one plan, the devices that have none, and the waves they are in."""

    plan: Plan
    failures: Sequence[Failure]
    waves: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What became of a playbook.

    `ended`: `result` says what became of every device. `not_reviewed`: nothing was changed,
    `result` says what is not as reviewed. `not_approved`: nothing was changed, because the caller
    did not agree. `state` is the state file, if it stays; `resume` the command that goes on.
    `audit` is where it is on record.
    """

    status: Literal["ended", "not_reviewed", "not_approved"]
    result: RolloutResult
    rollout_id: str
    digest: str
    reviewed: str = ""
    state: Path | None = None
    resume: str = ""
    audit: Record | None = None

    @property
    def well(self) -> bool:
        """Whether all that was asked for is done, and on record."""
        recorded = self.audit is None or not self.audit.problems
        return self.status == "ended" and self.result.well and recorded


def prepare_plays(
    common: CommonOptions, options: PlaybookOptions, progress: Progress
) -> tuple[Playbook, Loaded, tuple[Prepared, ...]]:
    """Return a playbook, its inventory, and its plays with their waves; asks no device.

    Raises:
        PlaybookError: the playbook cannot be used.
        InventoryError: the inventory cannot be used.
        UsageError: tags or the limit leave nothing.
    """
    from segctl.inventory.surroundings import beside_playbook
    from segctl.playbook import read_playbook
    from segctl.playbook.run.prepare import prepare

    playbook = read_playbook(options.file, vault=vault(common))
    loaded = load_inventory(common, progress)
    for problem in beside_playbook(str(options.file), map(str, common.sources)):
        progress.warn(str(problem))
    plays = prepare(playbook, loaded, today(), only=options.tags, skip=options.skip_tags)
    if not plays:
        raise UsageError(f"{options.file}: --tags and --skip-tags leave no task of it")
    if not any(play.waves for play in plays):
        raise UsageError(f"{options.file}: its hosts, with -l, select no firewall")
    return playbook, loaded, plays


def _to_apply(
    common: CommonOptions, options: PlaybookOptions, progress: Progress
) -> tuple[Playbook, Loaded, tuple[Prepared, ...]]:
    """Return the same for who runs its probes on this machine.

    Raises:
        PlaybookError: also for a probe that cannot be run here.
    """
    from segctl.playbook.run.prepare import refuse_unusable

    found = prepare_plays(common, options, progress)
    refuse_unusable(found[2])
    return found


# --- plan ----------------------------------------------------------------------------------------


def plan_playbook(
    common: CommonOptions, options: PlaybookOptions, progress: Progress
) -> PlaybookPlan:
    """Read the devices and return what each wave would change; never writes to a device.

    Raises:
        PlaybookError: the playbook cannot be used.
        InventoryError: the inventory cannot be used.
        UsageError: tags or the limit leave nothing.
    """
    playbook, loaded, plays = prepare_plays(common, options, progress)
    with opened(common, _most(plays), progress) as executor:
        result = _looked(common, options, plays, executor, progress)
    return PlaybookPlan(playbook=playbook, loaded=loaded, plays=plays, result=result)


def combined_plan(common: CommonOptions, planned: PlaybookPlan, valid_for: float) -> CombinedPlan:
    """Return all waves as one plan, to be saved, reviewed and applied within `valid_for` hours."""
    combined = whole(planned.plays, planned.result)
    made = make_plan(
        combined.plans,
        intent(common, planned.loaded),
        valid_for=timedelta(hours=valid_for),
    )
    return CombinedPlan(plan=made, failures=combined.failures, waves=combined.waves)


def check_playbook(
    common: CommonOptions, options: RolloutOptions, progress: Progress
) -> PlaybookPlan:
    """Return what applying a playbook would do, and whether that is what was reviewed.

    Raises:
        PlaybookError: the playbook cannot be used.
        InventoryError: the inventory cannot be used.
        PlanError: the reviewed plan cannot be used.
        UsageError: tags or the limit leave nothing.
    """
    playbook, loaded, plays = _to_apply(common, options, progress)
    reviewed = _reviewed(options, plays) if options.reviewed is not None else None
    _refuse_unrehearsed(options, plays, reviewed)
    with opened(common, _most(plays), progress) as executor:
        result = _looked(common, options, plays, executor, progress)
    refusal = not_reviewed(plays, result, reviewed, {}) if reviewed is not None else None
    return PlaybookPlan(
        playbook=playbook,
        loaded=loaded,
        plays=plays,
        result=result,
        reviewed=reviewed,
        refusal=refusal,
    )


def _most(plays: Sequence[Prepared]) -> int:
    """Return how many devices the largest play has."""
    return max(sum(map(len, play.waves)) for play in plays)


def _looked(
    common: CommonOptions,
    options: PlaybookOptions,
    plays: Sequence[Prepared],
    executor: Workers,
    progress: Progress,
) -> RolloutResult:
    from segctl.playbook.run.runner import look

    return look(
        plays,
        forks=common.forks,
        screen=progress,
        executor=executor,
        cache=common.cache,
        allow_mass_delete=options.allow_mass_delete,
        no_widening=options.no_widening,
        disruptions=options.disruptions,
    )


# --- apply ---------------------------------------------------------------------------------------


def apply_playbook(common: CommonOptions, options: RolloutOptions, progress: Progress) -> Rollout:
    """Roll a playbook out as its devices were reviewed, or as the caller approves.

    Raises:
        PlaybookError: the playbook cannot be used.
        InventoryError: the inventory cannot be used, or every user of this machine can change it.
        SignatureError: a device takes signed plans only, and there is none.
        PlanError: the reviewed plan cannot be used, or the state file cannot be written.
        UsageError: tags or the limit leave nothing, or the state file is of another run.
    """
    playbook, loaded, plays = _to_apply(common, options, progress)
    refuse_writable(loaded)
    reviewed = _reviewed(options, plays)
    _refuse_unrehearsed(options, plays, reviewed)
    state = _state(options, playbook, reviewed)
    with opened(common, _most(plays), progress) as executor:
        agreed, seen = None, None
        if reviewed is not None:
            seen = _looked(common, options, plays, executor, progress)
            if refusal := not_reviewed(plays, seen, reviewed, state.done):
                return _not_begun("not_reviewed", refusal, options, playbook, reviewed)
        elif not options.auto_approve or options.no_widening:
            seen = _looked(common, options, plays, executor, progress)
            planned = PlaybookPlan(playbook=playbook, loaded=loaded, plays=plays, result=seen)
            _refuse_widening(options, [one.plan for one in seen.devices if one.plan])
            if not options.auto_approve and not options.approve(planned):
                return _not_begun("not_approved", seen, options, playbook, reviewed)
            agreed = None if options.auto_approve else _agreed(seen)
        kept = _Kept(path=_path(options, state), state=state)
        said = reviewed.intent if reviewed is not None else intent(common, loaded)
        plan_id = reviewed.plan_id if reviewed else state.rollout_id
        audit = record_of("playbook", plan_id, said, playbook=str(options.file))
        run = Run(
            forks=common.forks,
            brake=Brake(),
            screen=progress,
            keep=_keeper(options, kept, progress),
            allow_purge=options.allow_purge,
            allow_mass_delete=options.allow_mass_delete,
            no_widening=options.no_widening,
            disruptions=options.disruptions,
            seen={
                **{one.device: one.plan.management for one in seen.devices if one.plan},
                **seen.managed,
            }
            if seen is not None
            else {},
            executor=executor,
            cache=common.cache,
            approved=agreed,
            reviewed=reviewed,
            done=state.done,
            begun=state.begun,
            begin=_beginner(kept),
            rollout_id=state.rollout_id,
            record=audit,
            journal=journal_of(
                state.rollout_id,
                plan_id=plan_id,
                command=_again(common, options, _path(options, state)),
            ),
            resting_until=state.soak_until,
        )
        return _rolled(common, options, plays, state, run)


def _not_begun(
    status: Literal["not_reviewed", "not_approved"],
    result: RolloutResult,
    options: RolloutOptions,
    playbook: Playbook,
    reviewed: Plan | None,
) -> Rollout:
    return Rollout(
        status=status,
        result=result,
        rollout_id=uuid4().hex,
        digest=playbook.digest,
        reviewed=reviewed.plan_id if reviewed is not None else "",
        state=options.resume,
    )


def _reviewed(options: RolloutOptions, plays: Sequence[Prepared]) -> Plan | None:
    """Return the plan that says what may be done, if one does.

    Raises:
        SignatureError: it is not signed, or there is none, where that is asked for.
        StalePlanError: what was signed is no longer to be begun.
        PlanError: errors forbid applying it.
        UsageError: it changes devices that the plays do not reach.
    """
    file = options.reviewed
    made = read_verified(file, options.verify) if file is not None else None
    signed = options.verify is not None
    for play in plays:
        names = [
            name for wave in play.waves for item in wave for name in (item.device.name, *item.hosts)
        ]
        signed |= refuse_unsigned(play.connections, names, file, made, instead=SIGNED_WAVES)
    if made is None:
        return None
    if signed and options.resume is None and expired(made):
        raise StalePlanError(
            f"{file} expired at {made.expires}: plan again, have it reviewed and signed"
        )
    # each wave asks again, of its own task: here it is enough that any of them allows it
    allowed = options.allow_mass_delete or any(
        task.allow_mass_delete for play in plays for task in play.tasks
    )
    if barred := [one.name for one in made.devices if one.barring(allow_mass_delete=allowed)]:
        raise PlanError(
            f"{file} cannot be applied, the errors of {', '.join(barred)} forbid it: "
            "nothing was changed"
        )
    _refuse_widening(options, made.devices)
    if beside := left_out(plays, made):
        more = f" and {len(beside) - 12} more" if len(beside) > 12 else ""
        raise UsageError(
            f"{file} changes {', '.join(beside[:12])}{more} too, which {options.file}, its tags "
            "or -l leave out: what was reviewed is applied whole, nothing was changed; "
            f"review what this rollout does: segctl plan -p {options.file} -o PLAN"
        )
    return made


def _refuse_unrehearsed(
    options: RolloutOptions, plays: Sequence[Prepared], reviewed: Plan | None
) -> None:
    """Refuse all waves where the user or a play asks for a rehearsal that the plan does not have.

    A run that is resumed began when the records were young enough.

    Raises:
        NotRehearsedError: it has none as is asked, or nothing could be told.
        DropsTrafficError: it would drop what must go on.
    """
    asked = [play.play.rehearsal for play in plays if play.applies]
    for one in dict.fromkeys((options.rehearsal, *asked)):
        if one is not None:
            young = one if options.resume is None else replace(one, max_age=None)
            refuse_unrehearsed(reviewed, young)


def _refuse_widening(options: RolloutOptions, plans: Iterable[DevicePlan]) -> None:
    """Refuse all waves where a device of one would permit more, or may.

    Raises:
        WideningError: one of them does, and the user refuses that.
    """
    for one in plans:
        if options.no_widening and one.changes:
            refuse_widening(one.name, one.meaning)


def _agreed(seen: RolloutResult) -> dict[tuple[int, str], str]:
    from segctl.playbook.run.wave import agreed_on

    return {
        (play.number, one.device): agreed_on(one.plan)
        for play in seen.plays
        for wave in play.waves
        for one in wave.devices
        if one.plan is not None
    }


def _state(options: RolloutOptions, playbook: Playbook, reviewed: Plan | None) -> State:
    from segctl.playbook.run.state import State, load_state

    bound = (reviewed.plan_id, digest_of(plan_json(reviewed))) if reviewed is not None else None
    if options.resume is None:
        return State(
            rollout_id=uuid4().hex,
            playbook=str(options.file),
            digest=playbook.digest,
            tags=options.tags,
            skip_tags=options.skip_tags,
            reviewed=bound,
        )
    state = load_state(options.resume, playbook)
    if (state.tags, state.skip_tags) != (options.tags, options.skip_tags):
        raise UsageError(
            f"{options.resume} was begun with other tags "
            f"(--tags {','.join(state.tags) or 'all'}"
            f"{' --skip-tags ' + ','.join(state.skip_tags) if state.skip_tags else ''}): "
            "give the same"
        )
    if state.reviewed != bound:
        begun = f"the reviewed plan {state.reviewed[0]}" if state.reviewed else "no reviewed plan"
        given = f"--reviewed is plan {bound[0]}" if bound else "--reviewed is not given"
        raise UsageError(
            f"{options.resume} was begun with {begun}, and {given}: give the same, or begin again "
            "without --resume, what is done is found to be so"
        )
    return state


def _rolled(
    common: CommonOptions,
    options: RolloutOptions,
    plays: Sequence[Prepared],
    state: State,
    run: Run,
) -> Rollout:
    from segctl.playbook.run.runner import roll

    path = _path(options, state)
    save(path, state.dumps())
    finish = None if options.on_interrupt == "revert" else run.brake.ease
    with common.interrupts(run.press, finish):
        result = roll(plays, run)
    passing = result.well and options.state is None
    if passing:
        storage.remove(path)
    return Rollout(
        status="ended",
        result=result,
        rollout_id=state.rollout_id,
        digest=state.digest,
        reviewed=state.reviewed[0] if state.reviewed else "",
        state=None if passing else path,
        resume="" if result.well else _again(common, options, path),
        audit=run.record,
    )


def _path(options: RolloutOptions, state: State) -> Path:
    beside = options.file.with_name(f"rollout-{state.rollout_id[:12]}.json")
    return options.resume or options.state or beside


@dataclass(slots=True, kw_only=True)
class _Kept:
    """The state file, and what stands in it."""

    path: Path
    state: State

    def save(self, state: State) -> None:
        self.state = state
        save(self.path, state.dumps())


def _beginner(kept: _Kept) -> Callable[[int, Sequence[str]], None]:
    """Return what notes in the state file that a wave is about to begin."""

    def begin(play: int, devices: Sequence[str]) -> None:
        kept.save(kept.state.beginning(play, devices))

    return begin


def _keeper(
    options: RolloutOptions, kept: _Kept, progress: Progress
) -> Callable[[Sequence[PlayResult], datetime | None], None]:
    """Return what notes each wave in the state file, and tells the caller."""

    def keep(plays: Sequence[PlayResult], until: datetime | None) -> None:
        try:
            kept.save(kept.state.after(plays, until))
        except PlanError as error:
            progress.note(f"the rollout goes on, but could not be resumed from there: {error}")
        options.wave_done(plays[-1].waves[-1])

    return keep


def _again(common: CommonOptions, options: RolloutOptions, path: Path) -> str:
    """Return the command that resumes; what may be secret in it is left for the user to repeat."""
    words = ["segctl", *common.words()]
    words += ["apply", "-p", str(options.file), "--resume", str(path)]
    words += ["--reviewed", str(options.reviewed)] if options.reviewed else []
    words += ["--verify", str(options.verify)] if options.verify else []
    for name, tags in (("--tags", options.tags), ("--skip-tags", options.skip_tags)):
        words += [name, ",".join(tags)] if tags else []
    words += ["--on-interrupt", "revert"] if options.on_interrupt == "revert" else []
    words += Allowed(
        purge=options.allow_purge,
        mass_delete=options.allow_mass_delete,
        no_widening=options.no_widening,
        disruptions=options.disruptions,
        rehearsal=options.rehearsal,
    ).words()
    words += ["--auto-approve"] if options.auto_approve else []
    return shlex.join(words)
