"""A folder of evidence: its files, the list of their digests, and who signed that list."""

from __future__ import annotations

import hashlib
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.model.errors import EvidenceError, UsageError
from segctl.operations.signatures import write_signature
from segctl.planning.documents import schema
from segctl.system import storage
from segctl.system.handed import read_bytes
from segctl.system.json_schema import fault
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from segctl.signing import Signature, Signer

DOCUMENT: Final = "evidence.json"
#: As ``sha256sum`` writes it and checks it.
LIST: Final = "SHA256SUMS"
_SHOWN: Final = 300
#: A file larger than this is none of ours.
_MOST: Final = 1 << 30


def digest(text: str) -> str:
    """Return the SHA-256 of a file with this text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_used(out: Path) -> None:
    """Refuse a folder that is not empty: evidence of two days must not be mixed.

    Raises:
        UsageError: it is not, or it is no folder.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists and is not an empty folder: name a new one")
    if not out.parent.is_dir():
        raise UsageError(f"cannot make {out}: there is no folder {out.parent}")


def write(
    out: Path, files: Mapping[str, str], signing: Callable[[bytes, str], Signature] | None
) -> tuple[Path, ...]:
    """Write the files of a folder, the list of their digests last, and sign that.

    Raises:
        EvidenceError: a file cannot be written.
        SignatureError: the signature cannot be written.
    """
    written: list[Path] = []
    try:
        for name in sorted(files):
            path = out / name
            storage.make_folder(path.parent)
            storage.write(path, files[name].encode())
            written.append(path)
        text = "".join(f"{digest(files[name])}  {name}\n" for name in sorted(files))
        if signing is not None:
            written.append(write_signature(signing(text.encode(), LIST), out / LIST))
        storage.write(out / LIST, text.encode())
    except OSError as error:
        raise EvidenceError(f"cannot write to {out}: {error.strerror}; it is incomplete") from error
    return (*written, out / LIST)


def signed_by(folder: Path, keys: Path) -> tuple[Signer, ...]:
    """Return who signed the list of a folder.

    Raises:
        SignatureError: nobody trusted.
        EvidenceError: it has no list.
    """
    from segctl.signing import verify

    return verify(_bytes(folder / LIST), folder / LIST, keys.expanduser(), datetime.now(UTC))


def checked(folder: Path) -> dict[str, Any]:
    """Return the document of a folder of which every file is as it was written.

    Raises:
        EvidenceError: a file is missing, was changed or added, or the document is damaged.
    """
    if wrong := list(faults(folder)):
        raise EvidenceError(f"{folder} is not as it was written: {'; '.join(wrong)}")
    try:
        found = read_json(_bytes(folder / DOCUMENT))
    except ValueError as error:
        raise EvidenceError(f"{folder / DOCUMENT}: {error}") from error
    if damage := fault(found, schema("evidence")):
        place = "/".join(map(str, damage.absolute_path)) or "document"
        raise EvidenceError(f"{folder / DOCUMENT}: {place}: {damage.message[:_SHOWN]}")
    document = cast("dict[str, Any]", found)
    if str(document["format_version"]).partition(".")[0] != "1":
        raise EvidenceError(f"{folder}: format {document['format_version']} is not known")
    listed = _listed(folder)
    for device in document["devices"]:
        kept = device["kept"]
        if kept and listed.get(kept) != device["kept_sha256"]:
            raise EvidenceError(f"{folder / kept} is not what the evidence was taken from")
    return document


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the files of a folder.

    Raises:
        EvidenceError: it has no list that can be read.
    """
    listed = _listed(folder)
    if DOCUMENT not in listed:
        yield f"{LIST} does not name {DOCUMENT}"
    for name, expected in listed.items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            yield f"{name} is missing"
        elif hashlib.sha256(_bytes(path)).hexdigest() != expected:
            yield f"{name} was changed"
    own = {LIST, f"{LIST}.sig", f"{LIST}.minisig"}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and name not in listed and name not in own:
            yield f"{name} was added"


def _listed(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _bytes(folder / LIST).decode(errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        parts = name.split("/")
        if len(expected) != 64 or not name or name.startswith("/") or ".." in parts:
            raise EvidenceError(f"{folder / LIST} is damaged: {line[:_SHOWN]!r}")
        found[name] = expected
    return found


def _bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise EvidenceError(f"{path} is not a regular file")
        if status.st_size > _MOST:
            raise EvidenceError(f"{path} is too large")
        return read_bytes(path)
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}") from error
