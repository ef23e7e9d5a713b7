"""Expanding the words of a shell command."""

from __future__ import annotations

import ast
import fnmatch
import re
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell.streams import Buffer
from segctl_mocks.linux.shell.syntax import (
    Arithmetic,
    Document,
    Literal,
    Parameter,
    Substitution,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl_mocks.linux.shell.shell import Shell

_GLOB = re.compile(r"[*?\[]")


def one(shell: Shell, word: Word) -> str:
    """Expand a word to one text: no splitting, no globbing."""
    return "".join(text for text, _, _ in _pieces(shell, word))


def pattern(shell: Shell, word: Word) -> str:
    """Expand a word to a pattern: what is quoted stands for itself."""
    return "".join(
        re.sub(r"([*?\[])", r"[\1]", text) if quoted else text
        for text, quoted, _ in _pieces(shell, word)
    )


def many(shell: Shell, words: Sequence[Word]) -> list[str]:
    """Expand words as for a command line: split and globbed where not quoted."""
    found: list[str] = []
    for word in words:
        found += _fields(shell, word)
    return found


def _fields(shell: Shell, word: Word) -> list[str]:
    """Return the words that a word becomes."""
    fields: list[list[tuple[str, bool]]] = []
    current: list[tuple[str, bool]] | None = None
    for text, quoted, split in _pieces(shell, word, fields=True):
        if split == "next":
            if current is not None:
                fields.append(current)
            current = None
            continue
        if quoted or split != "split":
            current = current or []
            current.append((text, quoted))
            continue
        parts = re.split(r"[ \t\n]+", text)
        for position, part in enumerate(parts):
            if position and current is not None:
                fields.append(current)
                current = None
            if part:
                current = current or []
                current.append((part, False))
    if current is not None:
        fields.append(current)
    return [each for field in fields for each in _globbed(shell, field)]


def _globbed(shell: Shell, field: list[tuple[str, bool]]) -> list[str]:
    text = "".join(part for part, _ in field)
    if not any(_GLOB.search(part) for part, quoted in field if not quoted):
        return [text]
    escaped = "".join(
        re.sub(r"([*?\[])", r"[\1]", part) if quoted else part for part, quoted in field
    )
    return shell.host.files.glob(escaped, shell.cwd) or [text]


def _pieces(shell: Shell, word: Word, *, fields: bool = False) -> list[tuple[str, bool, str]]:
    """Return text, whether it is quoted, and ``split`` if blanks in it separate words."""
    found: list[tuple[str, bool, str]] = []
    spread = fields and _spreads(word)
    for position, part in enumerate(word.parts):
        match part:
            case Literal(text, quoted):
                plain = _home(shell, text) if position == 0 and not quoted else text
                if plain or (quoted and not spread):
                    found.append((plain, quoted, ""))
            case Document():
                found.append((part.text, True, ""))
            case Parameter(name, _, _, quoted) if name == "@" and quoted and fields:
                found += _arguments(shell)
            case Parameter():
                found += _parameter(shell, part)
            case Substitution(body, quoted):
                found.append((_captured(shell, body), quoted, "split"))
            case Arithmetic(text, quoted):
                found.append((str(arithmetic(shell, text)), quoted, ""))
    return found


def _home(shell: Shell, text: str) -> str:
    return shell.home + text[1:] if text == "~" or text.startswith("~/") else text


def _spreads(word: Word) -> bool:
    """Say whether a word holds ``"$@"``: without arguments it yields no word at all."""
    return any(
        isinstance(part, Parameter) and part.name == "@" and part.quoted for part in word.parts
    )


def _arguments(shell: Shell) -> list[tuple[str, bool, str]]:
    found: list[tuple[str, bool, str]] = []
    for argument in shell.arguments:
        if found:
            found.append(("", False, "next"))
        found.append((argument, True, ""))
    return found


def _captured(shell: Shell, body: object) -> str:
    from segctl_mocks.linux.shell.syntax import Script

    inner, buffer = shell.copy(), Buffer()
    inner.stdout = buffer
    shell.status = inner.run_script(body) if isinstance(body, Script) else 0
    return bytes(buffer.data).decode("utf-8", "surrogateescape").rstrip("\n")


def value(shell: Shell, name: str) -> str | None:
    """Return the value of a parameter, None if it is not set."""
    if name.isdigit():
        number = int(name)
        if number == 0:
            return shell.name
        return shell.arguments[number - 1] if number <= len(shell.arguments) else None
    special = {
        "#": str(len(shell.arguments)),
        "?": str(shell.status),
        "$": str(shell.pid),
        "!": str(shell.last_job),
        "-": "".join(sorted(shell.options)),
        "@": " ".join(shell.arguments),
        "*": " ".join(shell.arguments),
        "HOME": shell.variables.get("HOME", shell.home),
        "USER": shell.user,
        "PWD": shell.cwd,
        "PATH": shell.variables.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    }
    return special.get(name, shell.variables.get(name))


def _parameter(shell: Shell, part: Parameter) -> list[tuple[str, bool, str]]:
    found = value(shell, part.name)
    sign = part.operator
    if sign == "length":
        return [(str(len(found or "")), part.quoted, "")]
    empty = found is None or (sign.startswith(":") and found == "")
    plain = sign.removeprefix(":")
    if plain == "-" and empty and part.word is not None:
        return _pieces(shell, part.word) or [("", part.quoted, "")]
    if plain == "=" and empty and part.word is not None:
        found = one(shell, part.word)
        shell.variables[part.name] = found
    if plain == "+":
        if empty or part.word is None:
            return [("", part.quoted, "")] if part.quoted else []
        return _pieces(shell, part.word)
    if (plain == "?" and empty) or (found is None and not sign and _is_strict(shell, part.name)):
        from segctl_mocks.linux.shell.shell import Exit

        text = one(shell, part.word) if part.word is not None else "parameter not set"
        shell.err(f"{shell.name}: 1: {part.name}: {text}\n")
        raise Exit(2)
    if plain in {"#", "##", "%", "%%"} and part.word is not None:
        found = _cut(found or "", plain, pattern(shell, part.word))
    text = found or ""
    if not text and not part.quoted:
        return []
    return [(text, part.quoted, "split")]


def _is_strict(shell: Shell, name: str) -> bool:
    return "u" in shell.options and name not in {"@", "*"}


def _cut(text: str, sign: str, glob: str) -> str:
    lengths = range(len(text) + 1)
    if sign in {"##", "%"}:
        lengths = range(len(text), -1, -1) if sign == "##" else range(len(text) + 1)
    for length in lengths if sign != "%%" else range(len(text), -1, -1):
        part = text[:length] if sign.startswith("#") else text[len(text) - length :]
        if fnmatch.fnmatchcase(part, glob):
            return text[length:] if sign.startswith("#") else text[: len(text) - length]
    return text


_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}
_COMPARE: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Lt: lambda left, right: left < right,
    ast.Gt: lambda left, right: left > right,
    ast.LtE: lambda left, right: left <= right,
    ast.GtE: lambda left, right: left >= right,
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
}


def arithmetic(shell: Shell, text: str) -> int:
    """Compute ``$(( … ))``: the four operations, comparisons, names."""
    plain = re.sub(r"\$(\w+)", lambda match: value(shell, match.group(1)) or "0", text)
    plain = re.sub(r"(?<!/)/(?!/)", "//", plain).strip()
    return _compute(shell, ast.parse(plain or "0", mode="eval").body)


def _compute(shell: Shell, node: ast.AST) -> int:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name):
            return int(value(shell, name) or 0)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return int(_BINARY[type(op)](_compute(shell, left), _compute(shell, right)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_compute(shell, operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return int(_COMPARE[type(op)](_compute(shell, left), _compute(shell, right)))
        case _:
            raise ValueError(ast.dump(node))
