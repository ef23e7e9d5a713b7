"""A mock Panorama: what it is made of, and what happens to its firewalls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.faults import Request
from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.panorama.device import PanoramaDevice
from segctl_mocks.panos.served import ServedDevice, Serving
from segctl_mocks.panos.settings import LIMITS, Settings
from segctl_mocks.panos.tree import text_of, xpath_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl_mocks.panos.mock import PanosMock

_RULES = (("pre-rulebase", ""), ("security", ""), ("rules", ""))


class PanoramaMock(ServedDevice[PanoramaDevice]):
    """A mock Panorama on a loopback port; use it as a context manager.

    Its firewalls are mocks of their own: they listen only where they are started, too. `pairs` are
    the serial numbers of those that are highly available together.
    """

    def __init__(  # each is something a test sets
        self,
        name: str = "panorama1",
        config: bytes | None = None,
        *,
        firewalls: Iterable[PanosMock] = (),
        pairs: Iterable[tuple[str, str]] = (),
        hostname: str = "",
        serial: str = "000710000001",
        model: str = "Panorama",
        sw_version: str = "11.1.6",
        content_version: str = "8799-8509",
        users: Mapping[str, str] | None = None,
        job_seconds: float = 0.05,
        locks_gone_at_commit: Iterable[str] = ("commit",),
        limits: Mapping[str, int] | None = None,
        removed_applications: Iterable[str] = (),
        **serving: Unpack[Serving],
    ) -> None:
        settings = Settings(
            hostname=hostname or name,
            serial=serial,
            model=model,
            sw_version=sw_version,
            content_version=content_version,
            job_seconds=job_seconds,
            locks_gone_at_commit=frozenset(locks_gone_at_commit),
            limits={**LIMITS, **(limits or {})},
            removed_applications=frozenset(removed_applications),
        )
        device = PanoramaDevice(
            settings, users or {"admin": "pw"}, config, firewalls=firewalls, pairs=pairs
        )
        super().__init__(name, device, **serving)

    @property
    def firewalls(self) -> Mapping[str, PanosMock]:
        """The managed firewalls by serial number."""
        return self.device.firewalls

    def disconnect(self, serial: str) -> None:
        """Let a firewall lose its connection to Panorama."""
        with self._lock:
            self.device.unplugged.add(serial)
            self.device.revision += 1

    def reconnect(self, serial: str) -> None:
        """Let it find it again."""
        with self._lock:
            self.device.unplugged.discard(serial)
            self.device.revision += 1

    def push(self, group: str, *serials: str, admin: str = "other", xml: str = "") -> None:
        """Let another administrator push a device group at once, to all or to some firewalls.

        `xml` are more options of the push.

        Raises:
            ApiError: Panorama refuses it, or a firewall fails.
        """
        devices = "".join(f'<entry name="{serial}"/>' for serial in serials)
        inner = f"<devices>{devices}</devices>" if serials else ""
        cmd = (
            f'<commit-all><shared-policy><device-group><entry name="{group}">{inner}</entry>'
            f"</device-group>{xml}</shared-policy></commit-all>"
        )
        with self._lock:
            self.device.push_now(Request(type="commit", action="all", cmd=cmd, user=admin))
        self.save()

    def tamper(self) -> str:
        """Open the first pre-rule of a group that allows something, as a contractor; push it."""
        tree = self.device.running
        for group in groups.names(tree):
            entry = tree.at((*groups.place(groups.GROUP, group), *_RULES))
            for rule in entry if entry is not None else ():
                if text_of(rule.find("action")) != "allow":
                    continue
                name = rule.get("name") or ""
                self.edit(
                    "edit",
                    f"{xpath_of((*groups.place(groups.GROUP, group), *_RULES))}"
                    f"/entry[@name={name!r}]/application",
                    "<application><member>any</member></application>",
                    admin="contractor",
                    commit=True,
                )
                self.push(group, admin="contractor")
                return f"opens rule {name} of {group} to any application, and pushes it."
        return ""

    def push_all(self, admin: str = "setup") -> None:
        """Bring all connected firewalls in sync, group by group; failures stay failures."""
        for group in groups.names(self.device.running):
            if any(member.group == group for member in groups.members(self.device.running)):
                try:
                    self.push(group, admin=admin)
                except ApiError:
                    continue
