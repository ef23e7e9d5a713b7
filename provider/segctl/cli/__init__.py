"""The command line: reads arguments, calls the core, prints, and exits 0, 1 or 2.

Heavy libraries load in the commands that need them, so that ``segctl --help`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import typer

from segctl.cli.arguments import GLOBAL, asks_json, asks_lines, hoist
from segctl.cli.commands import program
from segctl.cli.exits import ERROR, OK
from segctl.cli.screen import print_json, tell
from segctl.model.errors import FileError, SegctlError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    #: Writes a JSON document, where one is wanted.
    Answer = Callable[[Mapping[str, Any]], None] | None

#: What Typer makes of Ctrl-C; here it is a problem like others.
_INTERRUPTED = 130


#: What Typer raises for a command line it does not understand; it exports only this subclass.
_CommandLineError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.excepthook = _crashed
    threading.excepthook = lambda crash: _crashed(crash.exc_type, crash.exc_value, None)
    sys.unraisablehook = lambda crash: _crashed(crash.exc_type, crash.exc_value, None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        code = run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # one more, when all was said
        code = ERROR
    _hear_no_more()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done and said: Ctrl-C just ends it
    with suppress(OSError):
        sys.stderr.flush()
    sys.exit(code)


def _crashed(
    kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    """Tell where an error came from as everything else is told: inert, and without secrets."""
    from traceback import format_exception

    from segctl.transports.masking import masked

    shown = format_exception(error) if error is not None else [kind.__name__]
    tell(masked("".join(shown).rstrip("\n")))


def _stop(_number: int, _frame: object) -> None:
    """Take a pipeline's cancel, or a terminal that is closed, as Ctrl-C."""
    raise KeyboardInterrupt


def _hear_no_more() -> None:
    """Ignore a cancel that comes again: a terminal that is closed may send two of them."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def run(argv: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    hoisted = hoist(list(argv))
    answer = partial(print_json, lines=asks_lines(hoisted)) if asks_json(hoisted) else None
    try:
        code = _run(hoisted, answer)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except OSError as error:
        return _complain("io", f"standard output: {error.strerror}", None)
    return code


def _run(hoisted: list[str], answer: Answer) -> int:
    try:
        code = program()(args=hoisted, prog_name="segctl", standalone_mode=False)
    except typer.Exit as error:
        return error.exit_code
    except _CommandLineError as error:
        return _complain("usage", _usage(error), answer)
    except FileError as error:
        return _complain(error.code, str(error), answer, problems=error)
    except SegctlError as error:
        return _complain(error.code, str(error), answer)
    except (KeyboardInterrupt, typer.Abort):
        _hear_no_more()
        code = _INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else "output: "
        return _complain("io", f"{where}{error.strerror or error}", answer)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, not a traceback
        return _unforeseen(error, answer)
    if code == _INTERRUPTED:
        return _complain("interrupted", "interrupted: nothing was changed", answer)
    return code if isinstance(code, int) else OK


def _unforeseen(error: Exception, answer: Answer) -> int:
    if os.environ.get("SEGCTL_TRACEBACK"):
        raise error
    from segctl.fleet import internal

    message = f"{internal(error)} (SEGCTL_TRACEBACK=1 shows where it came from)"
    return _complain("internal", message, answer)


def _usage(error: typer.BadParameter) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "segctl"
    unknown = getattr(error, "option_name", "")
    if context is None or "possibilities" not in vars(error):
        return f"{error.format_message()} (see: {command} --help)"
    known = {name for param in context.command.params for name in param.opts}
    hint = nearest(unknown, sorted(known | GLOBAL.keys() | {"--help"}))
    suggestion = f". {hint.capitalize()}" if hint else ""
    return f"{error.message}{suggestion} (see: {command} --help)"


def _complain(code: str, message: str, answer: Answer, *, problems: FileError | None = None) -> int:
    if answer is not None:
        from segctl.report import problems_json

        error: dict[str, Any] = {"code": code, "message": message}
        if problems is not None:
            error["problems"] = problems_json(problems.problems)
        answer({"format_version": "1.0", "error": error})
    if problems is None:
        tell(f"segctl: {message}")
    else:
        from segctl.report.labels import counted

        for problem in problems.problems:
            tell(str(problem))
        tell(f"segctl: {counted(len(problems.problems), 'problem')} in {problems.subject}")
    return ERROR
