"""A mock PAN-OS firewall: what it is made of, and what others do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from segctl_mocks.panos import autotag
from segctl_mocks.panos.device import PanosDevice
from segctl_mocks.panos.pushed import Pushed, server
from segctl_mocks.panos.served import ServedDevice, Serving
from segctl_mocks.panos.settings import LIMITS, Settings
from segctl_mocks.panos.tree import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from segctl_mocks.panos.traffic.store import Traffic


class PanosMock(ServedDevice[PanosDevice]):
    """A mock firewall on a loopback port; use it as a context manager."""

    def __init__(  # each is something a test sets
        self,
        name: str = "fw1",
        config: bytes | None = None,
        *,
        hostname: str = "",
        ip_address: str = "127.0.0.1",
        serial: str = "007000001222",
        model: str = "PA-VM",
        sw_version: str = "11.1.6",
        content_version: str = "8799-8509",
        users: Mapping[str, str] | None = None,
        multi_vsys: bool = False,
        job_seconds: float = 0.05,
        locks_gone_at_commit: Iterable[str] = ("commit",),
        ha: str = "",
        ha_synchronized: bool = True,
        limits: Mapping[str, int] | None = None,
        removed_applications: Iterable[str] = (),
        pushed: Iterable[bytes] = (),
        traffic: Traffic | None = None,
        **serving: Unpack[Serving],
    ) -> None:
        settings = Settings(
            hostname=hostname or name,
            ip_address=ip_address,
            serial=serial,
            model=model,
            sw_version=sw_version,
            content_version=content_version,
            multi_vsys=multi_vsys,
            ha=ha,
            ha_synchronized=ha_synchronized,
            job_seconds=job_seconds,
            locks_gone_at_commit=frozenset(locks_gone_at_commit),
            limits={**LIMITS, **(limits or {})},
            removed_applications=frozenset(removed_applications),
        )
        device = PanosDevice(settings, users or {"admin": "pw"}, config, pushed=tuple(pushed))
        if traffic is not None:
            device.adopt_traffic(traffic)
        super().__init__(name, device, **serving)

    def set_hits(self, rule: str, count: int, vsys: str = "vsys1") -> None:
        """Set the hit count of a running rule; it stays with the rule's uuid."""
        with self._lock:
            self.device.set_hits(rule, count, vsys)

    def fetch(self, name: str, *addresses: str, invalid: int = 0) -> None:
        """Let a list that the firewall fetches hold these now; some lines of it are not valid."""
        with self._lock:
            self.device.runtime.lists[name] = addresses
            self.device.runtime.invalid[name] = invalid

    def resolve(self, host: str, *addresses: str) -> None:
        """Let the firewall find these addresses when it looks a name up."""
        with self._lock:
            self.device.runtime.hosts[host] = addresses

    def group(self, name: str, *users: str) -> None:
        """Let a group of users have these."""
        with self._lock:
            self.device.runtime.groups[name] = users

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Stop serving.

        Raises:
            AssertionError: somebody ended all sessions of the firewall, without any filter.
        """
        super().__exit__(kind, error, trace)
        if self.device.cleared_all:
            message = f"{self.name}: all sessions were cleared, without a filter"
            raise AssertionError(message) from error

    def connect_session(self, **fields: str) -> None:
        """Let the firewall have a session with these fields, as ``show session all`` names them."""
        with self._lock:
            self.device.sessions.append(fields)

    def register(self, address: str, *tags: str) -> None:
        """Let an address have these tags, and no others, until the firewall restarts."""
        with self._lock:
            self.device.userid.registered[address] = dict.fromkeys(tags)

    def log(self, entry: Mapping[str, str]) -> None:
        """Let the firewall log an entry now: the newest, named as in a traffic file.

        Raises:
            ValueError: it answers from no traffic file.
        """
        with self._lock:
            if self.device.traffic is None:
                message = f"{self.name} answers from no traffic file"
                raise ValueError(message)
            self.device.traffic.arrive(entry)

    def threat(self, **fields: str) -> tuple[str, ...]:
        """Let the firewall log a threat now, and do what its match lists say.

        Return the names of the match lists that it matched; fields are named as in the log.
        """
        entry = {"type": "THREAT", "vsys": "vsys1", **fields}
        with self._lock:
            if self.device.traffic is not None:
                self.device.traffic.arrive(entry)
            return autotag.tag(self.device, entry)

    def push(self, *documents: bytes) -> None:
        """Let a Panorama push this instead of what it pushed before: answers of such a firewall.

        The firewall's own settings name that Panorama, unless those of the template do.

        Raises:
            ValueError: one is not such an answer.
        """
        with self._lock:
            pushed = Pushed.read(documents)
            self.device.pushed = pushed
        if pushed.names_server:
            return
        system = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/system"
        self.edit("set", system, server(self.settings.release), admin="panorama", commit=True)

    def tamper(self) -> str:
        """Open the first rule that allows something to any application, as a contractor; say so."""
        root = parse(self.running())
        for vsys in root.iterfind("devices/entry/vsys/entry"):
            for rule in vsys.iterfind("rulebase/security/rules/entry"):
                if rule.findtext("action") == "allow":
                    name = rule.get("name", "")
                    self.edit(
                        "edit",
                        f"/config/devices/entry/vsys/entry[@name={vsys.get('name')!r}]"
                        f"/rulebase/security/rules/entry[@name={name!r}]/application",
                        "<application><member>any</member></application>",
                        admin="contractor",
                        commit=True,
                    )
                    return f"opens rule {name} to any application."
        return ""

    def update_content(
        self, version: str, *, removed: Iterable[str] = (), added: Iterable[str] = ()
    ) -> None:
        """Install other content, without some applications and with others.

        The configuration stays as it is, whatever it names.
        """
        with self._lock:
            self.device.update_content(version, frozenset(removed), tuple(added))
