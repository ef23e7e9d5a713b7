"""``segctl plan`` and ``segctl show``, and what a saved plan is good for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.files import check, save
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines, say, tell
from segctl.cli.signatures import (
    SignOption,
    VerifyOption,
    read_verified,
    remove_signatures,
    signed_by,
    signer,
    write_signature,
)
from segctl.cli.steps import OfflineOption, load_inventory, plan_all, settings_of, snapshots
from segctl.model.errors import PlanError, SegctlError, SignatureError, UsageError
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.cli.arguments import Settings
    from segctl.fleet import Failure
    from segctl.planning.plan import Plan
    from segctl.signing import Signature, Signer


PlaybookOption = Annotated[
    Path | None, typer.Option("-p", "--playbook", help="Waves as this playbook has them")
]
TagsOption = Annotated[
    list[str] | None, typer.Option("-t", "--tags", help="With -p: only tasks with these tags")
]
SkipTagsOption = Annotated[
    list[str] | None, typer.Option("--skip-tags", help="With -p: no tasks with these tags")
]


def only_with_playbook(playbook: Path | None, *options: object) -> None:
    """Refuse options of playbooks where none is given.

    Raises:
        UsageError: there is one.
    """
    if playbook is None and any(options):
        raise UsageError(
            "--tags, --skip-tags, --reviewed, --resume, --state and --on-interrupt go with a "
            "playbook (-p FILE)"
        )


@app.command(epilog=EPILOG)
@reporting
def plan(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plan for segctl apply FILE")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    valid_for: Annotated[
        float, typer.Option(min=0.01, help="Hours after which apply refuses the saved plan")
    ] = 24.0,
    sign: SignOption = None,
    offline: OfflineOption = None,
    playbook: PlaybookOption = None,
    tags: TagsOption = None,
    skip_tags: SkipTagsOption = None,
    files: ReportFiles,
) -> int:
    """Read the devices and show what would change; never writes to a device."""
    settings = settings_of(context)
    only_with_playbook(playbook, tags, skip_tags)
    saving = Saving.to(out, sign, valid_for)
    if playbook is not None:
        from segctl.cli.rollout import Options, plan_playbook, split_tags

        if offline is not None:
            raise UsageError("a playbook is planned on its devices: leave -p or --offline out")
        options = Options(
            file=playbook,
            tags=split_tags(tags),
            skip_tags=split_tags(skip_tags),
            diff=diff,
            brief=brief,
            detailed_exitcode=detailed_exitcode,
        )
        return plan_playbook(settings, options, files, saving)
    with files.refusals("plan", settings):
        held = snapshots(offline)
        loaded = load_inventory(settings)
        made, failures = plan_all(settings, loaded, valid_for=valid_for, offline=held)
    saved = saving.save(made, failures)
    if files.wanted:
        from segctl.report import plan_report

        places, name = places_of(loaded.site, settings), str(out or "plan.json")
        environment = files.environment
        files.write(plan_report(made, failures, environment=environment, places=places, file=name))
    show_plan(settings, made, failures, diff=diff, brief=brief)
    if saved:
        tell(saved)
    if failures or not made.applyable:
        return ERROR
    differs = made.changes or not all(one.state.lasts for one in made.devices)
    return DIFFERS if detailed_exitcode and differs else OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Where a plan is saved, what signs it there, and for how many hours it is good."""

    out: Path | None = None
    signing: Callable[[bytes, str], Signature] | None = None
    valid_for: float = 24.0

    @classmethod
    def to(cls, out: Path | None, key: Path | None, valid_for: float) -> Saving:
        """Return how a plan is saved to `out`, signed with `key`, before any device is read.

        Raises:
            UsageError: there is no such folder, or nothing is saved that could be signed.
            SignatureError: the key cannot be used.
        """
        if out is not None:
            check(out)
        signing = signer(key, out) if key is not None else None
        return cls(out=out, signing=signing, valid_for=valid_for)

    def save(self, made: Plan, failures: Sequence[Failure], *, apply: str = "") -> str:
        """Save a plan, if that is asked for and it is whole; return what to say of it.

        `apply` is what apply is given besides the plan.
        """
        if self.out is None:
            return ""
        if failures:
            return f"segctl: {self.out} not written: not every device could be planned"
        signature = save_plan(made, self.out, self.signing)
        if not made.applyable or not self.out.is_file():
            return ""
        beside = f", signed in {signature}" if signature else ""
        verify = " --verify KEYS" if signature else ""
        return f"Saved{beside}. To apply exactly this: segctl apply {apply}{self.out}{verify}"


def save_plan(
    made: Plan, out: Path, signing: Callable[[bytes, str], Signature] | None
) -> Path | None:
    """Save a plan, its signature first: at no moment is there a plan without one."""
    from segctl.planning.documents import plan_file

    text = plan_file(made)
    if signing is None:
        remove_signatures(out)
        save(out, text)
        return None
    path = write_signature(signing(text.encode(), out.name), out)
    save(out, text)
    return path


def show_plan(
    settings: Settings,
    made: Plan,
    failures: Sequence[Failure] = (),
    *,
    diff: bool = False,
    brief: bool = False,
    cause: SegctlError | None = None,
) -> None:
    """Print a plan; with `--json` also why it was not applied, if so."""
    from segctl.planning.documents import plan_json
    from segctl.report import plan_text

    if not settings.json:
        print_lines(plan_text(made, failures, diff=diff, brief=brief))
        return
    document = plan_json(made)
    if failures:
        document["errors"] = [asdict(failure) for failure in failures]
        document["error"] = {"code": failures[0].code, "message": failures[0].message}
    elif cause is not None:
        document["error"] = {"code": cause.code, "message": str(cause)}
    print_json(document, lines=settings.json_lines)


@app.command(epilog=EPILOG)
@reporting
def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A saved plan, also a stale one")],
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    same_as: Annotated[
        Path | None,
        typer.Option(
            "--same-as",
            metavar="REVIEWED",
            help="Compare with the plan that was reviewed: exit 2 unless it does exactly the same",
        ),
    ] = None,
    files: ReportFiles,
    verify: VerifyOption = None,
) -> int:
    """Show a saved plan and who signed it, or how it differs from another."""
    from segctl.planning.documents import parse_plan, plan_bytes

    files.check()
    data = plan_bytes(file)
    settings, made = settings_of(context), parse_plan(data, file)
    if same_as is not None:
        return _compare(settings, same_as, made, files, verify)
    doubt: SignatureError | None = None
    signers: tuple[Signer, ...] = ()
    try:
        signers = signed_by(data, file, verify) if verify is not None else ()
    except SignatureError as error:
        doubt = error
    if files.wanted:
        from segctl.report import Places, plan_report

        places = Places(anywhere=str(file))
        environment = files.environment
        files.write(plan_report(made, environment=environment, places=places, file=str(file)))
    show_plan(settings, made, diff=diff, brief=brief, cause=doubt)
    if not settings.json:
        commit = made.intent.git_commit[:12]
        dirty = " with uncommitted edits" if made.intent.dirty else ""
        inventory_at = f"; inventory at {commit}{dirty}" if commit else ""
        say(f"Made {made.created}, expires {made.expires}{inventory_at}.")
        for name, taken in (made.intent.snapshots or {}).items():
            say(f"Made offline: {name} from its snapshot of {taken}.")
        mention_use(file, made)
        _mention_signers(file, signers, verified=verify is not None)
    if doubt is not None:
        tell(f"segctl: {doubt}")
        return ERROR
    return OK


def _compare(
    settings: Settings, file: Path, made: Plan, files: ReportFiles, keys: Path | None
) -> int:
    """Say whether a plan does what the reviewed one does; with `keys`, that one must be signed."""
    from segctl.planning.documents import parse_plan, plan_bytes
    from segctl.planning.review import differences
    from segctl.report import review_json, review_report, review_text

    data = plan_bytes(file)
    if keys is not None:
        signed_by(data, file, keys)
    reviewed = parse_plan(data, file)
    found = differences(reviewed, made)
    if files.wanted:
        files.write(review_report(found, reviewed, made, environment=files.environment))
    if settings.json:
        print_json(review_json(found, reviewed, made), lines=settings.json_lines)
    else:
        print_lines(review_text(found))
    return DIFFERS if found else OK


def _mention_signers(file: Path, signers: Sequence[Signer], *, verified: bool) -> None:
    from segctl.signing import signatures_of

    for one in signers:
        say(f"Signed by {one}.")
    if not verified and (found := signatures_of(file)):
        names = ", ".join(path.name for path in found)
        say(f"There is {names}, not verified: give the trusted keys with --verify.")


def read_plan(file: Path, keys: Path | None = None) -> Plan:
    """Read a plan that is to be applied; with `keys`, one that was signed with one of them.

    Raises:
        SignatureError: keys are given, and none of them signed it.
        PlanFormatError: it is no plan, was edited, or has another version.
        StalePlanError: it has expired.
    """
    from segctl.model.errors import StalePlanError

    made = read_verified(file, keys)
    if expired(made):
        raise StalePlanError(f"{file} expired at {made.expires}: run segctl plan again")
    return made


def expired(made: Plan) -> bool:
    """Whether a plan is older than it may be to be applied."""
    return datetime.now(UTC) > datetime.fromisoformat(made.expires)


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.applied")


def refuse_used(file: Path, made: Plan) -> None:
    """Refuse a plan that was applied.

    Raises:
        PlanError: it was.
    """
    if _used(file, made):
        raise PlanError(f"{file} was applied already ({_marker(file).name}): run segctl plan again")


def mention_use(file: Path, made: Plan) -> None:
    """Say why apply would refuse a plan that `show` shows."""
    if expired(made):
        say("It has expired: run segctl plan again to apply anything.")
    elif _used(file, made):
        say("It was applied already: run segctl plan again to apply anything.")


def _used(file: Path, made: Plan) -> bool:
    marker = _marker(file)
    return marker.exists() and made.plan_id in marker.read_text(encoding="utf-8", errors="replace")


def mark_used(file: Path, made: Plan) -> None:
    """Note beside a plan file that it was applied."""
    moment = datetime.now(UTC).replace(microsecond=0).isoformat()
    try:
        storage.write(_marker(file), f"{made.plan_id} {moment}\n".encode())
    except OSError as error:
        tell(f"segctl: applied, but {error.filename}: {error.strerror}")
