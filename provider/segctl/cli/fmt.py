"""``segctl fmt``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import settings_of
from segctl.cli.screen import print_json, say, tell
from segctl.model.errors import UsageError
from segctl.operations.formatting import FormatOptions, format_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.cli.arguments import Settings
    from segctl.formatting.files import Formatted


@app.command(cls=Command, epilog=epilog("fmt"))
def fmt(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Files and folders; - is standard input [the inventory, and playbooks/]",
        ),
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("-C", "--check", help="Write nothing; exit 1 when a file would change")
    ] = False,
    diff: Annotated[bool, typer.Option("-D", "--diff", help="Show what changes")] = False,
) -> int:
    """Give inventory files and playbooks their one layout; values and comments stay."""
    settings = settings_of(context)
    if paths == [Path("-")]:
        return _filter(settings, check=check, diff=diff)
    formatted = format_files(settings, FormatOptions(paths=tuple(paths or ()), check=check))
    if settings.json:
        print_json(_document(formatted), lines=settings.json_lines)
    else:
        _print(formatted, check=check, diff=diff, verbose=settings.verbose)
    failed = any(file.status == "failed" for file in formatted)
    changed = any(file.status == "changed" for file in formatted)
    return ERROR if failed or (check and changed) else OK


def _filter(settings: Settings, *, check: bool, diff: bool) -> int:
    """Format standard input to standard output, for editors."""
    from segctl.formatting import format_text

    if settings.json:
        raise UsageError("fmt - writes the formatted text; leave out --json")
    name = "standard input"
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: {error.reason}") from error
    made = format_text(text, name)
    if diff:
        say(_diff(name, text, made).removesuffix("\n"))
    elif not check:
        sys.stdout.buffer.write(made.encode())
    return ERROR if check and made != text else OK


def _print(formatted: Sequence[Formatted], *, check: bool, diff: bool, verbose: bool) -> None:
    from segctl.report.labels import counted

    for file in formatted:
        name = str(file.path)
        if file.status == "changed" and diff:
            say(_diff(name, file.before, file.after).removesuffix("\n"))
        elif file.status == "changed":
            say(f"{'would format' if check else 'formatted'} {name}")
        for problem in file.problems:
            if file.status == "failed" or verbose:
                tell(str(problem))
    counts = {
        word: sum(file.status == word for file in formatted) for word in ("changed", "failed")
    }
    verb = "would change" if check else "changed"
    failed = f", {counts['failed']} could not be formatted" if counts["failed"] else ""
    tell(f"{counted(len(formatted), 'file')}: {counts['changed']} {verb}{failed}")


def _diff(name: str, before: str, after: str) -> str:
    from difflib import unified_diff

    lines = unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, name
    )
    return "".join(_ended(lines))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _document(formatted: Sequence[Formatted]) -> dict[str, Any]:
    from segctl.report import problems_json

    files = [
        {"path": str(file.path), "status": file.status, "problems": problems_json(file.problems)}
        for file in formatted
    ]
    problems = [
        problem for file in formatted if file.status == "failed" for problem in file.problems
    ]
    document: dict[str, Any] = {
        "format_version": "1.0",
        "files": files,
        "changed": sum(file.status == "changed" for file in formatted),
    }
    if problems:
        document["error"] = {"code": "format", "message": str(problems[0])}
    return document
