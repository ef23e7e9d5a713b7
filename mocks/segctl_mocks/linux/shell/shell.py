"""Running shell scripts on a host."""

from __future__ import annotations

import fnmatch
import re
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell import expand
from segctl_mocks.linux.shell.parser import ShellSyntaxError, parse
from segctl_mocks.linux.shell.streams import Buffer, Nowhere, Source, Text
from segctl_mocks.linux.shell.syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Loop,
    Pipeline,
    Redirect,
    Script,
    Simple,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.linux.host import Host
    from segctl_mocks.linux.shell.streams import Sink

NOT_FOUND = 127


class Exit(Exception):  # noqa: N818  # no error: the script ends
    """The script ends with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Leave(Exception):  # noqa: N818  # no error: a loop or function is left
    """``break``, ``continue`` or ``return``."""

    def __init__(self, word: str, number: int) -> None:
        super().__init__(word, number)
        self.word = word
        self.number = number


@dataclass(slots=True)
class Shell:
    """One shell process: its user, variables, folder and streams."""

    host: Host
    user: str
    root: bool
    stdin: Source = field(default_factory=Text)
    stdout: Sink = field(default_factory=Nowhere)
    stderr: Sink = field(default_factory=Nowhere)
    variables: dict[str, str] = field(default_factory=dict[str, str])
    functions: dict[str, Command] = field(default_factory=dict[str, Command])
    arguments: list[str] = field(default_factory=list[str])
    name: str = "sh"
    cwd: str = "/root"
    status: int = 0
    options: set[str] = field(default_factory=set[str])
    exit_trap: str = ""
    jobs: list[threading.Thread] = field(default_factory=list[threading.Thread])
    pid: int = 0
    last_job: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def home(self) -> str:
        """The user's folder."""
        return "/root" if self.root and self.user == "root" else f"/home/{self.user}"

    def out(self, text: str) -> None:
        """Write to standard output."""
        self.stdout.write(text.encode("utf-8", "surrogateescape"))

    def err(self, text: str) -> None:
        """Write to standard error."""
        self.stderr.write(text.encode("utf-8", "surrogateescape"))

    def copy(self) -> Shell:
        """Return a shell of its own with the same state, as after a fork."""
        return replace(
            self,
            variables={**self.variables},
            functions={**self.functions},
            arguments=[*self.arguments],
            options={*self.options},
            exit_trap="",
            jobs=[],
        )

    # -- scripts -----------------------------------------------------------------------

    def run(self, text: str) -> int:
        """Run a script to its end and return its exit status."""
        try:
            script = parse(text)
        except (ShellSyntaxError, ValueError, IndexError) as error:
            self.err(f"{self.name}: 1: {error}\n")
            return 2
        return self.run_script(script)

    def run_script(self, script: Script) -> int:
        """Run what was read, then the trap for the exit."""
        try:
            status = self.list(script)
        except Exit as ending:
            status = ending.status
        except Leave:
            status = self.status
        if self.exit_trap:
            trap, self.exit_trap = self.exit_trap, ""
            try:
                self.list(parse(trap))
            except Exit as ending:
                status = ending.status
        return status

    def list(self, script: Script) -> int:
        """Run commands one after the other."""
        for item in script.items:
            if self.stop.is_set():
                raise Exit(143)
            if item.background:
                self._background(item)
                self.status = 0
            else:
                self.status = self._and_or(item)
        return self.status

    def _background(self, item: AndOr) -> None:
        process = self.copy()
        process.stdin = Text()
        process.pid = self.host.next_pid()
        self.last_job = process.pid
        plain = AndOr(item.items, background=False)

        def work() -> None:
            process.run_script(Script((plain,)))

        self.jobs.append(self.host.start(work))

    def _and_or(self, item: AndOr) -> int:
        status = 0
        for position, (sign, pipeline) in enumerate(item.items):
            if position and (status == 0) != (sign == "&&"):
                continue
            status = self.status = self._pipeline(pipeline)
        last = item.items[-1][1]
        if status and "e" in self.options and len(item.items) == 1 and not last.negated:
            raise Exit(status)
        return status

    def _pipeline(self, pipeline: Pipeline) -> int:
        if len(pipeline.commands) == 1:
            status = self.command(pipeline.commands[0])
        else:
            status = 0
            source = self.stdin
            for command in pipeline.commands[:-1]:
                part, buffer = self.copy(), Buffer()
                part.stdin, part.stdout = source, buffer
                part.command_apart(command)
                source = Text(bytes(buffer.data))
            part = self.copy()
            part.stdin = source
            status = part.command_apart(pipeline.commands[-1])
        return int(status == 0) if pipeline.negated else status

    def command_apart(self, command: Command) -> int:
        """Run a command in a process of its own."""
        return self.run_script(Script((AndOr((("", Pipeline((command,), negated=False)),),
                                             background=False),)))  # fmt: skip

    # -- commands -------------------------------------------------------------------------

    def command(self, command: Command) -> int:
        """Run one command with its redirections."""
        if not command.redirects:
            return self._what(command)
        before = (self.stdin, self.stdout, self.stderr)
        try:
            pending = [each for each in (self._redirect(one) for one in command.redirects) if each]
            status = self._what(command)
            for path, buffer, append in pending:
                del path, buffer, append
        except OSError as error:
            self.stdin, self.stdout, self.stderr = before
            name = error.filename or ""
            what = "cannot create" if error.args and error.errno != 2 else "cannot open"
            self.err(f"{self.name}: 1: {what} {name}: {error.strerror}\n")
            return 2
        finally:
            self.stdin, self.stdout, self.stderr = before
        return status

    def _redirect(self, redirect: Redirect) -> tuple[str, Buffer, bool] | None:
        if redirect.operator == "<<":
            text = "".join(getattr(part, "text", "") for part in redirect.target.parts)
            self.stdin = Text(text.encode("utf-8", "surrogateescape"))
            return None
        target = expand.one(self, redirect.target)
        if redirect.operator == ">&":
            stream = {"1": self.stdout, "2": self.stderr, "-": Nowhere()}.get(target)
            if stream is not None:
                self._set(redirect.stream, stream)
            return None
        path = self.host.files.resolve(target, self.cwd)
        if redirect.operator == "<":
            self.stdin = Text(self.host.files.read(path))
            return None
        self.host.files.check(path, self.home, root=self.root)
        self.host.files.write(path, b"", append=redirect.operator == ">>")
        self._set(redirect.stream, _FileSink(self.host, path))
        return None

    def _set(self, stream: int, sink: Sink) -> None:
        if stream == 2:
            self.stderr = sink
        else:
            self.stdout = sink

    def _what(self, command: Command) -> int:
        match command.what:
            case Simple():
                return self._simple(command.what)
            case If():
                return self._if(command.what)
            case Loop(condition, body, until):
                return self._loop(condition, body, until=until)
            case For():
                return self._for(command.what)
            case Case():
                return self._case(command.what)
            case Group(body, own_shell):
                return self.copy().run_script(body) if own_shell else self.list(body)
            case Function(name, body):
                self.functions[name] = body
                return 0

    def _if(self, found: If) -> int:
        for condition, body in found.clauses:
            if self._condition(condition) == 0:
                return self.list(body)
        return self.list(found.otherwise) if found.otherwise is not None else 0

    def _case(self, found: Case) -> int:
        text = expand.one(self, found.word)
        for patterns, body in found.branches:
            if any(_matches(text, expand.pattern(self, each)) for each in patterns):
                self.status = 0
                return self.list(body)
        return 0

    def _condition(self, script: Script) -> int:
        kept, self.options = self.options, self.options - {"e"}
        try:
            return self.list(script)
        finally:
            self.options = kept

    def _loop(self, condition: Script, body: Script, *, until: bool) -> int:
        status = 0
        while (self._condition(condition) == 0) != until:
            try:
                status = self.list(body)
            except Leave as leave:
                if leave.word == "return" or leave.number > 1:
                    raise
                if leave.word == "break":
                    return 0
        return status

    def _for(self, loop: For) -> int:
        status = 0
        words = self.arguments if loop.words is None else expand.many(self, loop.words)
        for word in [*words]:
            self.variables[loop.name] = word
            try:
                status = self.list(loop.body)
            except Leave as leave:
                if leave.word == "return":
                    raise
                if leave.word == "break":
                    return 0
        return status

    def _simple(self, simple: Simple) -> int:
        words = expand.many(self, simple.words)
        values = [(name, expand.one(self, word)) for name, word in simple.assignments]
        if not words:
            self.variables.update(values)
            has_substitution = any(
                type(part).__name__ == "Substitution"
                for _, word in simple.assignments
                for part in word.parts
            )
            return self.status if has_substitution else 0
        if values:
            kept = {name: self.variables.get(name) for name, _ in values}
            self.variables.update(values)
            try:
                return self.call(words)
            finally:
                for name, value in kept.items():
                    if value is None:
                        self.variables.pop(name, None)
                    else:
                        self.variables[name] = value
        return self.call(words)

    def call(self, words: Sequence[str]) -> int:
        """Run a function, a builtin or a program."""
        function = self.functions.get(words[0])
        if function is None:
            try:
                return self.host.program(self, [*words])
            except OSError as error:  # a file of its own, and no redirection of ours
                self.err(f"{words[0]}: {error.filename}: {error.strerror}\n")
                return 2
        kept, self.arguments = self.arguments, [*words[1:]]
        try:
            return self.command(function)
        except Leave as leave:
            if leave.word != "return":
                raise
            return leave.number
        finally:
            self.arguments = kept


class _FileSink:
    """A file that grows with every write."""

    def __init__(self, host: Host, path: str) -> None:
        self._host = host
        self._path = path

    def write(self, data: bytes) -> None:
        """Append."""
        self._host.files.write(self._path, data, append=True)


def _matches(text: str, pattern: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern), text, re.DOTALL) is not None
