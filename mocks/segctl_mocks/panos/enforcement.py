"""Commands about what only a firewall has: the rules it enforces, what a Panorama pushed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from segctl_mocks.panos import monitoring, reports, runtime, sessions, showings
from segctl_mocks.panos.answers import Answer, ApiError, message_result, result
from segctl_mocks.panos.effective import effective, merged, plain
from segctl_mocks.panos.policymatch import policy_match
from segctl_mocks.panos.references import scope_path
from segctl_mocks.panos.tree import serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.showings import Call, Report
    from segctl_mocks.panos.tree import Element

_FIRST = "vsys1"


def _of_firewall(report: Callable[[PanosDevice, Element, Call], Answer]) -> Report:
    """Let a report of a firewall stand in the table of a device: that is where firewalls look."""

    def of_device(device: Device, node: Element, call: Call) -> Answer:
        return report(cast("PanosDevice", device), node, call)

    return of_device


def _merged(device: PanosDevice, node: Element, _call: Call) -> Answer:
    return showings.document(merged(device.candidate, device.pushed), node)


def _effective(device: PanosDevice, node: Element, _call: Call) -> Answer:
    return showings.document(plain(effective(device.running, device.pushed).tree), node)


def _pushed_policy(device: PanosDevice, node: Element, _call: Call) -> Answer:
    wanted = text_of(node.find("vsys"))
    if wanted and device.running.at(scope_path(wanted)) is None:
        raise ApiError("17", f"{wanted} is invalid vsys")
    if not wanted and device.settings.multi_vsys:
        return result(device.pushed.of_all())
    return result(device.pushed.of_system(wanted or _FIRST, device.settings.sw_version))


def _pushed_template(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    return result(device.pushed.of_template())


def _hit_count(device: PanosDevice, node: Element, _call: Call) -> Answer:
    return result(reports.hit_count(device, node))


def _clear_hits(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    device.clear_hits()
    return message_result("Succeeded to reset rule hit count for specified rules")


def _running_policy(device: PanosDevice, _node: Element, call: Call) -> Answer:
    rules = reports.enforced(device, call.vsys or _FIRST)
    return result(b"".join(serialize(rule) for rule in rules))


def _policy_match(device: PanosDevice, node: Element, call: Call) -> Answer:
    return result(policy_match(device, node, call.vsys or _FIRST))


COMMANDS: Mapping[tuple[str, ...], Report] = {
    ("show", "config", "merged"): _of_firewall(_merged),
    ("show", "config", "effective-running"): _of_firewall(_effective),
    ("show", "config", "pushed-shared-policy"): _of_firewall(_pushed_policy),
    ("show", "config", "pushed-template"): _of_firewall(_pushed_template),
    ("show", "rule-hit-count"): _of_firewall(_hit_count),
    ("show", "running", "security-policy"): _of_firewall(_running_policy),
    ("clear", "rule-hit-count"): _of_firewall(_clear_hits),
    ("test", "security-policy-match"): _of_firewall(_policy_match),
    ("show", "high-availability", "state"): _of_firewall(monitoring.ha_state),
    ("show", "high-availability", "all"): _of_firewall(monitoring.ha_state),
    ("show", "session", "all"): _of_firewall(sessions.listed),
    ("show", "session", "id"): _of_firewall(sessions.one),
    ("clear", "session", "all"): _of_firewall(sessions.clear),
    ("clear", "session", "id"): _of_firewall(sessions.clear_one),
    ("show", "session", "meter"): _of_firewall(monitoring.meter),
    ("show", "panorama-status"): _of_firewall(monitoring.panorama_status),
    ("show", "predefined"): _of_firewall(monitoring.predefined),
    ("show", "object", "dynamic-address-group"): _of_firewall(runtime.groups),
    ("show", "dns-proxy", "fqdn"): _of_firewall(runtime.names),
    ("request", "system", "external-list", "show"): _of_firewall(runtime.show_list),
    ("request", "high-availability", "sync-to-remote"): _of_firewall(monitoring.sync),
    ("request", "high-availability", "state", "suspend"): _of_firewall(monitoring.suspend),
    ("request", "high-availability", "state", "functional"): _of_firewall(monitoring.functional),
    **showings.OF_FIREWALLS,
    ("show", "user", "group", "list"): _of_firewall(runtime.user_groups),
    ("show", "user", "group", "name"): _of_firewall(runtime.users_of),
}
