"""Programs that work on text: grep, sed, tr, wc, head, tail, sort, cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell.awk import awk

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl_mocks.linux.shell.shell import Shell


def basic_pattern(text: str) -> str:
    r"""Return a basic regular expression (``\(``, ``\{``) as Python's."""
    out: list[str] = []
    position = 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and position + 1 < len(text):
            following = text[position + 1]
            out.append(following if following in "(){}|+?" else f"\\{following}")
            position += 2
            continue
        if sign == "[":
            end = text.find("]", position + (2 if text[position + 1 : position + 2] != "^" else 3))
            out.append(_character_class(text[position : end + 1]))
            position = end + 1
            continue
        out.append(f"\\{sign}" if sign in "(){}|+?" else sign)
        position += 1
    return "".join(out)


def _character_class(text: str) -> str:
    for name, signs in (("space", r"\s"), ("alpha", "A-Za-z"), ("digit", "0-9"),
                        ("alnum", "A-Za-z0-9")):  # fmt: skip
        text = text.replace(f"[:{name}:]", signs)
    return text.replace("\\", "\\\\") if "\\s" not in text else text


#: A bracket expression that holds a class by name.
_CLASS = re.compile(r"\[[^\[\]]*\[:[a-z]+:\][^\]]*\]")


def _inputs(shell: Shell, names: list[str]) -> str:
    if not names:
        return shell.stdin.read().decode("utf-8", "surrogateescape")
    parts = [
        shell.stdin.read() if name == "-"
        else shell.host.files.read(shell.host.files.resolve(name, shell.cwd))
        for name in names
    ]  # fmt: skip
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _lines(text: str) -> list[str]:
    return text.split("\n")[:-1] if text.endswith("\n") else (text.split("\n") if text else [])


def _alternatives(patterns: list[str], letters: set[str]) -> re.Pattern[str]:
    if "F" in letters:
        patterns = [re.escape(each) for each in patterns]
    elif "E" in letters:
        patterns = [_CLASS.sub(lambda found: _character_class(found[0]), each) for each in patterns]
    else:
        patterns = [basic_pattern(each) for each in patterns]
    joined = "|".join(f"(?:{each})" for each in patterns)
    return re.compile(joined, re.IGNORECASE if "i" in letters else 0)


def _grep(shell: Shell, words: list[str]) -> int:
    letters: set[str] = set()
    rest = words[1:]
    patterns: list[str] = []
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            break
        if word == "-e":
            patterns.append(rest.pop(0))
            continue
        letters |= set(word[1:])
    if not patterns:
        patterns = rest.pop(0).split("\n")
    search = _alternatives(patterns, letters)
    found: list[str] = []
    missing = 0
    for name in rest or ["-"]:
        try:
            text = _inputs(shell, [name])
        except OSError as error:
            shell.err(f"grep: {name}: {error.strerror}\n")
            missing = 2
            continue
        place = f"{name}:" if len(rest) > 1 and "h" not in letters else ""
        found += [
            f"{place}{line}"
            for line in _lines(text)
            if bool(search.fullmatch(line) if "x" in letters else search.search(line))
            != ("v" in letters)
        ]
    if "q" in letters:
        return int(not found)
    if "c" in letters:
        shell.out(f"{len(found)}\n")
    elif "o" in letters:
        shell.out(
            "".join(f"{match.group()}\n" for line in found for match in search.finditer(line))
        )
    else:
        shell.out("".join(f"{line}\n" for line in found))
    return missing or int(not found)


_WHERE = r"\d+|\$|/(?:[^/\\]|\\.)*/"
_SED = re.compile(rf"(?:({_WHERE}))?(?:,({_WHERE}))?\s*([spdq=])(.*)", re.DOTALL)


def _sed(shell: Shell, words: list[str]) -> int:
    quiet, scripts = False, list[str]()
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "-e":
            scripts.append(rest.pop(0))
        elif word == "-n":
            quiet = True
        elif word == "-E":
            continue
    if not scripts:
        scripts = [rest.pop(0)]
    commands = [match for text in scripts for part in text.split(";\n")
                if (match := _SED.fullmatch(part.strip()))]  # fmt: skip
    if len(commands) != len(scripts):
        shell.err("sed: -e expression #1, char 1: unknown command\n")
        return 1
    lines = _lines(_inputs(shell, rest))
    inside: set[int] = set()
    for number, line in enumerate(lines, 1):
        shown, printed = _edit(line, number, len(lines), commands, inside)
        if printed is not None:
            shell.out(f"{printed}\n")
        if not quiet and shown is not None:
            shell.out(f"{shown}\n")
    return 0


def _edit(
    line: str, number: int, last: int, commands: list[re.Match[str]], inside: set[int]
) -> tuple[str | None, str | None]:
    """Return the line as it goes on, and the line ``p`` prints.

    `inside` are the commands whose range between two patterns has begun and not ended.
    """
    printed: str | None = None
    for place, command in enumerate(commands):
        start, end, verb, rest = command.groups()
        if end is not None and end.startswith("/"):
            begins = _addressed(line, number, last, start, None)
            if not _in_range(line, end, inside, place, begins=begins):
                continue
        elif not _addressed(line, number, last, start, end):
            continue
        if verb == "d":
            return None, printed
        if verb == "p":
            printed = line
        elif verb == "s":
            sign = rest[0]
            old, new, flags = re.split(rf"(?<!\\){re.escape(sign)}", rest[1:], maxsplit=2)
            template = re.sub(r"(?<!\\)&", r"\\g<0>", new)
            changed, count = re.subn(
                basic_pattern(old), template, line, count=0 if "g" in flags else 1
            )
            if count:
                line = changed
                printed = line if "p" in flags else printed
    return line, printed


def _in_range(line: str, end: str, inside: set[int], place: int, *, begins: bool) -> bool:
    """Say whether a line is in a range that ends with a pattern, looked for from the next line."""
    if place in inside:
        if re.search(basic_pattern(end[1:-1]), line):
            inside.discard(place)
        return True
    if begins:
        inside.add(place)
    return begins


def _addressed(line: str, number: int, last: int, start: str | None, end: str | None) -> bool:
    if start is None:
        return True
    if start.startswith("/"):
        return re.search(basic_pattern(start[1:-1]), line) is not None
    first = last if start == "$" else int(start)
    if end is None:
        return number == first
    return first <= number <= (last if end == "$" else int(end))


def _tr(shell: Shell, words: list[str]) -> int:
    letters = "".join(word[1:] for word in words[1:] if word.startswith("-"))
    sets = [_characters(word) for word in words[1:] if not word.startswith("-")]
    text = shell.stdin.read().decode("utf-8", "surrogateescape")
    if "d" in letters:
        keep = "c" in letters
        shell.out("".join(sign for sign in text if (sign in sets[0]) == keep))
    else:
        table = {ord(old): sets[1][min(position, len(sets[1]) - 1)]
                 for position, old in enumerate(sets[0])}  # fmt: skip
        shell.out(text.translate(table))
    return 0


def _characters(text: str) -> str:
    for name, signs in (("\\n", "\n"), ("\\t", "\t"), ("\\0", "\0"), ("\\r", "\r")):
        text = text.replace(name, signs)
    return re.sub(
        r"(.)-(.)",
        lambda match: "".join(
            chr(code) for code in range(ord(match.group(1)), ord(match.group(2)) + 1)
        ),
        text,
    )


def _wc(shell: Shell, words: list[str]) -> int:
    letters = "".join(word[1:] for word in words[1:] if word.startswith("-")) or "lwc"
    names = [word for word in words[1:] if not word.startswith("-")]
    data = _inputs(shell, names).encode("utf-8", "surrogateescape")
    counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
    shown = [str(counts[letter]) for letter in "lwc" if letter in letters]
    shell.out(" ".join([*shown, *names]) + "\n")
    return 0


def _ends(shell: Shell, words: list[str]) -> int:
    count, unit, names = "10", "n", list[str]()
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if re.fullmatch(r"-[nc]", word):
            unit, count = word[1], rest.pop(0)
        elif re.fullmatch(r"-[nc]?[+-]?\d+", word):
            unit = word[1] if word[1] in "nc" else "n"
            count = word[2:] if word[1] in "nc" else word[1:]
        else:
            names.append(word)
    text = _inputs(shell, names)
    items = [*text] if unit == "c" else [f"{line}\n" for line in _lines(text)]
    number = int(count.lstrip("+-"))
    if words[0] == "head":
        chosen = items[:-number] if count.startswith("-") else items[:number]
    else:
        chosen = items[number - 1 :] if count.startswith("+") else items[-number:] if number else []
    shell.out("".join(chosen))
    return 0


def _sort(shell: Shell, words: list[str]) -> int:
    letters = "".join(word[1:] for word in words[1:] if word.startswith("-"))
    lines = _lines(_inputs(shell, [word for word in words[1:] if not word.startswith("-")]))
    lines.sort(key=(lambda line: (int(re.match(r"\d*", line)[0] or 0), line))  # type: ignore[index] # pyright: ignore[reportOptionalSubscript] - it matches always
               if "n" in letters else None, reverse="r" in letters)  # fmt: skip
    found = [*dict.fromkeys(lines)] if "u" in letters else lines
    shell.out("".join(f"{line}\n" for line in found))
    return 0


def _cut(shell: Shell, words: list[str]) -> int:
    delimiter, fields = "\t", list[int]()
    rest = words[1:]
    names: list[str] = []
    while rest:
        word = rest.pop(0)
        if word.startswith("-d"):
            delimiter = word[2:] or rest.pop(0)
        elif word.startswith("-f"):
            fields = [int(each) for each in (word[2:] or rest.pop(0)).split(",")]
        else:
            names.append(word)
    for line in _lines(_inputs(shell, names)):
        parts = line.split(delimiter)
        shell.out(delimiter.join(parts[each - 1] for each in fields if each <= len(parts)) + "\n")
    return 0


def _awk(shell: Shell, words: list[str]) -> int:
    variables: dict[str, str] = {}
    separator: str | None = None
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word.startswith("-v"):
            name, _, value = (word[2:] or rest.pop(0)).partition("=")
            variables[name] = value
        elif word.startswith("-F"):
            separator = word[2:] or rest.pop(0)
    program = rest.pop(0)
    return awk(shell, program, _lines(_inputs(shell, rest)), variables, separator)


TEXT_TOOLS: dict[str, Callable[[Shell, list[str]], int]] = {
    "awk": _awk,
    "cut": _cut,
    "grep": _grep,
    "head": _ends,
    "sed": _sed,
    "sort": _sort,
    "tail": _ends,
    "tr": _tr,
    "wc": _wc,
}
