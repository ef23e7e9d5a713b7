"""The command line: reads arguments, calls the core, prints, and exits 0, 1 or 2.

Global options may stand before or after a command's name. Heavy libraries load in the commands
that need them, so that ``segctl --help`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import segctl
from segctl.errors import InventoryError, PlanError, SegctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from segctl.compile import Desired
    from segctl.importing import Imported
    from segctl.inventory import Loaded, VaultSecrets
    from segctl.plan import DevicePlan, Plan
    from segctl.report import Line
    from segctl.rollout import Brake, Failure

OK, ERROR, DIFFERS = 0, 1, 2
#: What Typer makes of Ctrl-C; here it is a problem like others.
_INTERRUPTED = 130
#: How wide lines are where no terminal says it.
_WIDTH = 100
#: Shown at the end of every command's help.
_EPILOG = (
    "Before or after the command: -i/--inventory, -l/--limit, -e/--extra-vars, "
    "--vault-password-file, --ask-vault-pass, -f/--forks, --json, -v/--verbose "
    "(segctl --help explains them)."
)
#: What Typer raises for a command line it does not understand; it exports only this subclass.
_CommandLineError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
#: Global options by spelling, with whether a value follows.
_GLOBAL = {
    "-i": True,
    "--inventory": True,
    "-l": True,
    "--limit": True,
    "-e": True,
    "--extra-vars": True,
    "--vault-password-file": True,
    "--ask-vault-pass": False,
    "-f": True,
    "--forks": True,
    "--json": False,
    "-v": False,
    "--verbose": False,
}


class LeftError(SegctlError):
    """Who was applying left with a second Ctrl-C while devices were still going back."""

    code = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The global options."""

    inventory: tuple[Path, ...] = ()
    limit: str | None = None
    extra_vars: tuple[str, ...] = ()
    vault_password_file: Path | None = None
    ask_vault_pass: bool = False
    forks: int = 10
    json: bool = False
    verbose: bool = False

    @property
    def sources(self) -> tuple[Path, ...]:
        """The inventories to read."""
        return self.inventory or (Path("inventory"),)


app = typer.Typer(
    name="segctl",
    help="Provision firewalls for OT network segmentation from IEC 62443 zones and conduits.",
    epilog="These options may stand before or after the command. "
    "Exit status: 0 done or nothing to do, 1 problem, 2 differs (drift; plan --detailed-exitcode).",
    invoke_without_command=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
mock_app = typer.Typer(
    help="Mock devices to try things on.",
    epilog=_EPILOG,
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(mock_app, name="mock")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    code = run(sys.argv[1:] if argv is None else argv)
    with suppress(OSError):
        sys.stderr.flush()
    sys.exit(code)


def _stop(_number: int, _frame: object) -> None:
    """Take a pipeline's cancel, or a terminal that is closed, as Ctrl-C."""
    raise KeyboardInterrupt


def run(argv: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    hoisted = hoist(list(argv))
    as_json = _asks_json(hoisted)
    try:
        code = _run(hoisted, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except OSError as error:
        return _complain("io", f"standard output: {error.strerror}", as_json=False)
    return code


def _run(hoisted: list[str], *, as_json: bool) -> int:
    try:
        code = app(args=hoisted, prog_name="segctl", standalone_mode=False)
    except typer.Exit as error:
        return error.exit_code
    except _CommandLineError as error:
        return _complain("usage", _usage(error), as_json=as_json)
    except InventoryError as error:
        return _complain(error.code, str(error), as_json=as_json, problems=error)
    except SegctlError as error:
        return _complain(error.code, str(error), as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _complain("io", f"{where}{error.strerror or error}", as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, not a traceback
        return _unforeseen(error, as_json=as_json)
    if code == _INTERRUPTED:
        return _complain("interrupted", "interrupted: nothing was changed", as_json=as_json)
    return code if isinstance(code, int) else OK


def _unforeseen(error: Exception, *, as_json: bool) -> int:
    if os.environ.get("SEGCTL_TRACEBACK"):
        raise error
    from segctl.rollout import internal

    message = f"{internal(error)} (SEGCTL_TRACEBACK=1 shows where it came from)"
    return _complain("internal", message, as_json=as_json)


def _usage(error: typer.BadParameter) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "segctl"
    return f"{error.format_message()} (see: {command} --help)"


def _complain(
    code: str, message: str, *, as_json: bool, problems: InventoryError | None = None
) -> int:
    if as_json:
        from segctl.report import problems_json

        error: dict[str, Any] = {"code": code, "message": message}
        if problems is not None:
            error["problems"] = problems_json(problems.problems)
        _print_json({"error": error})
    if problems is None:
        _tell(f"segctl: {message}")
    else:
        count = len(problems.problems)
        _tell(message)
        _tell(f"segctl: {count} problem{'' if count == 1 else 's'} in the inventory")
    return ERROR


def _tell(message: str) -> None:
    """Write to standard error: wrapped for a terminal, whole lines otherwise."""
    import shutil
    import textwrap

    with suppress(OSError):
        columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else 1 << 20
        for line in message.splitlines():
            shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
            wrapped = textwrap.wrap(
                shown,
                max(columns, 24),
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            sys.stderr.write("\n".join(wrapped) + "\n")
        sys.stderr.flush()


def hoist(argv: list[str]) -> list[str]:
    """Return the arguments with global options moved before the command."""
    front: list[str] = []
    rest: list[str] = []
    words: Iterator[str] = iter(argv)
    while (word := next(words, None)) is not None:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, _ = word.partition("=")
        cluster = word[:1] == "-" and word[:2] != "--" and len(word) > 2
        if name in _GLOBAL and (equals or not _GLOBAL[name]):
            front.append(word)
        elif name in _GLOBAL:
            value = next(words, None)
            if value is None:
                return [*front, word]  # for Click to say that it needs a value
            front += [word, value]
        elif cluster and _GLOBAL.get(word[:2]):
            front.append(word)
        elif cluster and word[:2] in _GLOBAL:
            front.append(word[:2])
            words = chain([f"-{word[2:]}"], words)
        else:
            rest.append(word)
    return front + rest


def _asks_json(hoisted: Sequence[str]) -> bool:
    words = iter(hoisted)
    for word in words:
        if word == "--json":
            return True
        if word[:1] != "-":
            return False
        if _GLOBAL.get(word):
            next(words, None)
    return False


# --- printing ------------------------------------------------------------------------------------


def _print_json(document: Mapping[str, Any]) -> None:
    import json

    sys.stdout.write(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _print(lines: Iterable[Line]) -> None:
    from segctl.report import laid_out

    console = _console()
    for line in laid_out(lines, console.width):
        console.print(line, soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    """Return a console that writes no escape code where NO_COLOR is set or no terminal is."""
    from rich.console import Console

    console = Console(highlight=False, stderr=stderr, color_system=None if _plain() else "auto")
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _seen_width()
    return console


def _seen_width() -> int:
    """Return how wide a reader of a pipe sees it: as the terminal behind it, if there is one."""
    for descriptor in (2, 0):
        with suppress(OSError):
            return os.get_terminal_size(descriptor).columns or _WIDTH
    return _WIDTH


def _plain() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


@contextmanager
def _progress(settings: Settings, devices: Sequence[str]) -> Generator[Callable[[str, str], None]]:
    """Show what each device is doing, on standard error: a display on a terminal, lines with -v."""
    live = sys.stderr.isatty() and not _plain() and not settings.verbose
    if not live or not devices:

        def told(device: str, step: str) -> None:
            if settings.verbose and step:
                with suppress(OSError):  # who reads it may be gone; the work goes on
                    sys.stderr.write(f"{device}: {step}\n")
                    sys.stderr.flush()

        yield told
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as shown:
        several = len(devices) > 1
        total = shown.add_task(f"0 of {len(devices)} devices", total=None, visible=several)
        tasks = {name: shown.add_task(name, total=None, visible=False) for name in devices}
        lock, done = threading.Lock(), set[str]()

        def display(device: str, step: str) -> None:
            with lock, suppress(OSError):
                if not step:
                    done.add(device)
                shown.update(tasks[device], description=f"{device}: {step}", visible=bool(step))
                shown.update(total, description=f"{len(done)} of {len(devices)} devices")

        yield display


@contextmanager
def _braked(brake: Brake) -> Generator[None]:
    """Let Ctrl-C, and a pipeline's cancel, stop the devices at their next step and go back.

    The second one leaves at once, whatever the devices are doing.
    """

    def press(_number: int, _frame: object) -> None:
        if brake.pressed:
            raise LeftError(
                "interrupted twice: left while devices were going back; run segctl plan to see "
                "what they hold (the next apply cleans up what this one left on them)"
            )
        brake.press()
        message = b"\nsegctl: interrupted: going back; once more leaves without waiting\n"
        with suppress(OSError):
            os.write(sys.stderr.fileno(), message)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = threading.current_thread() is threading.main_thread()
    chosen = [number for number in numbers if heeded and before[number] != signal.SIG_IGN]
    for number in chosen:
        signal.signal(number, press)
    try:
        yield
    finally:
        for number in chosen:
            signal.signal(number, before[number])


# --- what every command needs --------------------------------------------------------------------


def _settings(context: typer.Context) -> Settings:
    found = context.find_object(Settings)
    return found or Settings()


def _vault(settings: Settings) -> VaultSecrets | None:
    if settings.vault_password_file is None and not settings.ask_vault_pass:
        return None
    from segctl.credentials import Secret
    from segctl.inventory import VaultSecrets, vault_password

    if settings.vault_password_file is not None:
        password = vault_password(settings.vault_password_file)
    else:
        password = Secret(typer.prompt("Vault password", hide_input=True))
    return VaultSecrets((("default", password),))


def _load(settings: Settings) -> Loaded:
    from segctl.inventory import load

    return load(
        list(settings.sources),
        limit=settings.limit,
        extra_vars=settings.extra_vars,
        vault=_vault(settings),
        today=_today(),
    )


def _today() -> date:
    return datetime.now(UTC).astimezone().date()


def _desired(loaded: Loaded) -> list[Desired]:
    """Return what every firewall that the limit selects should hold."""
    from segctl.compile import compile_site

    compiled = compile_site(loaded.site, _today())
    chosen = [compiled[name] for name in loaded.hosts if name in compiled]
    if not chosen:
        raise UsageError(
            "no firewall is selected: a host is one when it has ansible_network_os; "
            f"the inventory has {', '.join(compiled) or 'none'}"
        )
    return chosen


def _plans(settings: Settings, loaded: Loaded) -> tuple[list[DevicePlan], list[Failure]]:
    from segctl.plan import DevicePlan
    from segctl.rollout import plan_devices

    chosen = _desired(loaded)
    names = [item.device.name for item in chosen]
    with _progress(settings, names) as report:
        results = plan_devices(chosen, loaded.connections, forks=settings.forks, report=report)
    plans = [item for item in results if isinstance(item, DevicePlan)]
    return plans, [item for item in results if not isinstance(item, DevicePlan)]


def _intent(settings: Settings, loaded: Loaded) -> dict[str, Any]:
    commit, dirty = _git(settings.sources[0])
    return {"git_commit": commit, "dirty": dirty, "digest": loaded.digest}


def _git(path: Path) -> tuple[str, bool]:
    """Return the commit the inventory stands at, and whether files differ from it."""
    import subprocess

    folder = path if path.is_dir() else path.parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return commit, bool(commit and git("status", "--porcelain", "--", "."))
    except OSError:
        return "", False


# --- commands ------------------------------------------------------------------------------------


def _version(value: bool) -> None:  # noqa: FBT001 - Click's own form of a callback
    if value:
        typer.echo(f"segctl {segctl.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    *,
    inventory: Annotated[
        list[Path] | None,
        typer.Option("-i", "--inventory", help="Inventory file or folder; repeatable [inventory/]"),
    ] = None,
    limit: Annotated[
        str | None, typer.Option("-l", "--limit", help="Only hosts of this pattern, as in Ansible")
    ] = None,
    extra_vars: Annotated[
        list[str] | None,
        typer.Option("-e", "--extra-vars", help="Variables: key=value, YAML, JSON or @file"),
    ] = None,
    vault_password_file: Annotated[
        Path | None,
        typer.Option(
            "--vault-password-file", help="File or program that holds the Ansible Vault password"
        ),
    ] = None,
    ask_vault_pass: Annotated[
        bool, typer.Option("--ask-vault-pass", help="Ask for the Vault password")
    ] = False,
    forks: Annotated[
        int, typer.Option("-f", "--forks", min=1, max=512, help="Devices at a time")
    ] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tell every step")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    del version
    _needs_command(context)
    context.obj = Settings(
        inventory=tuple(inventory or ()),
        limit=limit,
        extra_vars=tuple(extra_vars or ()),
        vault_password_file=vault_password_file,
        ask_vault_pass=ask_vault_pass,
        forks=forks,
        json=json,
        verbose=verbose,
    )


def _needs_command(context: typer.Context) -> None:
    """Show the help, as an error, where no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise UsageError("no command was given")


@mock_app.callback()
def _mock(context: typer.Context) -> None:
    _needs_command(context)


@app.command(epilog=_EPILOG)
def validate(context: typer.Context) -> int:
    """Check the inventory without any device: syntax, references, paths, policy findings."""
    from segctl.compile import compile_site
    from segctl.providers.base import provider
    from segctl.report import problems_json, validation_text
    from segctl.rollout import unverified

    settings = _settings(context)
    loaded = _load(settings)
    compiled = compile_site(loaded.site, _today())
    warnings = list(loaded.warnings)
    for name in compiled:
        warnings += unverified(name, loaded.connections)
    refused: list[SegctlError] = []
    for item in compiled.values():
        warnings += item.findings
        try:
            _, doubts = provider(item.device.platform).fit(item.policy, item.device)
        except SegctlError as error:
            refused.append(error)
        else:
            warnings += doubts
    warnings = list(dict.fromkeys(warnings))
    counts = {
        "zones": len(loaded.site.zones),
        "conduits": len(loaded.site.conduits),
        "firewalls": len(loaded.site.devices),
        "rules": sum(len(item.policy.rules) for item in compiled.values()),
    }
    if settings.json:
        errors = [{"code": error.code, "message": str(error)} for error in refused]
        document = {"ok": not refused, "warnings": problems_json(warnings), "errors": errors}
        _print_json(document | counts | ({"error": errors[0]} if errors else {}))
    else:
        _print(validation_text(warnings, refused, counts, notes=settings.verbose))
    return ERROR if refused else OK


@app.command(epilog=_EPILOG)
def inventory(
    context: typer.Context,
    *,
    list_: Annotated[bool, typer.Option("--list", help="All hosts and variables as JSON")] = False,
    host: Annotated[str | None, typer.Option("--host", help="Variables of one host")] = None,
    graph: Annotated[bool, typer.Option("--graph", help="The groups as a tree")] = False,
    vars_: Annotated[bool, typer.Option("--vars", help="With --graph: variables too")] = False,
    group: Annotated[str, typer.Argument(help="With --graph: start here")] = "all",
) -> None:
    """Show the inventory exactly as ansible-inventory does."""
    from segctl.inventory import dump, graph_text, host_json, list_json, read_inventory

    settings = _settings(context)
    if [list_, host is not None, graph].count(True) != 1:
        raise UsageError("give one of --list, --host HOST and --graph")
    found = read_inventory(
        list(settings.sources), extra_vars=settings.extra_vars, vault=_vault(settings)
    )
    if host is not None:
        typer.echo(dump(host_json(found, host)))
    elif graph:
        typer.echo(graph_text(found, group, variables=vars_))
    else:
        typer.echo(dump(list_json(found, settings.limit)))


@app.command(epilog=_EPILOG)
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
) -> int:
    """Read the devices and show what would change; never writes to a device."""
    settings = _settings(context)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"cannot write {out}: there is no folder {out.parent}; no device was read")
    made, failures = _make_plan(settings, valid_for=valid_for)
    if out is not None and not failures:
        _save(out, made.dumps())
    _show_plan(settings, made, failures, diff=diff, brief=brief)
    if out is not None and failures:
        _tell(f"segctl: {out} not written: not every device could be planned")
    elif out is not None and made.applyable and out.is_file():
        _tell(f"Saved. To apply exactly this: segctl apply {out}")
    if failures or not made.applyable:
        return ERROR
    return DIFFERS if detailed_exitcode and made.changes else OK


def _make_plan(settings: Settings, *, valid_for: float = 24.0) -> tuple[Plan, list[Failure]]:
    from segctl.plan import make_plan

    loaded = _load(settings)
    plans, failures = _plans(settings, loaded)
    made = make_plan(plans, _intent(settings, loaded), valid_for=timedelta(hours=valid_for))
    return made, failures


def _show_plan(
    settings: Settings,
    made: Plan,
    failures: Sequence[Failure] = (),
    *,
    diff: bool = False,
    brief: bool = False,
    cause: SegctlError | None = None,
) -> None:
    """Print a plan; with `--json` also why it was not applied, if so."""
    from segctl.report import plan_text

    if not settings.json:
        _print(plan_text(made, failures, diff=diff, brief=brief))
        return
    document = made.as_json()
    if failures:
        document["errors"] = [asdict(failure) for failure in failures]
        document["error"] = {"code": failures[0].code, "message": failures[0].message}
    elif cause is not None:
        document["error"] = {"code": cause.code, "message": str(cause)}
    _print_json(document)


def _save(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal, a device
            path.write_text(text, encoding="utf-8")
            return
        _replace(path.resolve(), text)
    except OSError as error:
        raise PlanError(
            f"cannot write {path}: {error.strerror}; nothing was saved and no device was changed"
        ) from error


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


@app.command(epilog=_EPILOG)
def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A saved plan, also a stale one")],
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
) -> None:
    """Show a saved plan."""
    from segctl.plan import load_plan

    settings, made = _settings(context), load_plan(file)
    _show_plan(settings, made, diff=diff, brief=brief)
    if not settings.json:
        commit = str(made.intent.get("git_commit", ""))[:12]
        dirty = " with uncommitted edits" if made.intent.get("dirty") else ""
        inventory_at = f"; inventory at {commit}{dirty}" if commit else ""
        typer.echo(f"Made {made.created}, expires {made.expires}{inventory_at}.")
        _mention_use(file, made)


@app.command(epilog=_EPILOG)
def apply(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A plan saved by segctl plan -o")] = None,
    *,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Do not ask before applying")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only plan")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what is sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    allow_purge: Annotated[
        bool, typer.Option("--allow-purge", help="Let segctl_unmanaged: purge delete others' rules")
    ] = False,
) -> int:
    """Make the devices what the inventory says: a saved plan verbatim, or plan and ask."""
    settings = _settings(context)
    if check:
        made, failures = (_read_plan(file), []) if file else _make_plan(settings)
        _show_plan(settings, made, failures, diff=diff, brief=brief)
        return ERROR if failures or not made.applyable else OK
    if file is not None:
        made = _read_plan(file)
        _refuse_used(file, made)
        return _apply(settings, made, allow_purge=allow_purge, file=file)
    _refuse_silence(auto_approve=auto_approve, as_json=settings.json)
    made, failures = _make_plan(settings)
    if failures or not made.applyable:
        refusal = PlanError(_why_not(made, failures))
        _show_plan(settings, made, failures, brief=True, cause=refusal)
        _tell(f"segctl: {refusal}")
        return ERROR
    if not settings.json:
        _show_plan(settings, made, diff=diff, brief=brief)
    if made.changes and not (auto_approve or _approved()):
        _tell("Not applied: nothing was changed.")
        return ERROR
    return _apply(settings, made, allow_purge=allow_purge)


def _why_not(made: Plan, failures: Sequence[Failure]) -> str:
    if failures:
        names = ", ".join(failure.device for failure in failures)
        return f"nothing was applied: {names} could not be planned (-l leaves a device out)"
    names = ", ".join(device.name for device in made.devices if not device.applyable)
    return f"nothing was applied: the errors of {names} forbid it (-l leaves a device out)"


def _read_plan(file: Path) -> Plan:
    from segctl.errors import StalePlanError
    from segctl.plan import load_plan

    made = load_plan(file)
    if datetime.now(UTC) > datetime.fromisoformat(made.expires):
        raise StalePlanError(f"{file} expired at {made.expires}: run segctl plan again")
    return made


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.applied")


def _refuse_used(file: Path, made: Plan) -> None:
    if _used(file, made):
        raise PlanError(f"{file} was applied already ({_marker(file).name}): run segctl plan again")


def _mention_use(file: Path, made: Plan) -> None:
    """Say why apply would refuse a plan that `show` shows."""
    if datetime.now(UTC) > datetime.fromisoformat(made.expires):
        typer.echo("It has expired: run segctl plan again to apply anything.")
    elif _used(file, made):
        typer.echo("It was applied already: run segctl plan again to apply anything.")


def _used(file: Path, made: Plan) -> bool:
    marker = _marker(file)
    return marker.exists() and made.plan_id in marker.read_text(encoding="utf-8", errors="replace")


def _mark_used(file: Path, made: Plan) -> None:
    moment = datetime.now(UTC).replace(microsecond=0).isoformat()
    try:
        _marker(file).write_text(f"{made.plan_id} {moment}\n", encoding="utf-8")
    except OSError as error:
        _tell(f"segctl: applied, but {error.filename}: {error.strerror}")


def _refuse_silence(*, auto_approve: bool, as_json: bool) -> None:
    if not auto_approve and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "apply needs a plan file, --auto-approve, or a terminal to ask at; nothing was changed"
        )


def _approved() -> bool:
    try:
        answer = typer.prompt("Apply these changes? Only 'yes' is accepted", default="no")
    except typer.Abort:
        typer.echo(err=True)
        return False
    return str(answer).strip() == "yes"


def _apply(settings: Settings, made: Plan, *, allow_purge: bool, file: Path | None = None) -> int:
    """Apply a plan; `file` is where it was read from, and is not applied a second time."""
    from segctl.report import outcomes_json, outcomes_text
    from segctl.rollout import Brake, apply_plans

    loaded = _load(settings)
    names = [device.name for device in made.devices]
    outside = sorted(set(names) - set(loaded.hosts))
    if outside:
        raise UsageError(
            f"the plan is for {', '.join(outside)} too, which the inventory or -l leaves out: "
            "a plan is applied whole, nothing was changed; make another with -l"
        )
    brake = Brake()
    with _braked(brake), _progress(settings, names) as report:
        outcomes = apply_plans(
            made.devices,
            loaded.connections,
            forks=settings.forks,
            allow_purge=allow_purge,
            brake=brake,
            report=report,
        )
    failed = any(outcome.status == "failed" for outcome in outcomes)
    if file is not None and not failed:
        _mark_used(file, made)
    if settings.json:
        _print_json(outcomes_json(outcomes, made.plan_id))
    else:
        _print(outcomes_text(outcomes))
    return ERROR if failed else OK


@app.command(epilog=_EPILOG)
def drift(
    context: typer.Context,
    *,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Known drift, with owner and expiry (YAML)")
    ] = None,
) -> int:
    """Compare the devices with the inventory; never writes and never locks."""
    from segctl.baseline import read_baseline
    from segctl.report import drift_json, drift_text

    settings = _settings(context)
    loaded = _load(settings)
    accepted = read_baseline(baseline, _today()) if baseline else ()
    plans, failures = _plans(settings, loaded)
    by_name = {item.name: item for item in plans} | {item.device: item for item in failures}
    ordered = [by_name[name] for name in loaded.hosts if name in by_name]
    document = drift_json(ordered, accepted)
    if settings.json:
        _print_json(document)
    else:
        _print(drift_text(document))
    if failures:
        return ERROR
    return OK if document["in_sync"] else DIFFERS


@app.command("import", epilog=_EPILOG)
def import_(
    context: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="A firewall of the inventory")],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="New folder (default imported/HOST)")
    ] = None,
) -> int:
    """Write a device as inventory files; planning them back changes nothing."""
    from segctl.importing import refuse_existing, write_files
    from segctl.inventory import load

    settings = _settings(context)
    folder = out or Path("imported") / host
    refuse_existing(folder)
    found = _import(settings, _load(settings), host)
    written = write_files(folder, found.files)
    load([folder], today=_today())
    if settings.json:
        from segctl.report import problems_json

        files = [str(path) for path in written]
        warnings = problems_json(found.warnings)
        _print_json({"files": files, "warnings": warnings} | found.as_json())
    else:
        for warning in found.warnings:
            typer.echo(f"{warning.severity}: {warning}")
        for path in written:
            typer.echo(f"wrote {path}")
        typer.echo(found.summary)
    return OK


def _import(settings: Settings, loaded: Loaded, host: str) -> Imported:
    """Read a device and return it as inventory files."""
    from segctl.importing import import_device
    from segctl.providers.base import provider
    from segctl.rollout import target

    device = next((one for one in loaded.site.devices if one.name == host), None)
    if device is None:
        names = ", ".join(one.name for one in loaded.site.devices) or "none"
        raise UsageError(
            f"{host!r} is not a firewall of the inventory (a host with ansible_network_os); "
            f"it has {names}"
        )
    connection = loaded.connections.get(host, {})
    speaks = provider(device.platform)
    with (
        _progress(settings, [host]) as report,
        speaks.connect(
            target(host, connection, device.vsys),
            read_only=True,
            progress=lambda step: report(host, step),
        ) as session,
    ):
        live = speaks.parse(session.read())
    site = loaded.inventory.host_layer(host).variables.get("segctl_site")
    return import_device(
        live, speaks, device, site=str(site or ""), connection=connection, today=_today()
    )


@app.command(epilog=_EPILOG)
def protocols(
    context: typer.Context,
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="One protocol")] = None,
) -> None:
    """Show the protocol catalogue, or one protocol's applications by access class."""
    from segctl.protocols import catalogue, rows

    one = catalogue().get(id_) if id_ else None
    head, *table = rows(one)
    if _settings(context).json:
        names = [name.lower() for name in head]
        _print_json({"protocols": [dict(zip(names, row, strict=True)) for row in table]})
        return
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for number, title in enumerate(head):
        shown.add_column(title, overflow="fold", no_wrap=number < 2)
    for row in table:
        shown.add_row(*row)
    console = _console()
    console.print(shown)
    if one is not None:
        for text in (one.caveat, one.notes, one.dependency_note):
            if text:
                typer.echo(f"\n{text}")


@app.command(epilog=_EPILOG)
def schema(
    kind: Annotated[str, typer.Argument(metavar="inventory|plan|drift", help="Which document")],
) -> None:
    """Print the JSON Schema of inventory variables, plan files or drift documents."""
    from segctl.plan import schema as read_schema

    if kind == "inventory":
        from segctl.inventory import json_schema

        _print_json(json_schema())
    elif kind in ("plan", "drift"):
        _print_json(read_schema(kind))
    else:
        raise UsageError(f"no schema {kind!r}: there are inventory, plan and drift")


@mock_app.command("serve", epilog=_EPILOG)
def mock_serve(
    context: typer.Context,
    *,
    state: Annotated[
        Path | None, typer.Option("--state", help="Folder that keeps the mocks' state")
    ] = None,
    endpoints: Annotated[
        Path | None, typer.Option("--endpoints", help="Inventory overlay to write")
    ] = None,
) -> None:
    """Serve a mock device for every firewall of the inventory, until stopped."""
    from segctl.demo import fleet

    settings = _settings(context)
    loaded = _load(settings)
    with fleet(loaded, _today(), state=state, overlay=endpoints) as running:
        served = running.everything.items()
        names = ", ".join(f"{name} 127.0.0.1:{mock.port}" for name, mock in served)
        typer.echo(f"serving {names}")
        given = " ".join(f"-i {path}" for path in settings.sources)
        typer.echo(f"use them with: {given} -i {running.overlay}")
        sys.stdout.flush()
        _until_stopped()


def _until_stopped() -> None:
    import signal
    import threading

    stopped = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    try:
        stopped.wait()
    except KeyboardInterrupt:
        return


@app.command(epilog=_EPILOG)
def demo(context: typer.Context) -> int:
    """Tell the whole story on mock firewalls: plan, apply, a change by hand, drift, repair."""
    from segctl.demo import story

    settings = _settings(context)
    return story(run, _today(), settings.inventory or None)


if __name__ == "__main__":
    main()
