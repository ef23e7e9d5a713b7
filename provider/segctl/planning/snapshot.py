"""Snapshots: what a device held at a time, in a file, to plan without a connection.

The file holds only what segctl parses of the device's answers; what planning does not need cannot
leak. Taking a snapshot fails unless parsing it gives the same result as parsing the answers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import segctl
from segctl.model.errors import ParseError, SnapshotError, UnsupportedError
from segctl.planning.documents import digest_of, schema
from segctl.providers.base import Masking
from segctl.providers.parsed import without_notes
from segctl.system.handed import read_bytes
from segctl.system.inert import json_text
from segctl.system.json_schema import fault
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.providers.base import Provider

FORMAT_VERSION = "1.0"
#: Longest excerpt of a faulty file in a message, in characters.
_SHOWN = 300
#: File name suffix of snapshots in a folder.
SUFFIX = ".snapshot.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One device's masked document (`Masking.mask`), and the device it belongs to."""

    name: str
    platform: str
    scope: str
    taken: str
    document: str
    serial: str = ""
    os_version: str = ""
    content_version: str = ""
    model: str = ""
    hostname: str = ""
    segctl_version: str = segctl.__version__
    format_version: str = FORMAT_VERSION

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file with its digest."""
        document = asdict(self)
        return document | {"digest": digest_of(document)}

    def dumps(self) -> str:
        """Return the text of the file, keys sorted."""
        return json_text(self.as_json()) + "\n"


def snapshot_of(
    name: str, scope: str, document: bytes, provider: Provider, *, now: datetime | None = None
) -> Snapshot:
    """Return a snapshot of what a device answered.

    Raises:
        UnsupportedError: the provider cannot mask documents, or the masked document does not
            parse to the same result.
        ParseError: the document cannot be parsed.
    """
    if not isinstance(provider, Masking):
        raise UnsupportedError(
            f"{name}: snapshots are not supported on {provider.name}: its provider does not mask "
            "secrets"
        )
    live = provider.parse(document)
    masked = provider.mask(document)
    if without_notes(provider.parse(masked)) != without_notes(live):
        raise UnsupportedError(
            f"{name}: no snapshot was taken, because the masked document would not parse to the "
            "same policy as the device's answer; please report this"
        )
    try:
        text = masked.decode()
    except UnicodeDecodeError as error:
        raise ParseError(name, f"its answer is not UTF-8: {error.reason}") from error
    identity = live.identity
    return Snapshot(
        name=name,
        platform=provider.name,
        scope=scope,
        taken=(now or datetime.now(UTC)).replace(microsecond=0).isoformat(),
        document=text,
        serial=identity.serial,
        os_version=identity.os_version,
        content_version=identity.content_version,
        model=identity.model,
        hostname=identity.hostname,
    )


def load_snapshot(path: Path) -> Snapshot:
    """Read a snapshot file.

    Raises:
        SnapshotError: the file cannot be read, is damaged, was edited, or has another version.
    """
    try:
        found = read_json(read_bytes(path))
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SnapshotError(f"{path} is not a snapshot: {error}") from error
    values = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    version = values.get("format_version")
    if not isinstance(version, str) or "document" not in values:
        raise SnapshotError(f"{path} is not a segctl snapshot")
    if version.split(".", maxsplit=1)[0] != FORMAT_VERSION.split(".", maxsplit=1)[0]:
        raise SnapshotError(
            f"{path} has snapshot format {version}, but this segctl reads {FORMAT_VERSION}: "
            "take it again"
        )
    if values.get("digest") != digest_of(values):
        raise SnapshotError(
            f"{path} was changed after it was taken (its digest does not match): take it again"
        )
    _validate(values, path)
    return Snapshot(**{name: values[name] for name in Snapshot.__slots__})


def _validate(document: object, path: Path) -> None:
    if wrong := fault(document, schema("snapshot")):
        place = "/".join(str(part) for part in wrong.absolute_path)
        raise SnapshotError(f"{path}: {place or 'document'}: {wrong.message[:_SHOWN]}") from wrong


def load_snapshots(path: Path) -> dict[str, Snapshot]:
    """Read a snapshot file, or all snapshots in a folder, and return them by device.

    Raises:
        SnapshotError: a snapshot cannot be used, none exists, or a device has two.
    """
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    found: dict[str, Snapshot] = {}
    places: dict[str, Path] = {}
    for file in files:
        if file != path and not file.is_file():  # a pipe in a folder would be waited for
            raise SnapshotError(f"{file} is not a regular file")
        one = load_snapshot(file)
        if one.name in found:
            raise SnapshotError(
                f"{places[one.name]} and {file} are both snapshots of {one.name}: keep one"
            )
        found[one.name], places[one.name] = one, file
    if not found:
        raise SnapshotError(f"{path} contains no snapshot (*{SUFFIX})")
    return found
