"""Reading shell scripts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell.syntax import (
    AndOr,
    Arithmetic,
    Case,
    Command,
    Document,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Parameter,
    Part,
    Pipeline,
    Redirect,
    Script,
    Simple,
    Substitution,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = "@*#?$!-0123456789"
_END_OF_WORD = " \t\n;&|<>()"
_RESERVED = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
_REDIRECT = re.compile(r"(\d?)(>>|>&|<&|<<-?|>\||>|<)")
_OPERATOR = re.compile(r":?[-=?+]|##?|%%?")


class ShellSyntaxError(Exception):
    """The script cannot be read."""


class Parser:
    """Reads one script."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.documents: list[tuple[str, bool, list[str]]] = []

    def script(self) -> Script:
        """Read all of it."""
        found = self._list(frozenset())
        if self.at < len(self.text):
            self._fail(self.text[self.at])
        return found

    # -- small things ---------------------------------------------------------------

    def _fail(self, what: str) -> None:
        message = (
            f'Syntax error: "{what}" unexpected' if what else "Syntax error: end of file unexpected"
        )
        raise ShellSyntaxError(message)

    def _blank(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] in " \t":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] == "#":
                while self.at < len(self.text) and self.text[self.at] != "\n":
                    self.at += 1
            else:
                return

    def _newlines(self) -> None:
        self._blank()
        while self.at < len(self.text) and self.text[self.at] == "\n":
            self._newline()
            self._blank()

    def _newline(self) -> None:
        self.at += 1
        waiting, self.documents = self.documents, []
        for end, strip, into in waiting:
            lines: list[str] = []
            while self.at < len(self.text):
                stop = self.text.find("\n", self.at)
                stop = len(self.text) if stop < 0 else stop
                line = self.text[self.at : stop]
                self.at = stop + 1
                if (line.lstrip("\t") if strip else line) == end:
                    break
                lines.append(line.lstrip("\t") if strip else line)
            into.append("".join(f"{line}\n" for line in lines))

    def _peek_word(self) -> str:
        """Return the plain word that comes next, if it is one, without taking it."""
        self._blank()
        start = self.at
        end = start
        while end < len(self.text) and self.text[end] not in _END_OF_WORD + "\"'\\$`":
            end += 1
        return self.text[start:end]

    def _accept(self, sign: str) -> bool:
        self._blank()
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def _expect_word(self, word: str) -> None:
        self._newlines()
        if self._peek_word() != word:
            self._fail(self._peek_word() or self.text[self.at : self.at + 1])
        self.at += len(word)

    # -- lists ---------------------------------------------------------------------

    def _list(self, ends: frozenset[str], close: str = "") -> Script:
        items: list[AndOr] = []
        while True:
            self._newlines()
            while self._at_single(";"):
                self.at += 1
                self._newlines()
            if self.at >= len(self.text) or (close and self.text.startswith(close, self.at)):
                return Script(tuple(items))
            word = self._peek_word()
            if word in ends:
                return Script(tuple(items))
            if word in _RESERVED or self.text.startswith(")", self.at):
                if not ends and not close:
                    self._fail(word or ")")
                return Script(tuple(items))
            if self.text.startswith(";;", self.at):
                return Script(tuple(items))
            items.append(self._and_or())

    def _at_single(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at) and not self.text.startswith(sign * 2, self.at)

    def _and_or(self) -> AndOr:
        items = [("", self._pipeline())]
        while True:
            self._blank()
            sign = self.text[self.at : self.at + 2]
            if sign not in {"&&", "||"}:
                break
            self.at += 2
            self._newlines()
            items.append((sign, self._pipeline()))
        background = False
        if self._at_single("&"):
            self.at += 1
            background = True
        elif self._at_single(";"):
            self.at += 1
        return AndOr(tuple(items), background)

    def _pipeline(self) -> Pipeline:
        negated = False
        while self._peek_word() == "!":
            self.at += 1
            negated = not negated
        commands = [self._command()]
        while True:
            self._blank()
            if not self._at_single("|"):
                return Pipeline(tuple(commands), negated)
            self.at += 1
            self._newlines()
            commands.append(self._command())

    # -- commands ---------------------------------------------------------------------

    def _command(self) -> Command:
        word = self._peek_word()
        start = self.at
        if self.text.startswith("(", self.at):
            self.at += 1
            body = self._list(frozenset(), ")")
            if not self._accept(")"):
                self._fail("")
            return Command(Group(body, own_shell=True), self._redirects())
        if word == "{":
            self.at += 1
            body = self._list(frozenset({"}"}))
            self._expect_word("}")
            return Command(Group(body, own_shell=False), self._redirects())
        readers: dict[str, Callable[[str], If | Loop | For | Case]] = {
            "if": self._if,
            "while": self._loop,
            "until": self._loop,
            "for": self._for,
            "case": self._case,
        }
        if word in readers:
            self.at += len(word)
            return Command(readers[word](word), self._redirects())
        if word in _RESERVED:
            self._fail(word)
        if _NAME.fullmatch(word):
            self.at += len(word)
            if self._accept("(") and self._accept(")"):
                self._newlines()
                return Command(Function(word, self._command()))
            self.at = start
        return self._simple()

    def _if(self, _: str) -> If:
        clauses: list[tuple[Script, Script]] = []
        otherwise: Script | None = None
        ends = frozenset({"elif", "else", "fi"})
        while True:
            condition = self._list(frozenset({"then"}))
            self._expect_word("then")
            clauses.append((condition, self._list(ends)))
            word = self._peek_word()
            if word not in ends:
                self._fail(word)
            self.at += len(word)
            if word == "elif":
                continue
            if word == "else":
                otherwise = self._list(frozenset({"fi"}))
                self._expect_word("fi")
            return If(tuple(clauses), otherwise)

    def _loop(self, word: str) -> Loop:
        condition = self._list(frozenset({"do"}))
        return Loop(condition, self._do(), word == "until")

    def _do(self) -> Script:
        self._expect_word("do")
        body = self._list(frozenset({"done"}))
        self._expect_word("done")
        return body

    def _for(self, _: str) -> For:
        name = self._peek_word()
        self.at += len(name)
        self._newlines()
        words: tuple[Word, ...] | None = None
        if self._peek_word() == "in":
            self.at += 2
            found: list[Word] = []
            while True:
                self._blank()
                if self.at >= len(self.text) or self.text[self.at] in ";\n":
                    break
                found.append(self._word())
            words = tuple(found)
        self._newlines()
        self._accept(";")
        return For(name, words, self._do())

    def _case(self, _: str) -> Case:
        self._blank()
        word = self._word()
        self._expect_word("in")
        branches: list[tuple[tuple[Word, ...], Script]] = []
        while True:
            self._newlines()
            if self._peek_word() == "esac":
                self.at += 4
                return Case(word, tuple(branches))
            self._accept("(")
            self._blank()
            patterns = [self._word()]
            while self._accept("|"):
                self._blank()
                patterns.append(self._word())
            if not self._accept(")"):
                self._fail(self.text[self.at : self.at + 1])
            body = self._list(frozenset({"esac"}), ";;")
            branches.append((tuple(patterns), body))
            self._newlines()
            self._accept(";;")

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            redirect = self._redirect()
            if redirect is None:
                return tuple(found)
            found.append(redirect)

    def _redirect(self) -> Redirect | None:
        self._blank()
        match = _REDIRECT.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        digits, operator = match.groups()
        stream = int(digits) if digits else (0 if operator.startswith("<") else 1)
        self._blank()
        word = self._word()
        if operator.startswith("<<"):
            plain = "".join(part.text for part in word.parts if isinstance(part, Literal))
            into: list[str] = []
            self.documents.append((plain, operator.endswith("-"), into))
            return Redirect(stream, "<<", Word((Document(into),)))
        return Redirect(stream, operator.removesuffix("|"), word)

    def _simple(self) -> Command:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            self._blank()
            if self.at >= len(self.text) or self.text[self.at] in "\n;&|()":
                break
            name = _NAME.match(self.text, self.at)
            if not words and name is not None and self.text.startswith("=", name.end()):
                self.at = name.end() + 1
                assignments.append((name.group(), self._word(empty=True)))
                continue
            words.append(self._word())
        if not words and not assignments and not redirects:
            self._fail(self.text[self.at : self.at + 1])
        return Command(Simple(tuple(assignments), tuple(words)), tuple(redirects))

    # -- words ----------------------------------------------------------------------------

    def _word(self, *, empty: bool = False) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign in _END_OF_WORD:
                break
            if sign == "'":
                parts.append(self._single())
            elif sign == '"':
                self.at += 1
                parts += self._double()
            elif sign == "\\":
                if not self.text.startswith("\\\n", self.at):
                    parts.append(Literal(self.text[self.at + 1 : self.at + 2], quoted=True))
                self.at += 2
            elif sign in {"$", "`"}:
                parts.append(self._dollar(quoted=False))
            else:
                end = self.at
                while end < len(self.text) and self.text[end] not in _END_OF_WORD + "'\"\\$`":
                    end += 1
                parts.append(Literal(self.text[self.at : end], quoted=False))
                self.at = end
        if not parts and not empty:
            self._fail(self.text[self.at : self.at + 1])
        return Word(tuple(parts))

    def _single(self) -> Literal:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            message = "Syntax error: Unterminated quoted string"
            raise ShellSyntaxError(message)
        found = Literal(self.text[self.at + 1 : end], quoted=True)
        self.at = end + 1
        return found

    def _double(self) -> list[Part]:
        parts: list[Part] = [Literal("", quoted=True)]
        text = ""
        while True:
            if self.at >= len(self.text):
                message = "Syntax error: Unterminated quoted string"
                raise ShellSyntaxError(message)
            sign = self.text[self.at]
            if sign == '"':
                self.at += 1
                parts.append(Literal(text, quoted=True))
                return parts
            if sign == "\\" and self.text[self.at + 1 : self.at + 2] in '$`"\\\n':
                following = self.text[self.at + 1]
                text += "" if following == "\n" else following
                self.at += 2
            elif sign in "$`":
                parts.append(Literal(text, quoted=True))
                text = ""
                parts.append(self._dollar(quoted=True))
            else:
                text += sign
                self.at += 1

    def _dollar(self, *, quoted: bool) -> Part:
        if self.text[self.at] == "`":
            end = self.text.index("`", self.at + 1)
            inside = self.text[self.at + 1 : end]
            self.at = end + 1
            return Substitution(Parser(inside).script(), quoted)
        self.at += 1
        if self.text.startswith("((", self.at):
            end = self.text.index("))", self.at)
            inside = self.text[self.at + 2 : end]
            self.at = end + 2
            return Arithmetic(inside, quoted)
        if self.text.startswith("(", self.at):
            self.at += 1
            body = self._list(frozenset(), ")")
            if not self._accept(")"):
                self._fail("")
            return Substitution(body, quoted)
        if self.text.startswith("{", self.at):
            self.at += 1
            return self._braces(quoted=quoted)
        name = _NAME.match(self.text, self.at)
        if name is not None:
            self.at = name.end()
            return Parameter(name.group(), "", None, quoted)
        if self.text[self.at : self.at + 1] and self.text[self.at] in _SPECIAL:
            self.at += 1
            return Parameter(self.text[self.at - 1], "", None, quoted)
        return Literal("$", quoted)

    def _braces(self, *, quoted: bool) -> Part:
        length = self.text.startswith("#", self.at) and not self.text.startswith("#}", self.at)
        if length:
            self.at += 1
        name = _NAME.match(self.text, self.at)
        text = name.group() if name is not None else self.text[self.at]
        self.at += len(text)
        operator = "length" if length else ""
        word: Word | None = None
        match = _OPERATOR.match(self.text, self.at)
        if match is not None:
            operator = match.group()
            self.at = match.end()
            # the pattern of ${NAME%PATTERN} is one also between double quotes (POSIX 2.6.2)
            word = self._brace_word(quoted=quoted and operator[0] not in "#%")
        if not self.text.startswith("}", self.at):
            message = "Syntax error: Bad substitution"
            raise ShellSyntaxError(message)
        self.at += 1
        return Parameter(text, operator, word, quoted)

    def _brace_word(self, *, quoted: bool) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text) and self.text[self.at] != "}":
            sign = self.text[self.at]
            if sign in "$`":
                parts.append(self._dollar(quoted=quoted))
            elif sign == '"':
                self.at += 1
                parts += self._double()
            elif sign == "'" and not quoted:
                end = self.text.index("'", self.at + 1)
                parts.append(Literal(self.text[self.at + 1 : end], quoted=True))
                self.at = end + 1
            else:
                step = 2 if sign == "\\" else 1
                parts.append(Literal(self.text[self.at + step - 1 : self.at + step], quoted=quoted))
                self.at += step
        return Word(tuple(parts))


@lru_cache(maxsize=64)
def parse(text: str) -> Script:
    """Read a script; programs send the same ones with every call."""
    return Parser(text).script()
