"""The command `segctl` for scripts that run it often: each run is a fork of a process that is warm.

Starting Python and loading segctl takes longer than most commands. Here both are done once. Each
run still has a process of its own, with the caller's arguments, folder, environment and files, and
its exit status; only signals do not reach it. The installed command is tested where it is shipped.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn, cast

#: Takes a command to the warm process: of Python's own library it loads the least.
_CLIENT = """\
#!{python} -IS
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({place!r})
words = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [len(words).to_bytes(4, "big")], [0, 1, 2])
line.sendall(words)
os._exit(line.recv(1)[0])
"""
#: Loaded before the first command: everything but what tests only, or other libraries, need.
_NOT_LOADED = ("segctl.testing", "segctl.fleet.dask", "segctl.cli.__main__")


@cache
def warm_folder() -> Path:
    """Return a folder with the command `segctl`, to be put first on a PATH; made once a process."""
    scratch = tempfile.TemporaryDirectory(prefix="segctl-warm-")
    folder = Path(scratch.name)
    place = str(folder / "socket")
    # -P: the folder that a command runs in is not where Python looks for modules
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, place],
        stdin=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
        cwd=folder,
    )
    atexit.register(_end, server, scratch)
    command = folder / "bin/segctl"
    command.parent.mkdir()
    command.write_text(_CLIENT.format(python=sys.executable, place=place), encoding="utf-8")
    command.chmod(0o755)
    while not Path(place).exists():
        assert server.poll() is None, "the warm process has ended"
        time.sleep(0.05)
    return command.parent


def _end(server: subprocess.Popen[bytes], scratch: tempfile.TemporaryDirectory[str]) -> None:
    if server.stdin is not None:
        server.stdin.close()
    server.wait()
    scratch.cleanup()


# --- the warm process ----------------------------------------------------------------------------


def serve(place: str) -> None:
    """Load segctl, then fork for each command until standard input ends."""
    import selectors
    import signal

    load()
    gc.collect()
    gc.freeze()  # a fork whose collector looks at these would copy them all
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever has ended is gone
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place}.new")
    listener.listen(32)
    Path(f"{place}.new").rename(place)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    while True:
        if any(key.fileobj == 0 for key, _ in waiting.select()):
            return
        line, _ = listener.accept()
        if os.fork() == 0:
            waiting.close()
            listener.close()
            _attend(line)
        line.close()


def load() -> None:
    """Import every module of segctl."""
    import segctl

    for found in pkgutil.walk_packages(segctl.__path__, "segctl."):
        if not found.name.startswith(_NOT_LOADED):
            import_module(found.name)


def _attend(line: socket.socket) -> NoReturn:
    """Fork once more, so that one tells the caller how the other, the command, has ended."""
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    size, words = int.from_bytes(head, "big"), b""
    while len(words) < size:
        words += line.recv(size - len(words))
    child = os.fork()
    if child == 0:
        line.close()
        _become(files, words)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    with suppress(OSError):
        line.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _become(files: list[int], words: bytes) -> NoReturn:
    """Run one command as its process would."""
    from segctl.cli import main

    code: object = 1
    try:
        argv, folder, environment = json.loads(words)
        for place, held in enumerate(files):
            os.dup2(held, place)
        for held in files:
            os.close(held)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.argv = ["segctl", *argv]
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        sys.stdout = _text(1, "surrogateescape")
        sys.stderr = _text(2, "backslashreplace")
        main(cast("list[str]", argv))
    except SystemExit as end:
        code = end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _text(place: int, errors: str) -> io.TextIOWrapper:
    binary = io.BufferedWriter(io.FileIO(place, "w", closefd=False))
    return io.TextIOWrapper(binary, encoding="utf-8", errors=errors, line_buffering=place == 2)


if __name__ == "__main__":
    serve(sys.argv[1])
