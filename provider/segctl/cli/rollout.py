"""``segctl plan -p`` and ``segctl apply -p``: a playbook planned, rolled out and resumed."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.files import save
from segctl.cli.interrupts import braked, eased
from segctl.cli.plan import expired
from segctl.cli.reports import ReportFiles, places_of
from segctl.cli.screen import print_event, print_json, print_lines, progress, tell
from segctl.cli.signatures import SIGNED_WAVES, read_verified, refuse_unsigned
from segctl.cli.steps import (
    intent,
    load_inventory,
    refuse_writable,
    today,
    vault,
    working,
)
from segctl.fleet import Brake
from segctl.model.errors import PlanError, StalePlanError, UsageError
from segctl.planning.documents import digest_of, plan_json
from segctl.planning.journal import journal_of
from segctl.planning.make import make_plan
from segctl.playbook.run.combined import left_out, not_reviewed, whole
from segctl.playbook.run.context import Run
from segctl.report import plan_report
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from segctl.cli.arguments import Settings
    from segctl.cli.plan import Saving
    from segctl.fleet.workers import Workers
    from segctl.inventory import Loaded
    from segctl.planning.plan import Plan
    from segctl.playbook import Playbook
    from segctl.playbook.run.prepare import Prepared
    from segctl.playbook.run.results import PlayResult, RolloutResult
    from segctl.playbook.run.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``plan -p`` and ``apply -p`` were given."""

    file: Path
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    reviewed: Path | None = None
    verify: Path | None = None
    resume: Path | None = None
    state: Path | None = None
    on_interrupt: str = "finish"
    auto_approve: bool = False
    allow_purge: bool = False
    allow_mass_delete: bool = False
    diff: bool = False
    brief: bool = False
    detailed_exitcode: bool = False


def split_tags(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tags of ``--tags``, which may be given more than once and hold commas."""
    return tuple(
        tag for value in values or () for part in value.split(",") if (tag := part.strip())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The screen of a rollout: lines as it goes on, or events."""

    settings: Settings

    @contextmanager
    def devices(self, names: Sequence[str]) -> Generator[Callable[[str, str], None]]:
        with progress(self.settings, names) as report:
            yield report

    def tell(self, event: str, **facts: object) -> None:
        if self.settings.json_lines:
            print_event(event, **facts)
        elif text := _spoken(event, facts):
            (tell if self.settings.json else _say)(text)


def _say(text: str) -> None:
    from segctl.report import Line

    print_lines([Line(text=text)])


def _spoken(event: str, facts: dict[str, object]) -> str:
    """Write an event for people; what became of devices is printed by itself."""
    if event == "play":
        return f"Play {facts['play']}: {facts['name']}"
    if event == "soak":
        from segctl.cli.board import spoken

        seconds = facts["seconds"]
        length = spoken(seconds) if isinstance(seconds, int) else str(seconds)
        return f"Soaking {length}, until {facts['until']}."
    return ""


def _prepared(
    settings: Settings, options: Options
) -> tuple[Playbook, Loaded, tuple[Prepared, ...]]:
    from segctl.playbook import read_playbook
    from segctl.playbook.run.prepare import prepare

    playbook = read_playbook(options.file, vault=vault(settings))
    loaded = load_inventory(settings)
    plays = prepare(playbook, loaded, today(), only=options.tags, skip=options.skip_tags)
    if not plays:
        raise UsageError(f"{options.file}: --tags and --skip-tags leave no task of it")
    if not any(play.waves for play in plays):
        raise UsageError(f"{options.file}: its hosts, with -l, select no firewall")
    return playbook, loaded, plays


# --- plan ----------------------------------------------------------------------------------------


def plan_playbook(settings: Settings, options: Options, files: ReportFiles, saving: Saving) -> int:
    """Show what each wave of a playbook would change, save and report it; writes to no device."""
    with files.refusals("plan", settings):
        playbook, loaded, plays = _prepared(settings, options)
        with working(settings, _most(plays)) as executor:
            result = _looked(settings, options, plays, executor)
        saved = ""
        if saving.out is not None or files.wanted:
            found = whole(plays, result)
            made = make_plan(
                found.plans,
                intent(settings, loaded),
                valid_for=timedelta(hours=saving.valid_for),
            )
            apply = f"-p {options.file} --reviewed "
            saved = saving.save(made, found.failures, apply=apply)
            report = plan_report(
                made,
                found.failures,
                environment=files.environment,
                places=places_of(loaded.site, settings),
                file=f"{apply}{saving.out or 'plan.json'}",
                waves=found.waves,
            )
            files.write(report)
    _show_plan(settings, options, playbook, plays, result)
    if saved:
        tell(saved)
    if not result.well:
        return ERROR
    changes = any(one.status == "planned" for one in result.devices)
    return DIFFERS if options.detailed_exitcode and changes else OK


def check_playbook(settings: Settings, options: Options) -> int:
    """Show what applying a playbook would do, and whether that is what was reviewed."""
    playbook, _, plays = _prepared(settings, options)
    reviewed = _reviewed(options, plays) if options.reviewed is not None else None
    with working(settings, _most(plays)) as executor:
        result = _looked(settings, options, plays, executor)
    refusal = not_reviewed(plays, result, reviewed, {}) if reviewed is not None else None
    if refusal is None or not settings.json:
        _show_plan(settings, options, playbook, plays, result)
    if refusal is not None:
        _show_refusal(settings, options, playbook, refusal, reviewed)
    return OK if refusal is None and result.well else ERROR


def _most(plays: Sequence[Prepared]) -> int:
    """Return how many devices the largest play has."""
    return max(sum(map(len, play.waves)) for play in plays)


def _looked(
    settings: Settings, options: Options, plays: Sequence[Prepared], executor: Workers
) -> RolloutResult:
    from segctl.playbook.run.runner import look

    return look(
        plays,
        forks=settings.forks,
        screen=_Shown(settings=settings),
        executor=executor,
        cache=settings.cache,
        allow_mass_delete=options.allow_mass_delete,
    )


def _show_plan(
    settings: Settings,
    options: Options,
    playbook: Playbook,
    plays: Sequence[Prepared],
    result: RolloutResult,
) -> None:
    from segctl.report.rollout import plan_text, rollout_json

    if settings.json:
        document = rollout_json(
            result,
            action="plan",
            rollout_id=uuid4().hex,
            playbook=str(options.file),
            digest=playbook.digest,
        )
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(plan_text(plays, result, diff=options.diff, brief=options.brief))


# --- apply ---------------------------------------------------------------------------------------


def apply_playbook(settings: Settings, options: Options, approved: Callable[[], bool]) -> int:
    """Roll a playbook out; without ``--auto-approve`` only what `approved` agrees to."""
    playbook, loaded, plays = _prepared(settings, options)
    refuse_writable(loaded)
    reviewed = _reviewed(options, plays)
    state = _state(options, playbook, reviewed)
    with working(settings, _most(plays)) as executor:
        agreed = None
        if reviewed is not None:
            seen = _looked(settings, options, plays, executor)
            if refusal := not_reviewed(plays, seen, reviewed, state.done):
                _show_refusal(settings, options, playbook, refusal, reviewed)
                return ERROR
        elif not options.auto_approve:
            seen = _looked(settings, options, plays, executor)
            _show_plan(settings, options, playbook, plays, seen)
            if any(one.status == "planned" for one in seen.devices) and not approved():
                tell("Not applied: nothing was changed.")
                return ERROR
            agreed = _agreed(seen)
        kept = _Kept(path=_path(options, state), state=state)
        run = Run(
            forks=settings.forks,
            brake=Brake(),
            screen=_Shown(settings=settings),
            keep=_keeper(settings, kept),
            allow_purge=options.allow_purge,
            allow_mass_delete=options.allow_mass_delete,
            executor=executor,
            cache=settings.cache,
            approved=agreed,
            reviewed=reviewed,
            done=state.done,
            begun=state.begun,
            begin=_beginner(kept),
            rollout_id=state.rollout_id,
            journal=journal_of(
                state.rollout_id,
                plan_id=reviewed.plan_id if reviewed else state.rollout_id,
                command=_again(settings, options, _path(options, state)),
            ),
            resting_until=state.soak_until,
        )
        return _roll(settings, options, plays, state, run)


def _reviewed(options: Options, plays: Sequence[Prepared]) -> Plan | None:
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
        names = [item.device.name for wave in play.waves for item in wave]
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
    if beside := left_out(plays, made):
        more = f" and {len(beside) - 12} more" if len(beside) > 12 else ""
        raise UsageError(
            f"{file} changes {', '.join(beside[:12])}{more} too, which {options.file}, its tags "
            "or -l leave out: what was reviewed is applied whole, nothing was changed; "
            f"review what this rollout does: segctl plan -p {options.file} -o PLAN"
        )
    return made


def _show_refusal(
    settings: Settings,
    options: Options,
    playbook: Playbook,
    refusal: RolloutResult,
    reviewed: Plan | None,
) -> None:
    from segctl.report.rollout import refusal_text, rollout_json

    if not settings.json:
        print_lines(refusal_text(refusal))
        return
    document = rollout_json(
        refusal,
        action="apply",
        rollout_id=uuid4().hex,
        playbook=str(options.file),
        digest=playbook.digest,
        reviewed=reviewed.plan_id if reviewed is not None else "",
        state=str(options.resume or ""),
    )
    print_json(document, lines=settings.json_lines)


def _agreed(seen: RolloutResult) -> dict[tuple[int, str], str]:
    from segctl.playbook.run.wave import agreed_on

    return {
        (play.number, one.device): agreed_on(one.plan)
        for play in seen.plays
        for wave in play.waves
        for one in wave.devices
        if one.plan is not None
    }


def _state(options: Options, playbook: Playbook, reviewed: Plan | None) -> State:
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


def _roll(
    settings: Settings,
    options: Options,
    plays: Sequence[Prepared],
    state: State,
    run: Run,
) -> int:
    from segctl.playbook.run.runner import roll
    from segctl.report.rollout import result_text, rollout_json

    path = _path(options, state)
    save(path, state.dumps())
    reverts = options.on_interrupt == "revert"
    with braked(run.press) if reverts else eased(run.brake, run.press):
        result = roll(plays, run)
    resume = "" if result.well else _again(settings, options, path)
    if result.well and options.state is None:
        storage.remove(path)
    if settings.json:
        document = rollout_json(
            result,
            action="apply",
            rollout_id=state.rollout_id,
            playbook=str(options.file),
            digest=state.digest,
            reviewed=state.reviewed[0] if state.reviewed else "",
            state="" if result.well and options.state is None else str(path),
            resume=resume,
        )
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(result_text(result, resume=resume))
    return OK if result.well else ERROR


def _path(options: Options, state: State) -> Path:
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
    settings: Settings, kept: _Kept
) -> Callable[[Sequence[PlayResult], datetime | None], None]:
    """Return what notes each wave: in the state file, and on the screen."""
    from segctl.report.rollout import wave_text

    def keep(plays: Sequence[PlayResult], until: datetime | None) -> None:
        try:
            kept.save(kept.state.after(plays, until))
        except PlanError as error:
            reason = f"the rollout goes on, but could not be resumed from there: {error}"
            tell(f"segctl: {reason}")
        if not settings.json:
            print_lines(wave_text(plays[-1].waves[-1]))

    return keep


def _again(settings: Settings, options: Options, path: Path) -> str:
    """Return the command that resumes; what may be secret in it is left for the user to repeat."""
    words = ["segctl", *settings.again()]
    words += ["apply", "-p", str(options.file), "--resume", str(path)]
    words += ["--reviewed", str(options.reviewed)] if options.reviewed else []
    words += ["--verify", str(options.verify)] if options.verify else []
    for name, tags in (("--tags", options.tags), ("--skip-tags", options.skip_tags)):
        words += [name, ",".join(tags)] if tags else []
    words += ["--on-interrupt", "revert"] if options.on_interrupt == "revert" else []
    words += ["--allow-purge"] if options.allow_purge else []
    words += ["--allow-mass-delete"] if options.allow_mass_delete else []
    words += ["--auto-approve"] if options.auto_approve else []
    return shlex.join(words)
