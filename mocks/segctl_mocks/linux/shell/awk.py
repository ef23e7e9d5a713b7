"""A little awk: patterns, assignments, and print to files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.linux.shell.shell import Shell

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<regex>/(?:[^/\\]|\\.)*/)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<sign>>>|==|!=|&&|\|\||[{}()$=;,>!~<+-]))"""
)


@dataclass(slots=True)
class _Awk:
    shell: Shell
    variables: dict[str, str]
    separator: str | None
    tokens: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    at: int = 0
    line: str = ""
    number: int = 0
    written: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def peek(self) -> str:
        """Return the next token."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        """Take the next token."""
        self.at += 1
        return self.tokens[self.at - 1]

    def program(self) -> None:
        """Run every pattern and action on the line."""
        self.at = 0
        while self.at < len(self.tokens):
            matched = True
            if self.peek() not in {"{", "BEGIN", "END"}:
                matched = self.truth()
            if self.peek() == "{":
                self.block(run=matched)
            elif matched:
                self.shell.out(f"{self.line}\n")
            while self.peek() == ";":
                self.take()

    def truth(self) -> bool:
        """Evaluate a pattern."""
        kind, text = self.tokens[self.at]
        if kind == "regex":
            self.take()
            return re.search(text[1:-1], self.line) is not None
        left = self.value()
        if self.peek() in {"==", "!="}:
            _, sign = self.take()
            return (left == self.value()) == (sign == "==")
        if self.peek() == "~":
            self.take()
            return re.search(self.take()[1][1:-1], left) is not None
        return left not in {"", "0"}

    def block(self, *, run: bool) -> None:
        """Run what stands between braces, or pass over it."""
        self.take()
        while self.peek() != "}":
            if self.peek() == ";":
                self.take()
            elif run:
                self.statement()
            else:
                self.take()
        self.take()

    def statement(self) -> None:
        """Run one statement."""
        _, text = self.tokens[self.at]
        if text == "print":
            self.take()
            self.show()
        elif text == "next":
            self.at = len(self.tokens)
        else:
            self.take()
            self.take()
            self.variables[text] = self.joined()

    def show(self) -> None:
        """Print, to standard output or to a file."""
        parts: list[str] = []
        while self.peek() not in {"}", ";", ">", ">>", ""}:
            parts.append(self.joined())
            if self.peek() == ",":
                self.take()
        text = " ".join(parts) if parts else self.line
        if self.peek() in {">", ">>"}:
            self.take()
            self.written.setdefault(self.value(), []).append(f"{text}\n")
        else:
            self.shell.out(f"{text}\n")

    def joined(self) -> str:
        """Evaluate values that stand side by side."""
        text = ""
        while self.peek() not in {"}", ";", ">", ">>", ",", ")", ""}:
            text += self.value()
        return text

    def value(self) -> str:
        """Evaluate one value."""
        kind, text = self.take()
        if text == "(":
            inside = self.joined()
            self.take()
            return inside
        if text == "$":
            index = int(self.value() or "0")
            fields = self.line.split(self.separator)
            return self.line if index == 0 else fields[index - 1] if index <= len(fields) else ""
        if kind == "string":
            return text[1:-1].replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
        if kind == "number":
            return text
        if text == "NF":
            return str(len(self.line.split(self.separator)))
        if text == "NR":
            return str(self.number)
        return self.variables.get(text, "")


def awk(
    shell: Shell,
    program: str,
    lines: Sequence[str],
    variables: dict[str, str],
    separator: str | None,
) -> int:
    """Run a program over lines."""
    machine = _Awk(shell, variables, separator)
    position = 0
    while position < len(program.rstrip()):
        match = _TOKEN.match(program, position)
        if match is None or match.lastgroup is None:
            shell.err("awk: line 1: syntax error\n")
            return 2
        machine.tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    for machine.number, machine.line in enumerate(lines, 1):
        machine.program()
    try:
        for name, parts in machine.written.items():
            path = shell.host.files.resolve(name, shell.cwd)
            shell.host.files.check(path, shell.home, root=shell.root)
            shell.host.files.write(path, "".join(parts).encode("utf-8", "surrogateescape"))
    except OSError as error:
        shell.err(f"awk: cannot open {error.filename} ({error.strerror})\n")
        return 2
    return 0
