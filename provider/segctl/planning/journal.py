"""The journal of a run: each step on each device, written before the step is taken.

A killed run leaves its last step here, with the command that completes the step or takes it back.
One JSON object per line, appended and flushed to disk; it holds no secret, rule or address.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from segctl.model.errors import JournalError
from segctl.system.folders import file_name, state_folder
from segctl.system.inert import inert_json
from segctl.system.storage import append, check

#: Folder of all runs in the state folder; each run has its own folder there.
FOLDER = "runs"
FILE = "journal.jsonl"
#: Days for which the folder of a run is kept.
KEEP_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Where one run records its steps.

    `command` completes what was started, or takes it back, whatever the last step was.
    """

    folder: Path
    run: str
    plan_id: str = ""
    command: str = ""

    @property
    def file(self) -> Path:
        """The path of the journal file."""
        return self.folder / FILE

    def write(self, device: str, step: str, detail: str = "") -> None:
        """Record that `step` comes next on `device`.

        Raises:
            JournalError: the record could not be written; the step must not be taken.
        """
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": self.run,
            "plan_id": self.plan_id,
            "device": device,
            "step": step,
            "detail": detail,
            "next": self.command,
        }
        line = inert_json(json.dumps({key: value for key, value in entry.items() if value})) + "\n"
        try:
            append(self.file, line.encode())
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(
                f"{device}: the journal {self.file} cannot be written ({reason}), so {step!r} "
                "was not started: free some space, or set SEGCTL_ARTIFACTS to another folder"
            ) from error


def journal_of(run: str, *, plan_id: str = "", command: str = "") -> Journal:
    """Return the journal of a run, in a folder of its own; delete the folders of old runs.

    The folders are in ``SEGCTL_ARTIFACTS``, or else in ``runs`` in segctl's state folder.
    """
    root = _root()
    _forget(root)
    return Journal(folder=root / file_name(run), run=run, plan_id=plan_id, command=command)


def _root() -> Path:
    if named := os.environ.get("SEGCTL_ARTIFACTS", ""):
        return Path(named).expanduser()
    return state_folder() / FOLDER


def _forget(root: Path) -> None:
    with suppress(OSError):
        check(root / FILE)  # nothing is deleted where others could decide what
        for entry in os.scandir(root):
            found = entry.stat(follow_symlinks=False)
            old = time.time() - found.st_mtime > KEEP_DAYS * 86400
            if old and found.st_uid == os.geteuid() and (Path(entry.path) / FILE).is_file():
                shutil.rmtree(entry.path, ignore_errors=True)
