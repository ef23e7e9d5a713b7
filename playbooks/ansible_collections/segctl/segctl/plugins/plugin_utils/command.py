"""Run segctl for one host: its command line, what it must not show, its answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence


class CommandError(Exception):
    """segctl cannot be run, or did not answer as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What segctl said."""

    code: int
    document: Mapping[str, Any]
    messages: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What segctl is given for one host."""

    executable: str
    host: str
    sources: Sequence[str]
    variables: Mapping[str, Any]
    vault_passwords: Sequence[bytes]
    environment: Mapping[str, str]


class Segctl:
    """segctl for one host, as often as it is needed."""

    def __init__(self, given: Given, folder: Path) -> None:
        self._given = given
        #: A place for files of this run; removed with it.
        self.folder = folder

    def __call__(self, *words: str) -> Answer:
        """Run a command and return its answer.

        Raises:
            CommandError: it could not be run, or its answer is not a JSON document.
        """
        given = self._given
        argv = [given.executable, *words, "--json", "--limit", given.host]
        argv += [word for source in given.sources for word in ("--inventory", source)]
        # `str` opens what Ansible Vault has encrypted
        variables = json.dumps(given.variables, default=str).encode()
        secrets = [variables] if given.variables else []
        options = ["--extra-vars"] * len(secrets)
        secrets += given.vault_passwords
        options += ["--vault-password-file"] * len(given.vault_passwords)
        with _shown(secrets, self.folder) as (paths, descriptors):
            for option, path in zip(options, paths, strict=True):
                argv += [option, f"@{path}" if option == "--extra-vars" else path]
            # Ansible has run the sources that are programs already, as its user has told it to
            environment = {"SEGCTL_ALLOW_EXECUTABLE_INVENTORY": "1", **given.environment}
            code, out, messages = _run(argv, environment, descriptors)
        for option, path in zip(options, paths, strict=True):
            out = out.replace(path, option)  # where a problem is, in words that mean something
        out = out.replace(f"{self.folder}/", "")
        return Answer(code=code, document=_document(code, out, messages), messages=messages)


@contextmanager
def opened(given: Given, temporary: str) -> Generator[Segctl]:
    """Yield segctl with a folder of its own below `temporary`."""
    with TemporaryDirectory(prefix="segctl-", dir=temporary) as folder:
        yield Segctl(given, Path(folder))


def find_executable(asked: str | None) -> str:
    """Return the segctl to run.

    Raises:
        CommandError: there is none.
    """
    beside = Path(sys.executable).with_name("segctl")
    found = asked or (str(beside) if beside.is_file() else shutil.which("segctl"))
    if not found or not Path(found).is_file():
        where = asked or f"{beside} or on PATH"
        raise CommandError(
            f"there is no segctl at {where}: install it for the interpreter that runs "
            "ansible-playbook, or name it with the argument executable"
        )
    return found


@contextmanager
def _shown(secrets: Sequence[bytes], folder: Path) -> Generator[tuple[list[str], list[int]]]:
    """Yield paths where a child process, and nobody else, reads the secrets.

    In memory where the system can, else in files that only their owner reads: an argument or the
    environment would show them to others.
    """
    descriptors: list[int] = []
    paths: list[str] = []
    try:
        for number, secret in enumerate(secrets):
            if hasattr(os, "memfd_create"):
                descriptors.append(descriptor := os.memfd_create("segctl"))
                os.fchmod(descriptor, 0o600)  # an executable file would be run by segctl
                paths.append(f"/dev/fd/{descriptor}")
            else:
                path = folder / f"secret{number}"
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                descriptors.append(descriptor)
                paths.append(str(path))
            os.write(descriptor, secret)
        yield paths, descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _run(
    argv: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
) -> tuple[int, str, str]:
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=descriptors,
            encoding="utf-8",
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            out, messages = process.communicate()
        except KeyboardInterrupt:
            # a terminal's Ctrl-C reaches segctl by itself; signalled twice, it would end before it
            # has taken back what it has begun
            process.communicate()
            raise
        except BaseException:
            # a timeout: segctl takes back what it has begun before it ends
            process.terminate()
            process.communicate()
            raise
    return process.returncode, out, messages


def _document(code: int, out: str, messages: str) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = json.loads(out)
    except ValueError:
        told = messages.strip().splitlines()[-1:] or ["it printed nothing"]
        message = f"segctl ended with {code} and without a JSON document: {told[0]}"
        raise CommandError(message) from None
    return found
