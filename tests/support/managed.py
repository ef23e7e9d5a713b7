"""Mock firewalls behind a mock Panorama, without sockets, for tests to ask and change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from segctl_mocks import PanoramaMock, PanosMock

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
VSYS = f"{DEVICE}/vsys/entry[@name='vsys1']"
SHARED = "/config/shared"
RULES = "pre-rulebase/security/rules"
POST_RULES = "post-rulebase/security/rules"
FIRST, SECOND = "007000000001", "007000000002"
ZONES = "".join(
    f'<entry name="{zone}"><network><layer3><member>ethernet1/{number}</member></layer3></network>'
    "</entry>"
    for number, zone in enumerate(("trust", "untrust"), start=1)
)
PORTS = "".join(f'<entry name="ethernet1/{number}"><layer3/></entry>' for number in range(1, 9))
IMPORTS = "".join(f"<member>ethernet1/{number}</member>" for number in range(1, 9))


def group(name: str) -> str:
    """Return the xpath of a device group."""
    return f"{DEVICE}/device-group/entry[@name='{name}']"


def template(name: str, kind: str = "template") -> str:
    """Return the xpath of a template."""
    return f"{DEVICE}/{kind}/entry[@name='{name}']"


def inside(name: str, kind: str = "template") -> str:
    """Return the xpath of the device that a template describes."""
    return f"{template(name, kind)}/config/devices/entry[@name='localhost.localdomain']"


def address(name: str, value: str) -> str:
    """Return an address."""
    return f'<entry name="{name}"><ip-netmask>{value}</ip-netmask></entry>'


def rule(
    name: str,
    source: str = "any",
    *,
    enter: str = "trust",
    leave: str = "untrust",
    application: str = "any",
    action: str = "allow",
    more: str = "",
) -> str:
    """Return a security rule."""
    lists = {"from": enter, "to": leave, "source": source, "destination": "any"}
    lists |= {"application": application, "service": "any"}
    text = "".join(f"<{tag}><member>{word}</member></{tag}>" for tag, word in lists.items())
    return f'<entry name="{name}">{text}<action>{action}</action>{more}</entry>'


def aimed(*serials: str, negate: bool = False) -> str:
    """Return the target of a rule."""
    devices = "".join(f'<entry name="{serial}"/>' for serial in serials)
    word = "yes" if negate else "no"
    return f"<target><devices>{devices}</devices><negate>{word}</negate></target>"


def push_of(name: str, inner: str = "", options: str = "") -> str:
    """Return a push of a device group."""
    entry = f'<entry name="{name}">{inner}</entry>'
    group_of = f"<device-group>{entry}</device-group>"
    return f"<commit-all><shared-policy>{group_of}{options}</shared-policy></commit-all>"


def firewall(
    name: str = "fw-a", serial: str = FIRST, *, zones: str = ZONES, **more: Any
) -> PanosMock:
    """Return a firewall with eight ports and two zones."""
    more.setdefault("job_seconds", 0.0)
    mock = PanosMock(name, serial=serial, users={"admin": "pw", "bob": "pw"}, **more)
    mock.edit("set", f"{DEVICE}/network/interface/ethernet", PORTS, admin="admin")
    mock.edit("set", f"{VSYS}/import/network/interface", IMPORTS, admin="admin", commit=True)
    if zones:
        mock.edit("set", f"{VSYS}/zone", zones, admin="admin", commit=True)
    return mock


@dataclass(frozen=True, slots=True)
class Managed:
    """A Panorama and its firewalls."""

    panorama: PanoramaMock
    first: PanosMock
    second: PanosMock

    def ask(self, user: str = "admin", **params: str) -> Any:
        """Send parameters, get the parsed answer."""
        return self._parsed({**params, "key": self.panorama.key(user)})

    def _parsed(self, params: Mapping[str, str]) -> Any:
        return etree.fromstring(self.panorama.handle(params).content())

    def config(self, action: str, xpath: str, element: str = "", **more: str) -> Any:
        """Send a request of type=config."""
        return self.ask(type="config", action=action, xpath=xpath, element=element, **more)

    def put(self, xpath: str, element: str, **more: str) -> None:
        """Set something, which must succeed."""
        answer = self.config("set", xpath, element, **more)
        assert answer.get("status") == "success", etree.tostring(answer)

    def op(self, cmd: str, **more: str) -> Any:
        """Send a command."""
        return self.ask(type="op", cmd=cmd, **more)

    def job(self, number: str) -> Any:
        """Return a job."""
        return self.op(f"<show><jobs><id>{number}</id></jobs></show>").find("result/job")

    def done(self, **params: str) -> Any:
        """Send something that queues a job; return the job."""
        answer = self.ask(**params)
        number = answer.findtext("result/job")
        assert number, etree.tostring(answer)
        return self.job(number)

    def commit(self, cmd: str = "<commit/>", user: str = "admin") -> Any:
        """Commit on Panorama; return the job."""
        return self.done(user=user, type="commit", cmd=cmd)

    def push(self, cmd: str = "", user: str = "admin") -> Any:
        """Push to firewalls; return the job."""
        return self.done(user=user, type="commit", action="all", cmd=cmd or push_of("plant"))

    def pushed(self, mock: PanosMock, vsys: str = "vsys1") -> Any:
        """Return what a firewall says was pushed to it."""
        cmd = f"<vsys>{vsys}</vsys>"
        cmd = f"<show><config><pushed-shared-policy>{cmd}</pushed-shared-policy></config></show>"
        params = {"type": "op", "cmd": cmd, "key": mock.key()}
        return etree.fromstring(mock.handle(params).content()).find("result")


def managed(*, own: str = "", **more: Any) -> Managed:
    """Return a Panorama with the group plant below the group ot, and two firewalls in plant.

    `own` is a configuration of its own for Panorama.
    """
    first, second = firewall(), firewall("fw-b", SECOND)
    more.setdefault("job_seconds", 0.0)
    users = {"admin": "pw", "bob": "pw"}
    panorama = PanoramaMock(
        config=own.encode() or None, firewalls=[first, second], users=users, **more
    )
    found = Managed(panorama, first, second)
    devices = "".join(f'<entry name="{serial}"/>' for serial in (FIRST, SECOND))
    entries = f'<entry name="ot"/><entry name="plant"><devices>{devices}</devices></entry>'
    found.put(f"{DEVICE}/device-group", entries)
    below = "<entry name='plant'><new-parent-dg>ot</new-parent-dg></entry>"
    assert found.done(type="op", cmd=f"<request><move-dg>{below}</move-dg></request>") is not None
    found.commit()
    return found
