"""What segctl answered, as results of Ansible tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Answer

Result = dict[str, Any]

_VERBS = {
    "create": "to create",
    "update": "to change",
    "move": "to move",
    "rename": "to rename",
    "delete": "to delete",
}


#: Default-ignorable characters that Python takes for printable.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def inert(value: Any) -> Any:
    """Return a result in which nothing steers a terminal: Ansible prints all of it as it is.

    What cannot be printed is written as an escape; line ends and tabs stay.
    """
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value
        return "".join(one if _shows(one) else _escape(one) for one in value)
    known: Any = value
    if isinstance(value, dict):
        return {inert(key): inert(one) for key, one in known.items()}
    return [inert(one) for one in known] if isinstance(value, list) else value


def _shows(character: str) -> bool:
    return character in "\n\t" or (character.isprintable() and not _UNSEEN.match(character))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def skipped(host: str) -> Result:
    """Return the result for a host that is not a firewall."""
    reason = f"{host} is not a firewall: it has no ansible_network_os"
    return {"changed": False, "skipped": True, "skipped_reason": reason, "msg": reason}


def failure(code: str, message: str, **more: Any) -> Result:
    """Return a failed result; a device that cannot be reached is unreachable."""
    error = {"code": code, "message": message}
    result = {"changed": False, "msg": f"{code}: {message}", "error": error, **more}
    return result | ({"unreachable": True} if code == "unreachable" else {"failed": True})


def explained(result: Result) -> Result:
    """Return the result, and where segctl does not find a host that Ansible has, why."""
    if result.get("error", {}).get("code") != "usage":
        return result
    hint = "segctl reads the inventory sources, which do not contain what add_host and set_fact add"
    return {**result, "msg": f"{result['msg']} ({hint})"}


def planned(answer: Answer, *, diff: bool, allow_mass_delete: bool = False) -> Result:
    """Return the result of a plan for one host."""
    document = answer.document
    device = next(iter(document.get("devices", ())), None)
    if device is None or "error" in document:
        return _failed(answer)
    changes = device["changes"]
    result: Result = {
        "changed": bool(changes),
        "msg": _summary(document["summary"]),
        "plan_id": document["plan_id"],
        "summary": document["summary"],
        "changes": changes,
        "findings": device["findings"],
    }
    if diff:
        result["diff"] = _diff(device["name"], changes)
    errors = [one for one in device["findings"] if one["severity"] == "error"]
    if allow_mass_delete:
        errors = [one for one in errors if one["kind"] != "mass_delete"]
    if errors:
        return result | failure("plan", "; ".join(map(_finding, errors)))
    return result


def applied(answer: Answer, plan: Result) -> Result:
    """Return the result of an apply whose plan gave the result `plan`."""
    outcome = next(_outcomes(answer.document), None)
    if outcome is not None and outcome["code"]:
        told = failure(outcome["code"], outcome["message"])
        return {**plan, **told, "status": outcome["status"]}
    if outcome is None or "error" in answer.document:
        status = "failed" if outcome is None else outcome["status"]
        return {**plan, **_failed(answer), "status": status}
    return {**plan, "changed": outcome["status"] == "applied", "status": outcome["status"]}


def _outcomes(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what became of devices: of an apply, or of a rollout's waves."""
    yield from document.get("outcomes", ())
    for play in document.get("plays", ()):
        for wave in play["waves"]:
            yield from wave["devices"]


def drifted(answer: Answer, *, fail_on_drift: bool) -> Result:
    """Return the result of a drift check of one host."""
    device = next(iter(answer.document.get("devices", ())), None)
    if device is None or "error" in answer.document:
        return _failed(answer)
    in_sync = bool(answer.document["in_sync"])
    found = {"in_sync": in_sync, "drift": device}
    if in_sync:
        return {"changed": False, "msg": "in sync", **found}
    text = f"{device['name']} has drifted: {', '.join(_drift(device))}"
    if fail_on_drift:
        return failure("drift", text, **found)
    return {"changed": False, "msg": text, **found}


def _failed(answer: Answer) -> Result:
    error = answer.document.get("error")
    if not error:
        last = answer.messages.strip().splitlines()[-1:] or [f"segctl ended with {answer.code}"]
        return failure("internal", last[0])
    problems = error.get("problems")
    return failure(error["code"], error["message"], **({"problems": problems} if problems else {}))


def _summary(summary: Mapping[str, int]) -> str:
    counted = [f"{number} {_VERBS.get(op, op)}" for op, number in summary.items() if number]
    return ", ".join(counted) or "in sync"


def _finding(finding: Mapping[str, Any]) -> str:
    return f"{finding['message']} ({finding['hint']})" if finding["hint"] else finding["message"]


def _drift(device: Mapping[str, Any]) -> Iterable[str]:
    for kind in ("missing", "changed", "moved", "unexpected"):
        yield from (f"{kind} {one['kind']} {one['name']}" for one in device[kind])
    yield from (f"open: {hole['message']}" for hole in device["holes"])


def _diff(host: str, changes: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    before: Result = {}
    after: Result = {}
    for change in changes:
        key = f"{change['kind']} {change['name']}"
        if change["op"] == "move":
            before[key] = {"place": "elsewhere"}
            after[key] = {"place": _place(change["anchor"])}
            continue
        fields = change["fields"] if change["op"] == "update" else ()
        for side, values in ((before, change["before"]), (after, change["after"])):
            if values:
                side[key] = {
                    name: value
                    for name, value in values.items()
                    if name in fields or (not fields and value != change["name"])
                }
    return {
        "before": _text(before),
        "after": _text(after),
        "before_header": f"{host} (live)",
        "after_header": f"{host} (desired)",
    }


def _place(anchor: Mapping[str, str] | None) -> str:
    if not anchor or anchor["where"] == "top":
        return "top"
    return f"{anchor['where']} {anchor['rule']}"


def _text(entries: Mapping[str, Any]) -> str:
    if not entries:
        return ""
    return yaml.safe_dump(entries, allow_unicode=True, default_flow_style=False, width=1000)
