"""A plant of which much is shown: levels, users, profiles, logs, clocks, zone protection."""

from __future__ import annotations

from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from cli_support import PASSWORD, USER, VSYS
from segctl.cli import run
from segctl_mocks import HostSpec, serve_fleet

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from segctl_mocks import Fleet

DEVICE: Final = "/config/devices/entry[@name='localhost.localdomain']"
SYSTEM: Final = f"{DEVICE}/deviceconfig/system"
SETTING: Final = f"{DEVICE}/deviceconfig/setting"
PROTECTION: Final = f"{DEVICE}/network/profiles/zone-protection-profile"
FORWARDING: Final = "/config/shared/log-settings/profiles"
#: control ── fw1 ── supervisory, and business and a remote service on the same firewall.
FILES: Final[Mapping[str, str]] = {
    "hosts.yml": f"""\
        all:
          children:
            plant:
              hosts:
                fw1: {{}}
              vars:
                ansible_network_os: panos
                ansible_user: {USER}
                ansible_password: {PASSWORD}
                segctl_timeout: 60
                segctl_commit_timeout: 120
        """,
    "group_vars/plant.yml": """\
        segctl_site: plant
        segctl_zones:
          control:
            level: 1
            kind: control
            security_level: 4
            networks: [10.20.1.0/24]
            assets: {plc1: 10.20.1.11, plc2: 10.20.1.12}
          supervisory:
            level: 2
            kind: supervisory
            security_level: 4
            networks: [10.20.2.0/24]
            assets: {scada1: 10.20.2.5, ntp1: 10.20.2.7, ntp2: 10.20.2.8, siem: 10.20.2.9}
          service:
            level: 3.5
            kind: remote-access
            security_level: 1
            networks: [10.20.35.0/24]
            assets: {jump: 10.20.35.10}
        segctl_conduits:
          polling:
            from: supervisory
            to: control
            reason: SCADA polls the controllers
            owner: automation
            review_by: 2099-01-31
            flows:
              modbus:
                source: [scada1]
                destination: [plc1, plc2]
                protocols: {modbus: [read]}
          maintenance:
            from: service
            to: supervisory
            reason: The supplier's support
            owner: automation
            review_by: 2099-01-31
            flows:
              shell:
                source: [jump]
                destination: [scada1]
                applications: [ssh]
                services: [tcp/22]
                users: [plant/support]
        segctl_threat_profiles: {strict: ot-strict, alert: ot-strict}
        segctl_log_forwarding: to-siem
        """,
    "host_vars/fw1.yml": """\
        segctl_zone_map:
          control: {zone: CTRL, interfaces: [ethernet1/2]}
          supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
          service: {zone: SERV, interfaces: [ethernet1/4]}
        """,
}
_PROFILE: Final = (
    "<entry name='ot-zone'><discard-ip-spoof>yes</discard-ip-spoof>"
    "<discard-malformed-option>yes</discard-malformed-option>"
    "<discard-overlapping-tcp-segment-mismatch>yes</discard-overlapping-tcp-segment-mismatch>"
    "<discard-strict-source-routing>yes</discard-strict-source-routing>"
    "<tcp-reject-non-syn>yes</tcp-reject-non-syn><flood>"
    + "".join(
        f"<{kind}><enable>yes</enable></{kind}>" for kind in ("tcp-syn", "udp", "icmp", "other-ip")
    )
    + "</flood><scan>"
    + "".join(
        f"<entry name='{one}'><action><block/></action></entry>" for one in (8001, 8002, 8003)
    )
    + "</scan></entry>"
)
_SERVICE: Final = "<disable-telnet>yes</disable-telnet><disable-http>yes</disable-http>"
_KEY: Final = (
    "<authentication-type><symmetric-key><key-id>1</key-id></symmetric-key></authentication-type>"
)
_MATCHES: Final = "".join(
    f"<entry name='{kind}'><log-type>{kind}</log-type><filter>All Logs</filter>"
    "<send-syslog><member>siem</member></send-syslog></entry>"
    for kind in ("traffic", "threat")
)
#: A part of the port of the remote service, which no zone has.
SUBINTERFACE: Final = (
    f"{DEVICE}/network/interface/ethernet/entry[@name='ethernet1/4']/layer3/units",
    "<entry name='ethernet1/4.7'/>",
)
#: What an administrator set beside: places and elements.
PREPARED: Final = (
    (
        f"{DEVICE}/deviceconfig",
        (
            f"<system><service>{_SERVICE}</service><ntp-servers>"
            "<primary-ntp-server><ntp-server-address>10.20.2.7</ntp-server-address>"
            f"{_KEY}</primary-ntp-server>"
            "<secondary-ntp-server><ntp-server-address>10.20.2.8</ntp-server-address>"
            f"{_KEY}</secondary-ntp-server></ntp-servers></system>"
            "<setting><ctd><tcp-bypass-exceed-queue>no</tcp-bypass-exceed-queue>"
            "<udp-bypass-exceed-queue>no</udp-bypass-exceed-queue></ctd>"
            "<application><bypass-exceed-queue>no</bypass-exceed-queue></application>"
            "<tcp><bypass-exceed-oo-queue>no</bypass-exceed-oo-queue></tcp></setting>"
        ),
    ),
    (PROTECTION, _PROFILE),
    (
        "/config/shared/log-settings/syslog",
        (
            "<entry name='siem'><server><entry name='one'><server>10.20.2.9</server>"
            "<transport>UDP</transport><port>514</port></entry></server></entry>"
        ),
    ),
    (f"{FORWARDING}/entry[@name='to-siem']", f"<match-list>{_MATCHES}</match-list>"),
    *(
        (
            f"{VSYS}/zone/entry[@name='{zone}']/network",
            "<zone-protection-profile>ot-zone</zone-protection-profile>",
        )
        for zone in ("CTRL", "SUPV", "SERV")
    ),
)


def write(folder: Path) -> None:
    """Write the plant's files."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")


@contextmanager
def provisioned(folder: Path) -> Generator[Fleet]:
    """Serve the plant's firewall, prepared and provisioned."""
    write(folder)
    spec = HostSpec(
        user=USER,
        password=PASSWORD,
        zones={"CTRL": ["ethernet1/2"], "SUPV": ["ethernet1/3"], "SERV": ["ethernet1/4"]},
        profile_groups=["ot-strict"],
        log_forwarding=["to-siem"],
        serial="007000000001",
    )
    with serve_fleet({"fw1": spec}, overlay=folder / "mocks.yml") as fleet:
        for xpath, element in PREPARED:
            fleet["fw1"].edit("set", xpath, element)
        fleet["fw1"].edit("set", *SUBINTERFACE, commit=True)
        where = [word for name in ("hosts.yml", "mocks.yml") for word in ("-i", f"{folder / name}")]
        assert run([*where, "apply", "--auto-approve"]) == 0
        yield fleet


@contextmanager
def changed(fleet: Fleet, action: str, xpath: str, element: str = "") -> Generator[None]:
    """Make one change of the firewall, and take it back afterwards."""
    mock = fleet["fw1"]
    held = etree.fromstring(mock.running())
    place = xpath.removeprefix("/config/") if action != "set" else ""
    if action == "set":  # what is set is one new element below the place
        tag = etree.fromstring(element)
        name = tag.get("name")
        made = f"{xpath}/{tag.tag}" + (f"[@name='{name}']" if name else "")
        before = held.find(made.removeprefix("/config/"))
        back = ("delete", made, "") if before is None else ("edit", made, _text(before))
    else:
        before = held.find(place)
        assert before is not None, f"there is nothing at {xpath}"
        parent = xpath[: _parent(xpath)]
        back = (
            ("set", parent, _text(before)) if action == "delete" else ("edit", xpath, _text(before))
        )
    mock.edit(action, xpath, element, commit=True)
    try:
        yield
    finally:
        mock.edit(*back, commit=True)


def _text(element: Any) -> str:
    copy = etree.fromstring(etree.tostring(element))
    for one in copy.iter():
        one.tail = None
        for name in ("admin", "dirtyId", "time", "uuid"):
            if name in one.attrib:
                del one.attrib[name]
    return etree.tostring(copy).decode()


def _parent(xpath: str) -> int:
    """Return where the last step of a path begins; slashes in names do not count."""
    depth, at = 0, 0
    for number, char in enumerate(xpath):
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == "/" and not depth:
            at = number
    return at
