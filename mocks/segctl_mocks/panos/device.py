"""A firewall as a state machine: its own configuration, and what a Panorama pushed to it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segctl_mocks.panos import baseline, content, enforcement, monitoring, reports, schema
from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.appliance import Device
from segctl_mocks.panos.effective import owner, shown
from segctl_mocks.panos.pushed import Pushed, object_of, taken_from
from segctl_mocks.panos.references import DEVICE, References, vsys_of
from segctl_mocks.panos.runtime import Runtime
from segctl_mocks.panos.tree import Tree, key_of, parse, text_of
from segctl_mocks.panos.units import CREATE, Touch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl_mocks.panos.answers import Answer
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.ha import Room
    from segctl_mocks.panos.jobs import Clock
    from segctl_mocks.panos.journal import Change
    from segctl_mocks.panos.references import Scope
    from segctl_mocks.panos.settings import Settings
    from segctl_mocks.panos.traffic.store import Traffic
    from segctl_mocks.panos.tree import Element, Path

#: In which version of a release asking for hit counts no longer deadlocks: patch and hotfix.
_MENDED = {(10, 1): (12, 0), (10, 2): (7, 0), (11, 1): (1, 0)}


def deadlocks(sw_version: str) -> bool:
    """Whether asking a version for hit counts can hang it (release note PAN-236605).

    10.1.10 was mended by its hotfix 5. What is not of a release in the note is not known to hang.
    """
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:-h(\d+))?", sw_version)
    if found is None:
        return False
    major, minor, patch, hotfix = (int(part or 0) for part in found.groups())
    mended = _MENDED.get((major, minor))
    if mended is None or ((major, minor, patch) == (10, 1, 10) and hotfix >= 5):
        return False
    return (patch, hotfix) < mended


class PanosDevice(Device):
    """A firewall."""

    platform = schema.FIREWALL
    commands = enforcement.COMMANDS

    def __init__(
        self,
        settings: Settings,
        users: Mapping[str, str],
        config: bytes | None = None,
        clock: Clock = time.time,
        *,
        pushed: Sequence[bytes] = (),
    ) -> None:
        document = config or baseline.factory(settings.hostname, settings.sw_version, tuple(users))
        root = parse(document)
        self.pushed = taken_from(root, pushed, settings.release)
        self.hits: dict[str, int] = {}
        self.resets: dict[str, int] = {}
        self.sessions: list[Mapping[str, str]] = []
        self.cleared_all = 0
        self.runtime = Runtime()
        self._asked_for_hits = 0
        self.room: Room | None = None
        self._shown: Tree | None = None
        self._shown_of = (self.pushed, -1)
        super().__init__(settings, users, root, clock)

    def hangs(self, request: Request) -> bool:
        """Whether the management plane hangs since hit counts were asked for.

        The release note (PAN-236605) says that asking can deadlock; here the second time does.
        """
        if request.cmd.startswith("<show><rule-hit-count") and deadlocks(self.settings.sw_version):
            self._asked_for_hits += 1
        return self._asked_for_hits > 1

    def settle(self) -> None:
        """End the jobs whose time is over, those of the peer first."""
        if self.room is not None:
            self.room.settle()
        super().settle()

    def refuse(self, request: Request) -> None:
        """Refuse what a member of a pair does not take now."""
        if self.room is not None:
            self.room.count()
            self.room.refuse(self, request)

    def registered(self) -> None:
        """Send registered addresses to the peer, if there is one."""
        if self.room is not None:
            self.room.share_tags(self)

    def committed(self, changes: Sequence[Change]) -> None:
        """Send what was committed to the peer, if there is one."""
        super().committed(changes)
        if self.room is not None:
            self.room.committed(self)

    def export(self, params: Mapping[str, str]) -> Answer:
        """Return a raw document; a firewall also exports its whole state."""
        if params.get("category") == "device-state":
            return monitoring.device_state(self)
        return super().export(params)

    def update_content(self, version: str, removed: frozenset[str], added: Sequence[str]) -> None:
        """Have other predefined applications; what the configuration names stays."""
        self.settings = replace(
            self.settings,
            content_version=version,
            removed_applications=self.settings.removed_applications | removed,
        )
        self.predefined = content.with_applications(
            content.predefined(self.settings.removed_applications), added
        )
        self.references.content_changed(self.predefined)

    def references_of(self, tree: Tree) -> References:
        """Return what resolves names, also those of what a Panorama pushed."""
        return References(tree, self.predefined, self._pushed_names, beyond=self._of_template)

    def _of_template(self, path: Path) -> Element | None:
        return None if self.pushed.template is None else Tree(self.pushed.template).at(path)

    def _pushed_names(self, scope: Scope, tags: Path) -> frozenset[str]:
        return self.pushed.names(vsys_of(scope), tags)

    def shown(self) -> Tree:
        """Return the candidate, with the values of templates where there are any."""
        if self.pushed.template is None:
            return self.candidate
        (known, generation), now = self._shown_of, self.candidate.generation
        if self._shown is None or known is not self.pushed or generation != now:
            self._shown = shown(self.candidate, self.pushed)
            self._shown_of = (self.pushed, now)
        return self._shown

    @property
    def has_foreign(self) -> bool:
        """Whether templates gave it something."""
        return self.pushed.template is not None

    def refuse_foreign(self, action: str, path: Path) -> None:
        """Refuse to change an object of a template (measured on 11.x)."""
        name = owner(self.candidate, self.pushed, path)
        if name:
            text = f"{action} failed, may need to override template object {name} first"
            raise ApiError("13", text)

    def override(self, path: Path, entry: Element) -> list[Touch]:
        """Put an object of the device's own in place of a template's (measured on 11.x)."""
        place = (*path, key_of(entry))
        if not owner(self.candidate, self.pushed, place):
            return super().override(path, entry)
        node = self.candidate.root
        for key in path:
            found = self.candidate.child(node, key)
            node = found if found is not None else self.candidate.new_child(node, key)
        self.candidate.attach(node, entry)
        return [Touch(CREATE, place)]

    def besides(self, path: str) -> Tree:
        """Return what ``get`` reads that is not the device's own, also what was pushed."""
        return self.pushed.tree() if path.startswith("/config/panorama") else super().besides(path)

    def facts(self) -> dict[str, Any]:
        """Return the hit counts, and the sums of what was pushed."""
        return {
            "hits": self.hits,
            "resets": self.resets,
            "stamps": self.pushed.stamps,
            "contexts": self.pushed.contexts,
        }

    def restore_facts(self, facts: Mapping[str, Any]) -> None:
        """Bring them back."""
        self.hits = dict(facts["hits"])
        self.resets = dict(facts.get("resets", {}))
        self.pushed.stamps = dict(facts.get("stamps", {}))
        self.pushed.contexts = dict(facts.get("contexts", {}))

    def documents(self) -> Mapping[str, bytes]:
        """Return what was pushed."""
        return {"pushed.xml": self.pushed.documents} if self.pushed else {}

    def restore_document(self, name: str, data: bytes) -> None:
        """Bring it back, unless something else was put there."""
        if name == "pushed.xml" and not self.pushed:
            self.pushed = Pushed.read([data])

    def object_of(self, kind: str, name: str, vsys: str) -> Element | None:
        """Return what a name means in the rules of a virtual system."""
        return object_of(self.running, self.pushed, vsys, kind, name)

    def systems(self) -> dict[str, str]:
        """Return the display names of the virtual systems by their names."""
        container = self.running.at((*DEVICE, ("vsys", "")))
        found = {} if container is None else self.running.entries(container)
        return {name: text_of(entry.find("display-name")) or name for name, entry in found.items()}

    def adopt(self, own: Tree, *, whole: bool) -> None:
        """Let a configuration run that a push brought about; the whole candidate or only running.

        What of the device's own gave way to templates gives way in the candidate, too.
        """
        if whole:
            self.load_candidate(own.clone())
            self.journal.forget(self.journal.by(None))
        self.running = own

    def adopt_traffic(self, traffic: Traffic) -> None:
        """Answer from a traffic file from now on: logs, reports, hit counts and sessions."""
        self.traffic = traffic.own()
        self.sessions = list(traffic.sessions)

    def clear_hits(self) -> None:
        """Let every rule start to count again, and say since when."""
        self.revision += 1
        self.hits.clear()
        now = int(self.clock())
        for system in self.systems():
            for rule in reports.enforced(self, system):
                self.resets[rule.get("uuid") or rule.get("name") or ""] = now
        self.resets |= dict.fromkeys(("intrazone-default", "interzone-default"), now)

    def set_hits(self, rule: str, count: int, vsys: str) -> None:
        """Set the hit count of a running rule."""
        self.revision += 1
        for entry in reports.enforced(self, vsys):
            if entry.get("name") == rule:
                self.hits[entry.get("uuid") or rule] = count
                return
        self.hits[rule] = count
