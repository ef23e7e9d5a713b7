"""The one place that runs other programs: git, ansible-inventory, ping, password scripts.

A child gets fixed arguments, no shell, none of our secrets, no input, a time limit and a limit on
its output; it leads a process group of its own, which is killed as a whole. No program is looked up
in the current folder. See docs/adr/0020.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Final

from segctl.model.durations import format_duration
from segctl.model.errors import ChildError, ChildTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: A child that prints more bytes is stopped.
MOST_OUTPUT: Final = 64 * 2**20
#: Lists further variables that programs named by the user may see.
CHILD_VARIABLES: Final = "SEGCTL_CHILD_VARIABLES"
#: Variables that every child may see: user, paths and locale, never a secret.
_PASSED: Final = (
    *("HOME", "LOGNAME", "USER", "PATH", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC"),
    *("LC_TIME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
)
#: Variables that lead to the user's agents and settings, for programs named by the user.
_OF_USER: Final = (
    *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "GNUPGHOME", "GPG_TTY", "SSH_AUTH_SOCK"),
    *("VIRTUAL_ENV", "WAYLAND_DISPLAY", "SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
)
#: segctl's variables hold passwords and tokens: no child sees one, whoever asks for it.
_OURS: Final = "SEGCTL_"
_CHUNK: Final = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A child that has ended by itself: its exit status, negative for a signal, and its output."""

    code: int
    out: bytes
    errors: bytes


def find_program(name: str, *, beside: str = "") -> str | None:
    """Return the absolute path of a program, or None where it is not installed.

    Args:
        name: its name, or an absolute path, which is returned as it is.
        beside: a folder to search last.

            Relative entries of PATH are skipped: they lead into whatever folder we are started in.
    """
    if os.path.isabs(name):  # noqa: PTH117 - a path of the system as text
        return name if os.access(name, os.X_OK) else None
    entries = [*os.environ.get("PATH", os.defpath).split(os.pathsep), beside]
    if os.sep in name:
        return None
    absolute = [entry for entry in entries if os.path.isabs(entry)]  # noqa: PTH117 - as above
    return shutil.which(name, path=os.pathsep.join(absolute)) if absolute else None


def run_child(
    words: Sequence[str],
    *,
    timeout: float,
    folder: Path | str | None = None,
    variables: Mapping[str, str] | None = None,
    of_user: Sequence[str] | None = None,
    most_output: int = MOST_OUTPUT,
    program: str = "",
) -> Ended:
    """Run a program to its end.

    Args:
        words: the program, by name or absolute path, and its arguments.
        timeout: seconds after which it is killed, with everything it has started.
        folder: its working directory; ours by default.
        variables: additional environment variables.
        of_user: for a program named by the user: the variables that its kind also needs.
            The variables listed in `SEGCTL_CHILD_VARIABLES` are then passed on, too.
        most_output: bytes of standard output and standard error after which it is killed.
        program: the absolute path of the program itself, if the first word is a link to it.

    Raises:
        ChildTimeoutError: it did not end in time.
        ChildError: it is not installed, does not run, or prints too much.
    """
    name = words[0]
    found = find_program(name)
    if found is None:
        raise ChildError(f"{name} is not installed or not executable")
    try:
        child = subprocess.Popen(  # no shell; the words come from us or the user
            [found, *words[1:]],
            executable=program or found,
            cwd=folder,
            env={**_environment(of_user), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ChildError(f"{name} cannot be started: {error.strerror}") from error
    with child:
        try:
            return _heard(child, name, timeout, most_output)
        except BaseException:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            raise


def _environment(of_user: Sequence[str] | None) -> dict[str, str]:
    names: Iterable[str] = _PASSED
    if of_user is not None:
        asked = os.environ.get(CHILD_VARIABLES, "").replace(",", " ").split()
        names = (*_PASSED, *_OF_USER, *of_user, *asked)
    chosen = (name for name in names if not name.startswith(_OURS))
    return {name: os.environ[name] for name in chosen if name in os.environ}


def _heard(child: subprocess.Popen[bytes], name: str, timeout: float, most: int) -> Ended:
    """Read until a child has closed both its outputs and ended."""
    ends = time.monotonic() + timeout
    late = ChildTimeoutError(f"{name} did not end within {format_duration(timeout)}")
    with DefaultSelector() as selector:
        streams = [stream for stream in (child.stdout, child.stderr) if stream is not None]
        said = {stream.fileno(): bytearray() for stream in streams}
        for stream in streams:
            selector.register(stream, EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, ends - time.monotonic()))
            if not ready:
                raise late
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                said[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
            if sum(map(len, said.values())) > most:
                raise ChildError(f"{name} printed more than {most} bytes")
    try:
        code = child.wait(max(0.0, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise late from None
    out, errors = map(bytes, said.values())
    return Ended(code=code, out=out, errors=errors)
