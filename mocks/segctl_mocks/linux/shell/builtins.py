"""What the shell does itself: test, printf, read, trap, eval and the like."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell.parser import parse
from segctl_mocks.linux.shell.shell import Exit, Leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl_mocks.linux.shell.shell import Shell

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "0": "\0"}


def _echo(shell: Shell, words: list[str]) -> int:
    plain = words[1:2] == ["-n"]
    text = " ".join(words[2:] if plain else words[1:])
    text = re.sub(r"\\([nt\\])", lambda match: _ESCAPES[match.group(1)], text)
    shell.out(text + ("" if plain else "\n"))
    return 0


def _printf(shell: Shell, words: list[str]) -> int:
    form = re.sub(
        r"\\([ntra\\0])", lambda match: _ESCAPES[match.group(1)], words[1] if words[1:] else ""
    )
    values = words[2:]
    while True:
        used = False

        def put(match: re.Match[str]) -> str:
            nonlocal used
            if match.group(2) == "%":
                return "%"
            used = True
            text = values.pop(0) if values else ""
            if match.group(2) == "d":
                return f"%{match.group(1)}d" % int(text or "0")
            if match.group(2) == "x":
                return f"%{match.group(1)}x" % int(text or "0")
            return f"%{match.group(1)}s" % text

        shell.out(re.sub(r"%([-0-9.]*)([sdxb%])", put, form))
        if not values or not used:
            return 0


def _cd(shell: Shell, words: list[str]) -> int:
    target = shell.host.files.resolve(words[1] if words[1:] else shell.home, shell.cwd)
    if not shell.host.files.is_folder(target):
        shell.err(f"{shell.name}: 1: cd: can't cd to {words[1] if words[1:] else ''}\n")
        return 2
    shell.cwd = target
    return 0


def _set(shell: Shell, words: list[str]) -> int:
    rest = words[1:]
    while rest and rest[0][:1] in {"-", "+"} and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            shell.arguments = rest
            return 0
        letters = set(word[1:])
        shell.options = shell.options | letters if word[0] == "-" else shell.options - letters
        if "o" in letters and rest:
            rest.pop(0)
    if rest:
        shell.arguments = rest
    return 0


def _export(shell: Shell, words: list[str]) -> int:
    for word in words[1:]:
        name, sign, value = word.partition("=")
        if sign:
            shell.variables[name] = value
    return 0


def _unset(shell: Shell, words: list[str]) -> int:
    for word in words[1:]:
        shell.variables.pop(word, None)
        shell.functions.pop(word, None)
    return 0


def _shift(shell: Shell, words: list[str]) -> int:
    count = int(words[1]) if words[1:] else 1
    if count > len(shell.arguments):
        shell.err(f"{shell.name}: 1: shift: can't shift that many\n")
        raise Exit(2)
    shell.arguments = shell.arguments[count:]
    return 0


def _exit(shell: Shell, words: list[str]) -> int:
    raise Exit(int(words[1]) if words[1:] else shell.status)


def _return(shell: Shell, words: list[str]) -> int:
    raise Leave("return", int(words[1]) if words[1:] else shell.status)


def _leave(shell: Shell, words: list[str]) -> int:
    del shell
    raise Leave(words[0], int(words[1]) if words[1:] else 1)


def _trap(shell: Shell, words: list[str]) -> int:
    if len(words) > 2 and set(words[2:]) & {"EXIT", "0"}:
        shell.exit_trap = "" if words[1] == "-" else words[1]
    return 0


def _read(shell: Shell, words: list[str]) -> int:
    names = [word for word in words[1:] if not word.startswith("-")] or ["REPLY"]
    line = shell.stdin.line().decode("utf-8", "surrogateescape")
    values = line.rstrip("\n").split(None, len(names) - 1)
    for position, name in enumerate(names):
        shell.variables[name] = values[position].strip() if position < len(values) else ""
    return 0 if line.endswith("\n") else 1


def _eval(shell: Shell, words: list[str]) -> int:
    return shell.list(parse(" ".join(words[1:])))


def _source(shell: Shell, words: list[str]) -> int:
    path = shell.host.files.resolve(words[1], shell.cwd)
    return shell.list(parse(shell.host.files.read(path).decode("utf-8", "surrogateescape")))


def _wait(shell: Shell, words: list[str]) -> int:
    del words
    for job in shell.jobs:
        job.join()
    return 0


def _command(shell: Shell, words: list[str]) -> int:
    if words[1:2] in (["-v"], ["-V"]):
        found = False
        for word in words[2:]:
            where = shell.host.where(word)
            if where:
                shell.out(f"{where}\n")
                found = True
        return 0 if found else 127
    return shell.host.program(shell, words[1:])


def _exec(shell: Shell, words: list[str]) -> int:
    if not words[1:]:
        return 0
    raise Exit(shell.host.program(shell, words[1:]))


def _pwd(shell: Shell, words: list[str]) -> int:
    del words
    shell.out(f"{shell.cwd}\n")
    return 0


def _nothing(shell: Shell, words: list[str]) -> int:
    del shell, words
    return 0


def _false(shell: Shell, words: list[str]) -> int:
    del shell, words
    return 1


def _local(shell: Shell, words: list[str]) -> int:
    return _export(shell, words)


# -- test ------------------------------------------------------------------------------


def _test(shell: Shell, words: list[str]) -> int:
    arguments = words[1:]
    if words[0] == "[":
        if not arguments or arguments[-1] != "]":
            shell.err(f"{shell.name}: 1: [: missing ]\n")
            return 2
        arguments = arguments[:-1]
    try:
        return int(not _either(shell, arguments))
    except (ValueError, IndexError) as error:
        shell.err(f"{shell.name}: 1: [: {error}\n")
        return 2


def _either(shell: Shell, words: list[str]) -> bool:
    for sign, combine in (("-o", any), ("-a", all)):
        if len(words) > 3 and sign in words[1:-1]:
            parts: list[list[str]] = [[]]
            for word in words:
                if word == sign and parts[-1]:
                    parts.append([])
                else:
                    parts[-1].append(word)
            return combine(_either(shell, part) for part in parts)
    return _one_test(shell, words)


def _one_test(shell: Shell, words: list[str]) -> bool:
    match words:
        case []:
            return False
        case [word]:
            return bool(word)
        case ["!", *rest]:
            return not _one_test(shell, rest)
        case [left, "=" | "==", right]:
            return left == right
        case [left, "!=", right]:
            return left != right
        case [left, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" as sign, right]:
            numbers = int(left), int(right)
            return {
                "-eq": numbers[0] == numbers[1],
                "-ne": numbers[0] != numbers[1],
                "-lt": numbers[0] < numbers[1],
                "-le": numbers[0] <= numbers[1],
                "-gt": numbers[0] > numbers[1],
                "-ge": numbers[0] >= numbers[1],
            }[sign]
        case ["-n", word]:
            return bool(word)
        case ["-z", word]:
            return not word
        case [sign, word]:
            return _file_test(shell, sign, word)
        case _:
            message = f"unexpected operator: {' '.join(words)}"
            raise ValueError(message)


def _file_test(shell: Shell, sign: str, word: str) -> bool:
    files = shell.host.files
    path = files.resolve(word, shell.cwd)
    match sign:
        case "-e":
            return files.exists(path) or path in shell.host.programs_at
        case "-f":
            return path in files.data or path in shell.host.programs_at
        case "-d":
            return files.is_folder(path)
        case "-s":
            return bool(files.data.get(path))
        case "-x":
            return path in shell.host.programs_at or files.is_folder(path)
        case "-r":
            return files.exists(path)
        case "-w":
            try:
                files.check(path, shell.home, root=shell.root)
            except PermissionError:
                return False
            return files.exists(path) or files.is_folder(posixpath.dirname(path))
        case "-t" | "-L" | "-h":
            return False
        case _:
            message = f"unknown operand {sign}"
            raise ValueError(message)


BUILTINS: dict[str, Callable[[Shell, list[str]], int]] = {
    ":": _nothing,
    ".": _source,
    "[": _test,
    "break": _leave,
    "cd": _cd,
    "command": _command,
    "continue": _leave,
    "echo": _echo,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "export": _export,
    "false": _false,
    "kill": _nothing,
    "local": _local,
    "printf": _printf,
    "pwd": _pwd,
    "read": _read,
    "readonly": _export,
    "return": _return,
    "set": _set,
    "shift": _shift,
    "test": _test,
    "trap": _trap,
    "true": _nothing,
    "type": _command,
    "ulimit": _nothing,
    "umask": _nothing,
    "unset": _unset,
    "wait": _wait,
}
