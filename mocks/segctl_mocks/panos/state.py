"""Keeping a device in a folder, and bringing it back."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from segctl_mocks import storage
from segctl_mocks.panos.appliance import Device, Version
from segctl_mocks.panos.journal import Change
from segctl_mocks.panos.locks import Lock
from segctl_mocks.panos.references import is_slot
from segctl_mocks.panos.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


_SLOW = 0.05


@dataclass(slots=True)
class Store:
    """The folder of one device."""

    folder: Path
    saved: tuple[int, int, int, int] | None = None
    seconds: float = 0.0
    written: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def save(self, device: Device, *, lazily: bool = False) -> None:
        """Write what changed; lazily: a large candidate waits for its commit or the end."""
        same = self.saved is not None and self.saved[0] == id(device.running)
        if lazily and same and self.seconds > _SLOW:
            return
        started = time.perf_counter()
        self._save(device)
        self.seconds = time.perf_counter() - started

    def _save(self, device: Device) -> None:
        state = (
            id(device.running),
            device.candidate.generation,
            device.journal.generation,
            hash((tuple(device.keys.items()), tuple(device.locks.held), *_counts(device))),
        )
        if state == self.saved:
            return
        before = self.saved or (0, -1, 0, 0)
        if before[:2] != state[:2]:
            self._write("candidate.xml", device.candidate.to_bytes())
        if before[0] != state[0]:
            self._write("running.xml", device.running.to_bytes())
        for version in device.versions:
            if not (self.folder / "versions" / f"{version.number}.xml").exists():
                self._write(f"versions/{version.number}.xml", version.xml)
        for name, xml in device.saved.items():
            self._write(f"saved/{storage.file_name(name)}", xml)
        for name, data in device.documents().items():
            if self.written.get(name) != data:
                self._write(name, data)
                self.written[name] = data
        self._write("state.json", json.dumps(_facts(device), indent=1).encode())
        self.saved = state

    def _write(self, name: str, data: bytes) -> None:
        storage.write(self.folder / name, data)

    def restore(self, device: Device) -> bool:
        """Bring a device back; say whether there was anything."""
        facts = self.folder / "state.json"
        if not facts.exists():
            return False
        running = (self.folder / "running.xml").read_bytes()
        device.running = Tree.from_bytes(running, is_slot)
        candidate = (self.folder / "candidate.xml").read_bytes()
        device.load_candidate(Tree.from_bytes(candidate, is_slot))
        found = json.loads(facts.read_text("utf-8"))
        for name in found.get("documents", ["pushed.xml"]):
            kept = self.folder / name
            if kept.exists():
                device.restore_document(name, kept.read_bytes())
        saved = self.folder / "saved"
        device.saved = {
            name: (saved / storage.file_name(name)).read_bytes() for name in found.get("saved", ())
        }
        self._restore_facts(device, found)
        return True

    def _restore_facts(self, device: Device, facts: dict[str, Any]) -> None:
        device.keys = dict(facts["keys"])
        device.restore_facts(facts)
        device.jobs.last_number = facts["last_job"]
        device.journal.last_id = facts["last_dirty_id"]
        device.journal.changes = [Change.load(each) for each in facts["changes"]]
        device.log.load(facts.get("log", ()))
        device.locks.held = [Lock(**each) for each in facts["locks"]]
        versions: list[Version] = []
        for each in facts["versions"]:
            xml = (self.folder / "versions" / f"{each['number']}.xml").read_bytes()
            versions.append(Version(xml=xml, **each))
        device.versions = versions


def _counts(device: Device) -> tuple[int, int]:
    return len(device.jobs.jobs), device.revision


def _facts(device: Device) -> dict[str, Any]:
    return {
        "keys": device.keys,
        **device.facts(),
        "documents": sorted(device.documents()),
        "last_job": device.jobs.last_number,
        "last_dirty_id": device.journal.last_id,
        "log": device.log.to_json(),
        "changes": [asdict(change) for change in device.journal.changes],
        "saved": sorted(device.saved),
        "locks": [asdict(lock) for lock in device.locks.held],
        "versions": [
            {
                "number": version.number,
                "admin": version.admin,
                "time": version.time,
                "description": version.description,
            }
            for version in device.versions
        ],
    }
