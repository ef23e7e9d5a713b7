"""High availability of two firewalls: who is active, what they tell, and configuration sync.

Shapes of answers are recorded on a PA-VM 10.0.9 (show high-availability state). Names of states
beyond ``active`` and ``passive`` are the vendor's; so is the kind of the job, ``HA-Sync``, which no
recording has. Not recorded either, and assumed: a member takes what its peer commits as running
*and* candidate, so that what was uncommitted there is lost, and a passive member's own commit goes
to the active one as well.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.sax.saxutils import escape

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.faults import SYNC, Request
from segctl_mocks.panos.jobs import Outcome
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import Tree, serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.tree import Path

ACTIVE_PASSIVE, ACTIVE_ACTIVE = "Active-Passive", "Active-Active"
#: The states of the two members when nothing is wrong, the leading one first.
STATES = {
    ACTIVE_PASSIVE: ("active", "passive"),
    ACTIVE_ACTIVE: ("active-primary", "active-secondary"),
}
JOB = "HA-Sync"
_DISABLED = "<enabled>no</enabled><local-info><encrypt-imported>no</encrypt-imported></local-info>"
_FAILED = "Failed to synchronize running configuration with HA peer"
_BUSY = "Another sync is in progress. Please try again later"
_QUEUED = (
    "HA synchronization job has been queued on peer. Please check job status on peer."  # 7.1 on
)
_DECK: Path = (*DEVICE, ("deviceconfig", ""))
_SETTINGS: Path = (*_DECK, ("high-availability", ""))
#: What each member keeps to itself; the rest of the configuration is synchronized.
_OWN: tuple[Path, ...] = (
    _SETTINGS,
    *(
        (*_DECK, ("system", ""), (tag, ""))
        for tag in (
            "hostname",
            "ip-address",
            "netmask",
            "default-gateway",
            "ipv6-address",
            "ipv6-default-gateway",
        )
    ),
)


@dataclass(slots=True, eq=False)
class Member:
    """One firewall of a pair, as the two know each other."""

    device: PanosDevice
    state: str
    since: float
    priority: int
    error_state: str = ""
    error_reason: str = ""
    up: bool = True
    compared: tuple[Tree, bytes] | None = None

    def enter(self, state: str) -> None:
        """Change the state now."""
        if self.state != state:
            self.state = state
            self.since = self.device.clock()

    @property
    def leads(self) -> bool:
        """Whether it is the one that is active, or the primary of two that are."""
        return self.state in {"active", "active-primary"}

    @property
    def enabled(self) -> bool:
        """Whether its running configuration turns high availability on."""
        return text_of(self.device.running.at((*_SETTINGS, ("enabled", "")))) == "yes"

    @property
    def syncs(self) -> bool:
        """Whether its running configuration leaves configuration synchronization on."""
        settings = self.device.running.at(_SETTINGS)
        found = None if settings is None else settings.find(".//configuration-synchronization")
        return found is None or text_of(found.find("enabled")) != "no"

    def synced(self) -> bytes:
        """Return the part of the running configuration that both members hold alike."""
        running = self.device.running
        if self.compared is None or self.compared[0] is not running:
            self.compared = (running, _without_own(running))
        return self.compared[1]


class Room:
    """Two firewalls that know of each other; no sockets and no threads."""

    def __init__(self, first: PanosDevice, second: PanosDevice, mode: str = ACTIVE_PASSIVE) -> None:
        self.mode = mode
        self.link = True
        self.tags = True
        self.sync_seconds = 0.0
        self.requests_left: int | None = None
        self.members = tuple(
            Member(device, state, device.clock(), priority)
            for device, state, priority in zip(
                (first, second), STATES[mode], (90, 100), strict=True
            )
        )
        for member in self.members:
            member.device.room = self

    def of(self, device: PanosDevice) -> tuple[Member, Member]:
        """Return a device as a member, and its peer."""
        first, second = self.members
        return (first, second) if first.device is device else (second, first)

    @property
    def leading(self) -> tuple[Member, ...]:
        """The members that are active, or primary: one, unless something is wrong."""
        return tuple(member for member in self.members if member.up and member.leads)

    @property
    def talking(self) -> bool:
        """Whether the members reach each other."""
        return self.link and all(member.up and member.enabled for member in self.members)

    def settle(self) -> None:
        """End the jobs of both members whose time is over."""
        for member in self.members:
            if member.up:
                member.device.jobs.settle()

    # -- roles --------------------------------------------------------------------

    def fail_over(self) -> None:
        """Let the two members change places."""
        first, second = self.members
        before = first.state, second.state
        first.enter(before[1])
        second.enter(before[0])

    def suspend(self, device: PanosDevice, reason: str = "User requested") -> None:
        """Take a member out of service; its peer takes over."""
        member, peer = self.of(device)
        member.enter("suspended")
        member.error_state, member.error_reason = "suspended", reason
        self._take_over(peer)

    def make_functional(self, device: PanosDevice) -> None:
        """Put a suspended member back: behind its peer if that leads."""
        member, peer = self.of(device)
        lead, follow = STATES[self.mode]
        member.enter(follow if self.link and peer.up and peer.leads else lead)

    def lose(self, device: PanosDevice) -> None:
        """Turn a member off; its peer takes over."""
        member, peer = self.of(device)
        member.up = False
        self._take_over(peer)

    def regain(self, device: PanosDevice) -> None:
        """Turn a member on again; it does not preempt, and nothing is synchronized by itself."""
        member, _ = self.of(device)
        member.up = True
        self.make_functional(device)

    def cut(self) -> None:
        """Cut the links between the members: each thinks that the other is gone."""
        self.link = False
        for member in self.members:
            self._take_over(member)

    def join(self) -> None:
        """Mend the links: the member of the lower priority leads, as the vendor's election has it.

        A member that is suspended stays so.
        """
        self.link = True
        able = [member for member in self.members if member.up and member.state != "suspended"]
        for member, state in zip(
            sorted(able, key=lambda one: one.priority), STATES[self.mode], strict=False
        ):
            member.enter(state)

    def _take_over(self, member: Member) -> None:
        if member.up and member.state != "suspended":
            member.enter(STATES[self.mode][0])

    # -- configuration sync -------------------------------------------------------

    @property
    def syncing(self) -> bool:
        """Whether a synchronization runs."""
        return any(job.kind == JOB for one in self.members for job in one.device.jobs.active)

    def running_sync(self) -> str:
        """Say what ``running-sync`` is."""
        if self.syncing:
            return "synchronization in progress"  # the word that pan-os-python waits on
        first, second = self.members
        alike = self.talking and first.synced() == second.synced()
        return "synchronized" if alike else "not synchronized"

    def committed(self, device: PanosDevice) -> None:
        """Send what a member has just committed to its peer, where that is configured."""
        member, peer = self.of(device)
        if self.talking and member.syncs and peer.syncs:
            self._send(member, peer, "<commit>")

    def request_sync(self, device: PanosDevice) -> str:
        """Send a member's running configuration to its peer; return what the device says."""
        self.settle()
        member, peer = self.of(device)
        if not member.enabled:
            raise ApiError("", "HA is not enabled")
        request = Request(type="op", cmd="<sync-to-remote>")
        busy = device.faults.take(frozenset({"sync_busy"}), request) is not None
        if busy or self.syncing:
            raise ApiError("", _BUSY)
        if not self.talking:
            raise ApiError("", f"{_FAILED}: peer is not connected")
        self._send(member, peer, request.cmd)
        return _QUEUED

    def _send(self, member: Member, peer: Member, cause: str) -> None:
        fault = member.device.faults.take(SYNC, Request(type="op", cmd=cause))
        kind = fault.kind if fault is not None else ""
        if kind == "sync_never":
            return
        running = member.device.running

        def work() -> Outcome:
            if kind == "sync_fails" or not self.talking:
                return Outcome(ok=False, details=(_FAILED,))
            _take(peer.device, running)
            return Outcome(ok=True, details=("Configuration committed successfully",))

        seconds = fault.number("seconds", self.sync_seconds) if fault else self.sync_seconds
        stuck = kind == "sync_stuck"
        peer.device.jobs.submit(JOB, "", "", seconds, work, stuck=stuck)

    def align(self) -> None:
        """Give the second member what the first one holds, as at the beginning of a pair."""
        first, second = (member.device for member in self.members)
        if self.running_sync() != "synchronized":
            _take(second, first.running)
            second.start_over()

    def part(self, device: PanosDevice) -> None:
        """Give a member's rules identities of its own, as members have that were never in sync."""
        tree = device.running.clone()
        for rule in tree.root.iter("entry"):
            if rule.get("uuid"):
                tree.set_attribute(rule, "uuid", str(uuid4()))
        device.running = tree
        device.load_candidate(tree.clone())
        device.remember("", "own identities of rules")

    # -- what a member says -------------------------------------------------------

    def state(self, device: PanosDevice) -> str:
        """Write ``show high-availability state`` of a member."""
        self.settle()
        member, peer = self.of(device)
        if not member.enabled:
            return _DISABLED
        heard = _common(peer) if self.talking else {"state": "unknown"}
        return _document(
            self.mode,
            _local(member, self.mode),
            heard,
            link="up" if self.talking else "down",
            sync=self.running_sync(),
            syncs=member.syncs,
        )

    def count(self) -> None:
        """Count a request to either member; fail over before the one that was asked for."""
        if self.requests_left is None:
            return
        self.requests_left -= 1
        if self.requests_left < 0:
            self.requests_left = None
            self.fail_over()

    def share_tags(self, device: PanosDevice) -> None:
        """Let the peer of a member that leads have its registered addresses, if that is on.

        That they are synchronized is expected and not recorded: a test may turn it off.
        """
        member, peer = self.of(device)
        if self.tags and member.leads and peer.up and self.link:
            given, own = device.userid, peer.device.userid
            own.registered = {name: dict(tags) for name, tags in given.registered.items()}
            own.forgotten = set(given.forgotten)

    def refuse(self, device: PanosDevice, request: Request) -> None:
        """Refuse what a member that is not active does not do (error 15, by the API guide).

        Which requests these are is not recorded; mappings of users come to the active member.
        """
        member, _ = self.of(device)
        if member.enabled and request.type == "user-id" and not member.state.startswith("active"):
            raise ApiError("15", f"Operation denied: this device is {member.state}")


def lone_state(device: PanosDevice) -> str:
    """Write ``show high-availability state`` of a firewall whose peer nobody has made."""
    own = device.settings
    if not own.ha:
        return _DISABLED
    member = Member(device, own.ha, device.booted, 100)
    other = STATES[ACTIVE_PASSIVE][own.ha == "active"]
    peer = _common(member) | {"state": other, "mgmt-ip": "127.0.0.2/8"}
    sync = "synchronized" if own.ha_synchronized else "not synchronized"
    local = _local(member, ACTIVE_PASSIVE)
    return _document(ACTIVE_PASSIVE, local, peer, link="up", sync=sync, syncs=True)


def _document(
    mode: str,
    local: Mapping[str, str],
    peer: Mapping[str, str],
    *,
    link: str,
    sync: str,
    syncs: bool,
) -> str:
    channel = {"conn-status": link, "conn-primary": "yes", "conn-desc": "heartbeat status"}
    return (
        f"<enabled>yes</enabled><group><mode>{mode}</mode>"
        f"<local-info>{_elements(local)}</local-info>"
        f"<peer-info>{_elements({**peer, 'conn-status': link, 'mode': mode})}"
        f"<conn-ha1>{_elements(channel)}</conn-ha1></peer-info>"
        "<link-monitoring><failure-condition>any</failure-condition><enabled>yes</enabled>"
        "<groups/></link-monitoring><path-monitoring><virtual-wire/>"
        "<failure-condition>any</failure-condition><enabled>yes</enabled><vlan/>"
        "<virtual-router/></path-monitoring>"
        f"<running-sync>{sync}</running-sync>"
        f"<running-sync-enabled>{'yes' if syncs else 'no'}</running-sync-enabled></group>"
    )


def settings(peer: PanosDevice, mode: str) -> str:
    """Return high-availability settings of a member, which name its peer's address."""
    kind = mode.lower()
    return (
        "<high-availability><enabled>yes</enabled><group><group-id>1</group-id>"
        f"<peer-ip>{escape(peer.settings.ip_address)}</peer-ip>"
        f"<mode><{kind}/></mode>"
        "<configuration-synchronization><enabled>yes</enabled></configuration-synchronization>"
        "</group></high-availability>"
    )


def equip(device: PanosDevice, peer: PanosDevice, mode: str) -> None:
    """Give a device its own address, and settings of a pair where it has none."""
    system = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig"
    own = device.settings
    change = device.configurator.change
    names = f"<hostname>{escape(own.hostname)}</hostname>"
    names += f"<ip-address>{escape(own.ip_address)}</ip-address>"
    change("set", {"xpath": f"{system}/system", "element": names}, "setup")
    if device.candidate.at(_SETTINGS) is None:
        change("set", {"xpath": system, "element": settings(peer, mode)}, "setup")
    device.start_over()


def _take(device: PanosDevice, running: Tree) -> None:
    """Make another's running configuration a device's own, but for what it keeps to itself."""
    tree = running.clone()
    for path in _OWN:
        there, own = tree.at(path), device.running.at(path)
        parent = tree.at(path[:-1])
        if there is not None and own is not None:
            tree.replace(there, copy.deepcopy(own))
        elif there is not None:
            tree.detach(there)
        elif own is not None and parent is not None:
            tree.attach(parent, copy.deepcopy(own))
    device.running = tree
    device.load_candidate(tree.clone())
    device.journal.forget(device.journal.by(None))
    device.remember("", "HA configuration synchronization")


def _without_own(running: Tree) -> bytes:
    tree = running.clone()
    for path in _OWN:
        node = tree.at(path)
        if node is not None:
            tree.detach(node)
    return serialize(tree.root)


def _common(member: Member) -> dict[str, str]:
    own = member.device.settings
    return {
        "app-version": own.content_version,
        "gpclient-version": "Not Installed",
        "build-rel": own.sw_version,
        "url-version": "0000.00.00.000",
        "platform-model": own.model,
        "vm-license": "vm50",
        "priority": str(member.priority),
        "state": member.state,
        "version": "1",
        "last-error-reason": member.error_reason,
        "iot-version": "44-316",
        "av-version": "0",
        "vpnclient-version": "Not Installed",
        "mgmt-ip": f"{own.ip_address}/24",
        "threat-version": own.content_version,
        "vm-license-type": "vm50",
        "state-duration": str(int(member.device.clock() - member.since)),
        "ha1-ipaddr": own.ip_address,
        "mgmt-ipv6": "",
        "last-error-state": member.error_state,
        "preemptive": "no",
        "VMS": "2.1.4",
        "DLP": "1.0.3",
    }


def _local(member: Member, mode: str) -> Mapping[str, str]:
    kinds = ("url", "av", "vpnclient", "threat", "gpclient", "vm-license", "build", "iot", "app")
    return _common(member) | {
        "ha1-ipaddr": f"{member.device.settings.ip_address}/24",
        "ha1-gateway": member.device.settings.ip_address,
        "ha1-port": "management",
        "ha1-encrypt-imported": "no",
        "ha1-encrypt-enable": "no",
        "ha1-link-mon-intv": "3000",
        "monitor-fail-holdup": "0",
        "preempt-hold": "1",
        "promotion-hold": "2000",
        "addon-master-holdup": "500",
        "heartbeat-interval": "2000",
        "hello-interval": "8000",
        "preempt-flap-cnt": "0",
        "nonfunc-flap-cnt": "0",
        "max-flaps": "3",
        "state-sync": "Complete",
        "mode": mode,
        "VMS": "Match",
        "DLP": "Match",
        **{f"{kind}-compat": "Match" for kind in kinds},
    }


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in values.items())
