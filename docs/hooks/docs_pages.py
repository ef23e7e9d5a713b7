"""Pages that are made from the code: commands, inventory variables, error codes, the changelog."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, cast

from segctl.cli.arguments import GLOBAL
from segctl.cli.commands import tree
from segctl.cli.examples import EXAMPLES
from segctl.inventory import json_schema
from segctl.model import errors as segctl_errors
from segctl.model.errors import SegctlError
from segctl.playbook import json_schema as playbook_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: A part of a JSON Schema.
Entry = dict[str, Any]


# --- commands ------------------------------------------------------------------------------------


def commands() -> str:
    """Return the page of every command and option."""
    top: Any = tree()
    lines = [
        "# Every option",
        "",
        "Made from the program itself: what `segctl --help` and `segctl COMMAND --help` say.",
        "",
        "## Global options",
        "",
        "They stand before or after the command's name.",
        "",
        *_options(one for one in top.params if set(one.opts) & GLOBAL.keys()),
        "## Of segctl itself",
        "",
        *_options(one for one in top.params if not set(one.opts) & GLOBAL.keys()),
    ]
    for words, command in sorted(_walk(top, ("segctl",))):
        lines += _command(words, command)
    return "\n".join(lines)


def _walk(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _walk(command, (*words, name))
            if not command.params:
                continue
        yield (*words, name), command


def _command(words: Sequence[str], command: Any) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = [*words, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)]
    yield from (f"## {' '.join(words)}", "", cleandoc(command.help or ""), "")
    yield from ("```text", " ".join(usage), "```", "")
    if arguments:
        yield from (f"- `{_metavar(one)}`: {_cell(one.help or '')}" for one in arguments)
        yield ""
    yield from _options(options)
    if examples := EXAMPLES.get(" ".join(words[1:])):
        yield from ("For example:", "", "```sh", *examples, "```", "")


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper().rstrip("_")
    name = name if argument.required or name.startswith("[") else f"[{name}]"
    return f"{name}..." if argument.nargs == -1 and not name.endswith("...") else name


def _options(options: Iterable[Any]) -> Iterator[str]:
    """Yield a list, not a table: three columns are not readable on a phone."""
    shown = [one for one in options if not getattr(one, "hidden", False)]
    if not shown:
        return
    for one in shown:
        spelled = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
        value = "" if one.is_flag or one.count else f" `{one.metavar or _kind(one.type.name)}`"
        note = f" (also `{one.envvar}`)" if one.envvar else ""
        default = f". Default: {shown_default}" if (shown_default := _default(one)) else ""
        yield f"- {spelled}{value}: {_cell(one.help or '')}{note}{default}"
    yield ""


def _kind(name: str) -> str:
    """Return what stands for a value, from what the command line library calls its type."""
    number = name.startswith(("int", "float"))
    return "NUMBER" if number else {"str": "TEXT"}.get(name, name.upper())


def _default(option: Any) -> str:
    value = option.default
    empty = value is None or value is False or callable(value) or value in ((), [], "")
    return "" if empty else f"`{value}`"


def _cell(text: str) -> str:
    """Return text as it may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


# --- inventory -----------------------------------------------------------------------------------


def inventory() -> str:
    """Return the page of every segctl variable."""
    schema = cast("Entry", json_schema())
    patterns = cast("Entry", schema["patternProperties"])
    # the pattern that forbids all other names has no shape
    named = {name.removeprefix("^"): entry for name, entry in patterns.items() if entry}
    found: dict[str, Entry] = {**named, **schema["properties"]}
    lines = [
        "# Every variable",
        "",
        "Made from the JSON Schema that `segctl schema inventory` prints for your editor.",
        "How they work together is in [the guide](../inventory.md).",
        "",
    ]
    lines += ["| variable | type | meaning |", "|---|---|---|"]
    shapes = {name: list(_records(entry, name)) for name, entry in found.items()}
    for name, entry in sorted(found.items()):
        shown = f"[`{name}`](#{name})" if shapes[name] else f"`{name}`"
        lines.append(f"| {shown} | {_type(entry)} | {_meaning(entry)} |")
    for name, records in sorted(shapes.items()):
        if records:
            lines += ["", f"## {name} {{: #{name} }}", "", _meaning(found[name]), ""]
            lines += [line for inner, record in records for line in _fields(inner, record)]
    return "\n".join(lines)


def playbooks() -> str:
    """Return the page of every key of a playbook."""
    lines = [
        "# Every key of a playbook",
        "",
        "Made from the JSON Schema that `segctl schema playbook` prints for your editor.",
        "A playbook is a list of plays. `vars` takes variables of the inventory; window, soak,",
        "verify, revert_in and on_failure may stand there too, with `segctl_` before them, so that",
        "`ansible-playbook` reads the file as well.",
        "",
    ]
    play = cast("Entry", cast("Entry", playbook_schema())["items"])
    for path, record in _records(play, "play"):
        if not path.startswith("play.vars"):
            lines += _fields(path, record)
    return "\n".join(lines)


def _meaning(entry: Entry) -> str:
    return _cell(entry.get("description", ""))


def _fields(path: str, record: Entry) -> Iterator[str]:
    """Yield the fields of one mapping."""
    yield from (f"**`{path}`**", "", "| key | type | meaning |", "|---|---|---|")
    required = set(record.get("required", ()))
    for name, field in record["properties"].items():
        mark = " (required)" if name in required else ""
        yield f"| `{name}`{mark} | {_type(field)} | {_meaning(field)} |"
    yield ""


def _records(entry: Entry, path: str) -> Iterator[tuple[str, Entry]]:
    if "properties" in entry:
        yield path, entry
    for name, field in entry.get("properties", {}).items():
        yield from _records(field, f"{path}.{name}")
    if items := entry.get("items"):
        yield from _records(items, f"{path}[]")
    if others := entry.get("additionalProperties"):
        yield from _records(others, f"{path}.<id>")
    for case in (*entry.get("anyOf", ()), *entry.get("oneOf", ())):
        yield from _records(case, path)


def _type(entry: Entry) -> str:
    """Return in words what may stand there."""
    if cases := entry.get("anyOf") or entry.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_type, cases)))
    if "enum" in entry:
        return ", ".join(f"`{one}`" for one in entry["enum"])
    kind = entry.get("type", "anything")
    if kind == "object" and "properties" not in entry:
        return f"mapping of ids to {_type(entry.get('additionalProperties') or {})}"
    if kind == "array":
        return f"list of {_type(entry.get('items') or {})}"
    if kind == "string" and entry.get("format") == "date":
        return "date"
    words = {"object": "mapping", "integer": f"number{_range(entry)}", "boolean": "true or false"}
    return words.get(kind, "text") if isinstance(kind, str) else "text"


def _range(entry: Entry) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    return f" {low} to {high}" if low is not None and high is not None else ""


# --- errors --------------------------------------------------------------------------------------

_EXITS = """\
# Exit and error codes

## Exit status

| status | means |
|---|---|
| 0 | done, or nothing to do, or in sync |
| 1 | a problem: refused, failed, not converged, could not tell |
| 2 | differs: `drift` found drift, `plan --detailed-exitcode` found changes; never anything else |

A command line that is not understood ends with 1.

## Error codes

With `--json` the cause is `error.code`; for one device of several it stands with the device.

| code | means | what to do |
|---|---|---|
"""
#: Codes that are not of an error class.
_OTHERS = {
    "cannot_tell": "It cannot be told whether a firewall does what is expected or declared.",
    "check_failed": "A firewall answers a check otherwise than expected.",
    "internal": "A defect in segctl; `SEGCTL_TRACEBACK=1` shows where it happened.",
    "interrupted": "Ctrl-C, or a pipeline's cancel.",
    "io": "A file or standard output cannot be read or written.",
    "lint_found": "Lint found something worth a look.",
    "wave_failed": "More devices of a wave failed than the playbook tolerates.",
    "not_proved": "A firewall does not permit exactly what the conduits declare.",
    "window_closed": "A wave was due outside the playbook's change window.",
}
#: Codes of classes that only others are made from.
_BASES = {"device"}


def errors(runbooks: str) -> str:
    """Return the page of codes; `runbooks` is the page whose headings say what to do."""
    found = {one.code: _sentence(one) for one in _classes(SegctlError)} | _OTHERS
    headed = set(re.findall(r"^## `([a-z_]+)`", runbooks, re.MULTILINE))
    rows = [
        f"| `{code}` | {_cell(meaning)} | "
        + (f"[runbook](../operations.md#{code}) |" if code in headed else "|")
        for code, meaning in sorted(found.items())
        if code not in _BASES
    ]
    return _EXITS + "\n".join(rows) + "\n"


def _classes(root: type[SegctlError]) -> Iterator[type[SegctlError]]:
    for one in root.__subclasses__():
        if one.__module__ == segctl_errors.__name__ and "code" in vars(one):
            yield one
        yield from _classes(one)


def _sentence(error: type[SegctlError]) -> str:
    return cleandoc(error.__doc__ or "").split("\n\n")[0]


# --- changelog -----------------------------------------------------------------------------------


def changelog(fragments: Iterable[Path]) -> str:
    """Return the page of changes that no release has yet."""
    entries = [one.read_text(encoding="utf-8").strip() for one in fragments]
    # fragments link from the top of the repository
    entries = [entry.replace("](docs/", "](") for entry in entries]
    items = [entry if entry.startswith("- ") else f"- {entry}" for entry in entries]
    return "# Changelog\n\n## Next release\n\n" + "\n".join(items) + "\n"
