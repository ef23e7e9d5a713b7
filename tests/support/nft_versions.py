"""Other versions of nft beside the host's, unpacked from packages of Debian's other suites.

The mirror and the key that signs its lists are those of the machine's own apt sources. Nothing is
installed: apt has a state of its own in a folder of the cache, and each nft runs with the loader
and the libraries of its own suite.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

#: Outside of the homes, in whose place the labs see empty folders.
CACHE = Path("/var/cache/segctl-tests/nft")
HOST = Path("/usr/sbin/nft")
#: What each suite has; the unstable one has whatever it has.
SUITES = {"bullseye": "0.9.8", "bookworm": "1.0.6", "trixie": "1.1.3", "sid": ""}
#: Suites whose nft segctl can use, the oldest first.
USABLE = ("bookworm", "trixie", "sid")
#: After so many seconds the unstable suite is looked at again.
_FRESH = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Nft:
    """One nft that can be run: its program, and its version as ``nft --version`` says it."""

    suite: str
    program: Path
    version: str


class _RefusedError(Exception):
    """This version is not to be had here, and why."""


def nft_of(suite: str) -> Nft:
    """Return the nft of a suite; skip the test, with the reason, where it cannot be had."""
    found = _nft_of(suite)
    if isinstance(found, str):
        pytest.skip(f"no nft of {suite}: {found}")
    return found


@cache
def _nft_of(suite: str) -> Nft | str:
    try:
        version = SUITES[suite]
        program = HOST if version and version_of(HOST) == version else _unpacked(suite)
        found = version_of(program)
    except (_RefusedError, OSError) as error:
        return str(error)
    if not found or (version and found != version):
        return f"it is {found or 'not to be run'}, not {version}"
    return Nft(suite=suite, program=program, version=found)


def version_of(program: Path) -> str:
    """Return the version that a program of nft says it has; empty where it says none."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    found = re.match(r"nftables v([0-9.]+)", said.stdout)
    return found[1] if found else ""


def _unpacked(suite: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / suite / "nft"
    with _alone(CACHE / f"{suite}.lock"):
        old = not SUITES[suite] and _age(program) > _FRESH
        if program.exists() and not old:
            return program
        try:
            _unpack(suite)
        except _RefusedError:
            if not program.exists():
                raise
    return program


def _age(file: Path) -> float:
    return time.time() - file.stat().st_mtime if file.exists() else 0.0


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Let one process at a time unpack a suite."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _unpack(suite: str) -> None:
    """Fetch a suite's nft with all that it needs, and write a program that runs it."""
    made = CACHE / f"{suite}.new"
    shutil.rmtree(made, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (made / folder).mkdir(parents=True)
    (made / "status").touch()
    (made / "sources.list").write_text(_source(suite), encoding="utf-8")
    _apt(made, "update", "--error-on=any")
    # to a machine without packages: whatever nft needs is fetched, nothing is installed
    _apt(made, "install", "--download-only", "--no-install-recommends", "nftables")
    for package in sorted((made / "cache/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(made / "root"))
    for folder in ("lists", "cache", "root/usr/share"):
        shutil.rmtree(made / folder)
    _write_program(made, CACHE / suite)
    shutil.rmtree(CACHE / suite, ignore_errors=True)
    made.rename(CACHE / suite)


def _write_program(made: Path, place: Path) -> None:
    """Write ``nft``, for when `made` has been moved to `place`."""
    root = made / "root"
    loaders = [*root.glob("lib/*/ld-linux*.so.*"), *root.glob("usr/lib/*/ld-linux*.so.*")]
    if not loaders:
        raise _RefusedError("its packages bring no loader")
    inside = [str(place / one.relative_to(made)) for one in loaders]
    folders = {
        place / one.parent.relative_to(made)
        for pattern in ("lib/*/*.so*", "usr/lib/*/*.so*")
        for one in root.glob(pattern)
    }
    program = made / "nft"
    program.write_text(
        f"#!/bin/sh\nexec {inside[0]} --library-path {':'.join(map(str, sorted(folders)))} "
        f'{place}/root/usr/sbin/nft "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)


def _source(suite: str) -> str:
    """Return the line of apt's sources for a suite, of the machine's own mirror and key."""
    release = _release()
    if release.get("ID") != "debian":
        raise _RefusedError("this machine is not Debian")
    wanted = release.get("VERSION_CODENAME", "")
    fields = "$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)\t$(SOURCESENTRY)"
    listed = _run("apt-get", "indextargets", "--format", fields, "Created-By: Packages")
    for line in listed.splitlines():
        name, component, mirror, entry = line.split("\t")
        if (name, component) == (wanted, "main"):
            # lists of a release that is no longer renewed have run out
            options = ["check-valid-until=no"] if SUITES[suite] else []
            options += [f"signed-by={key}" for key in _keys(Path(entry.rpartition(":")[0]))]
            said = f"[{' '.join(options)}] " if options else ""
            return f"deb {said}{mirror} {suite} main\n"
    raise _RefusedError(f"no source of apt has {wanted}")


def _keys(source: Path) -> list[str]:
    """Return the key file that a file of sources names; none: apt's own keys are used."""
    text = source.read_text(encoding="utf-8")
    found = re.search(r"(?i:signed-by)\s*[:=]\s*(/[^\s\],]+)", text)
    return [found[1]] if found else []


def _release() -> dict[str, str]:
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    return {
        name: value.strip('"')
        for name, _, value in (line.partition("=") for line in text.splitlines())
    }


def _apt(made: Path, *words: str) -> None:
    options = {
        "Dir::State": made,
        "Dir::State::lists": made / "lists",
        "Dir::State::status": made / "status",
        "Dir::Cache": made / "cache",
        "Dir::Etc::sourcelist": made / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 20,
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }
    _run("apt-get", "-q", "-y", *(f"-o{name}={value}" for name, value in options.items()), *words)


def _run(*words: str) -> str:
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _RefusedError(f"{words[0]}: {error}") from error
    if found.returncode:
        said = [line for line in found.stderr.splitlines() if line.strip()]
        raise _RefusedError(f"{words[0]} ends with {found.returncode}: {said[0] if said else ''}")
    return found.stdout
