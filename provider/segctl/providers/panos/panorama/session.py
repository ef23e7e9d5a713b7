"""An open session with a Panorama about one device group: read, change and commit, push on.

A change is two steps: it is committed on Panorama, then pushed to firewalls. What is committed and
not pushed is told by the state that `read` finds, and the next run pushes it or takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.model.errors import ApplyError, DeviceError, LostLockError, ParseError, UnsupportedError
from segctl.providers.panos import names, references, refusals, version
from segctl.providers.panos.jobs import Commit
from segctl.providers.panos.panorama import members, templates
from segctl.providers.panos.panorama.parse import (
    GROUP,
    HIERARCHY,
    MEMBERS,
    PARENT,
    STANDING,
    children_of,
    parents_of,
)
from segctl.providers.panos.panorama.pushing import Pusher
from segctl.providers.panos.parse import COUNTED_KINDS
from segctl.providers.panos.session import SYSTEM, PanosSession, without_moving
from segctl.providers.panos.small import small
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.analysis.decide import Packet
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.state import Delivery
    from segctl.transports.target import Target

_HIERARCHY: Final = "<show><dg-hierarchy></dg-hierarchy></show>"
_GROUPS: Final = f"{names.DEVICE}/device-group"


class PanoramaSession(PanosSession):
    """One device group of one Panorama; read-only unless opened for writing."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        super().__init__(target, read_only=read_only, progress=progress)
        self._pusher = Pusher(
            client=self._client,
            target=target,
            jobs=self._jobs,
            place=self._place,
            progress=progress,
        )

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return the device group, what it inherits, and what its firewalls have of it.

        The number of requests grows with the groups around it and the templates of its firewalls,
        not with the number of firewalls or rules.
        """
        self._progress("reading")
        self._room, self._before = self._target.max_answer, b""
        system = self._get({"type": "op", "cmd": SYSTEM})
        told = xml(self._target, system)
        self._writer.version = told.findtext("result/system/sw-version") or ""
        if told.get("status") == "success":
            self._refuse_firewall(told.findtext("result/system/model") or "")
            version.check(self._target, self._writer.version)
        group = self._place.name
        parts = {
            "system": without_moving(system),
            "pending": self._get({"type": "op", "cmd": refusals.CHANGES}),
            GROUP: self._config("show", self._place.xpath),
            "shared": self._config("show", names.SHARED),
            "applications": self._config("get", "/config/predefined/application/entry/@name"),
            "containers": self._config("get", "/config/predefined/application-container"),
            HIERARCHY: self._get({"type": "op", "cmd": _HIERARCHY}),
            STANDING: self._get({"type": "op", "cmd": standing_command(group)}),
            MEMBERS: members.to_part(self._target.managed),
        }
        tree = small(self._target.name, HIERARCHY, parts[HIERARCHY])
        for parent in parents_of(tree, group):
            where = f"{_GROUPS}/entry[@name={names.quote(parent)}]"
            parts[PARENT + parent] = self._config("show", where)
        if below := children_of(tree, group):
            either = " or ".join(f"@name={names.quote(name)}" for name in below)
            parts[references.SYSTEMS] = self._config("get", f"{_GROUPS}/entry[{either}]")
        for kind in COUNTED_KINDS:
            parts[f"count {kind}"] = self._config("get", f"{self._place.all_of(kind)}/entry/@name")
        parts |= templates.ask(self._config, self._target.name, self._managed(parts).values())
        parts["locks"] = self._locks(system)
        document = Snapshot(
            host=self._target.name,
            user=self._target.user,
            scope=str(self._place.scope),
            parts=parts,
            limit=self._target.max_answer,
        ).dump()
        self._before = load(document).parts[GROUP]
        return document

    def _refuse_firewall(self, model: str) -> None:
        """Refuse a device that is not a Panorama.

        Source: pan-os-python tells one by its model, ``Panorama`` or ``M-…``.
        """
        if model != "Panorama" and not model.startswith("M-"):
            raise ParseError(
                self._target.name,
                f"the host that segctl_panorama names is a {model or 'device'}, not a Panorama: "
                "correct it, or its ansible_host",
            )

    def _managed(self, parts: Mapping[str, bytes]) -> dict[str, Firewall]:
        group = self._place.name
        held = members.read(small(self._target.name, STANDING, parts[STANDING]), group)
        return members.matched(self._target.name, group, self._target.managed, held)

    def decided_by(self, packet: Packet) -> str:
        """Refuse: only a firewall decides about packets.

        Raises:
            UnsupportedError: always.
        """
        del packet
        raise UnsupportedError(f"{self._target.name}: Panorama decides about no packet")

    # --- pushing on --------------------------------------------------------------------------

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What became of the latest push to each firewall."""
        return tuple(self._pusher.deliveries.values())

    def deliver(self) -> None:
        """Push to the firewalls asked about that do not enforce what the group holds.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        self._wire.refuse_write()
        self._holding.check()
        self._push_on(everyone=False, behind=True, doing="apply")

    def _commit(self, doing: str) -> None:
        """Commit this account's changes of the group, then push them on.

        A revert is pushed to every firewall that may hold what it takes back.
        """
        super()._commit(doing)
        self._refuse_left_over()
        self._push_on(everyone=doing == "revert", behind=doing == "revert", doing=doing)

    def _refuse_left_over(self) -> None:
        """Refuse a commit that is said to have succeeded and left changes of ours uncommitted.

        Raises:
            ApplyError: some are left in the group.
        """
        for owner, xpath in refusals.pending(self._client):
            if owner == self._target.user and xpath.startswith(self._place.xpath):
                raise ApplyError(
                    self._target.name,
                    f"says that the commit succeeded, and still has a change of this account that "
                    f"is not committed ({xpath})",
                )

    def _push_on(self, *, everyone: bool, behind: bool, doing: str) -> None:
        """Push to firewalls; what fails is recorded, for it is committed all the same.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        text = str(Commit(doing=doing, token=self._token, plan=self._run.plan_id))
        asked = {one.name for one in self._target.managed if one.asked or everyone}
        try:
            answer = self._ask({"type": "op", "cmd": standing_command(self._place.name)})
            found = self._managed({STANDING: answer})
            wanted = {
                name: one
                for name, one in found.items()
                if name in asked and not (behind and one.in_sync)
            }
            self._pusher.push(wanted, text, version.numbers(self._writer.version))
        except LostLockError:
            raise
        except DeviceError as error:
            self._progress(f"committed, but pushed to no firewall: {error.message}")


def standing_command(group: str) -> str:
    """Return the command that lists the firewalls of a device group."""
    return f"<show><devicegroups><name>{group}</name></devicegroups></show>"
