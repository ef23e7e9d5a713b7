"""Read a playbook file into plays, and report every problem at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from segctl.analysis.policies import PolicyTest, Selection
from segctl.analysis.query import Check
from segctl.inventory import files
from segctl.inventory.check import Checker, Node
from segctl.inventory.document import parse
from segctl.inventory.model import Layer
from segctl.inventory.schema import HOST, SITE_WIDE
from segctl.inventory.values import Place
from segctl.model.durations import format_duration
from segctl.model.errors import ChecksError, FileError, PlaybookError, UnsupportedError, nearest
from segctl.model.icmp import TYPES
from segctl.model.icmp import refusal as refused_type
from segctl.planning.rehearsal import Requirement
from segctl.playbook.model import DAYS, Ask, Play, Playbook, Reach, Task, Window
from segctl.playbook.shapes import ACTIONS, CHECK, COLLECTION, OWN, PLAY, POLICY, PREFIX
from segctl.providers.base import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import time
    from pathlib import Path

    from segctl.inventory.document import Document
    from segctl.inventory.values import Places
    from segctl.inventory.vault import VaultSecrets
    from segctl.model.errors import Problem
    from segctl.playbook.model import Action, OnFailure, Probe, Strategy

Found = dict[str, Any]
Item = TypeVar("Item")


def read_playbook(path: Path, *, vault: VaultSecrets | None = None) -> Playbook:
    """Read a playbook.

    Raises:
        PlaybookError: the file has problems; the error lists all of them.
    """
    name = str(path)
    try:
        text = files.read_text(name, vault)
        document = parse(text, name, places=True)
        plays = _read(document, name, vault, _Reader.plays)
    except FileError as error:
        raise PlaybookError(error.problems) from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Playbook(
        file=name,
        digest=f"sha256:{digest}",
        plays=plays,
        document=document.value,
        places=document.places,
    )


def read_checks(path: Path, *, vault: VaultSecrets | None = None) -> tuple[Check | PolicyTest, ...]:
    """Read a file of checks, written as in a play's ``verify``, and of policy tests.

    Raises:
        ChecksError: the file has problems; the error lists all of them.
    """
    name = str(path)
    try:
        document = parse(files.read_text(name, vault), name, places=True)
        return _read(document, name, vault, _Reader.checks)
    except FileError as error:
        raise ChecksError(error.problems) from error


def _read(
    document: Document,
    name: str,
    vault: VaultSecrets | None,
    read: Callable[[_Reader, Node], tuple[Item, ...]],
) -> tuple[Item, ...]:
    """Return the items of a list; raise all problems at once."""
    reader = _Reader(document.places, vault)
    root = Node(document.value, Place(name, 1, 1), "")
    found = () if document.problems else read(reader, root)
    problems = (*document.problems, *reader.checker.problems)
    if problems:
        raise FileError(tuple(sorted(dict.fromkeys(problems), key=_place)))
    return found


class _Reader:
    """Reads one file; the checker collects the problems."""

    def __init__(self, places: Places, vault: VaultSecrets | None) -> None:
        self.checker = Checker(places, vault)

    def plays(self, root: Node) -> tuple[Play, ...]:
        plays = [node for _, node in self.checker.children(root)]
        if isinstance(root.value, dict) or not plays:
            hint = "begin with `- hosts: all`"
            self.checker.report(root, "a playbook must be a list of plays", hint)
            return ()
        found = [self._play(node) for node in plays]
        return tuple(play for play in found if play is not None)

    def checks(self, root: Node) -> tuple[Check | PolicyTest, ...]:
        children = [node for _, node in self.checker.children(root)]
        if isinstance(root.value, dict) or not children:
            hint = "begin with `- check: {from: …, to: …}`"
            self.checker.report(root, "a checks file must be a list of checks", hint)
            return ()
        found = [self._asked(node) for node in children]
        return tuple(one for one in found if one is not None)

    def _asked(self, node: Node) -> Check | PolicyTest | None:
        held: object = node.value
        if isinstance(held, dict) and "policy" in held and "check" not in held:
            value = cast("Found | None", self.checker.record(node, POLICY))
            return None if value is None else _policy(value.get("policy") or {}, node)
        value = cast("Found | None", self.checker.record(node, CHECK))
        if value is None:
            return None
        return self._flow(value.get("check") or {}, value.get("expect"), node)

    def _play(self, node: Node) -> Play | None:
        found = self.checker.record(node, PLAY)
        if found is None:
            return None
        nodes = {word: self.checker.child(node, word) for word in found if word in _OWN}
        variables = self._variables(found, nodes)
        hosts = cast("tuple[str, ...]", found.get("hosts") or ())
        play = Play(
            hosts=hosts,
            name=cast("str", found.get("name") or ", ".join(hosts)),
            serial=cast("tuple[int | str, ...]", found.get("serial") or ()),
            max_fail_percentage=cast("float | None", found.get("max_fail_percentage")),
            any_errors_fatal=bool(found.get("any_errors_fatal")),
            tags=_tags(found),
            strategy=cast("Strategy", found.get("strategy") or "linear"),
            tasks=tuple(map(_task, _listed(found.get("tasks")))) or (Task(action="apply"),),
            windows=self._windows(found.get("window"), nodes.get("window")),
            soak=cast("int", found.get("soak") or 0),
            verify=self._verify(found.get("verify"), nodes.get("verify")),
            revert_in=cast("int | None", found.get("revert_in")),
            on_failure=cast("OnFailure", found.get("on_failure") or "stop"),
            rehearsal=_rehearsal(found.get("replay")) if "replay" in found else None,
            variables=variables,
            declared=node.source,
        )
        self._check_time(play, nodes)
        return play

    def _variables(self, found: Found, nodes: dict[str, Node]) -> Layer | None:
        """Return the play's variables; segctl's own keywords among them become fields."""
        free = cast("Node | None", found.get("vars"))
        if free is None:
            return None
        layer = Layer()
        for key, child in self.checker.children(free):
            name = str(key)
            word = name.removeprefix(PREFIX)
            if name.startswith(PREFIX) and word in _OWN:
                if word in found:
                    hint = "keep the play's key for segctl only, or the variable for Ansible too"
                    self.checker.report_key(child, f"is also set by the play's own {word}", hint)
                found[word] = self.checker.check(child, _OWN[word])
                nodes[word] = child
                continue
            if name.startswith(PREFIX):
                self._known(name, child)
                layer.origins[name] = child.place
            layer.variables[name] = child.value
        return layer

    def _known(self, name: str, child: Node) -> None:
        """Check a variable that could also be set in the inventory."""
        shapes = _VARIABLES | SITE_WIDE
        fitting = [one for one in SITE_WIDE if name.startswith(one)]
        shape = shapes.get(fitting[0] if fitting else name)
        if shape is None:
            known = (*(f"{PREFIX}{word}" for word in _OWN), *shapes)
            hint = nearest(name, known, f"one of {', '.join(known)}")
            self.checker.report_key(child, f"unknown variable {name}", hint)
        else:
            self.checker.check(child, shape)

    def _windows(self, value: object, node: Node | None) -> tuple[Window, ...]:
        if node is None or value is None:
            return ()
        if isinstance(value, dict):
            return self._window(cast("Found", value), node)
        return tuple(
            window for one, child in self._pairs(value, node) for window in self._window(one, child)
        )

    def _pairs(self, value: object, node: Node) -> list[tuple[Found, Node]]:
        """Return the items of a list with their nodes; nothing if an item was refused."""
        children = [child for _, child in self.checker.children(node)]
        items = _listed(value)
        return list(zip(items, children, strict=True)) if len(items) == len(children) else []

    def _window(self, value: Found, node: Node) -> tuple[Window, ...]:
        start, end = value.get("from"), value.get("to")
        if start is None:  # 24:00, or reported already
            if "from" in value and self.checker.child(node, "from").value == "24:00":
                where = self.checker.child(node, "from")
                self.checker.report(where, "a window cannot open at 24:00", 'write "00:00"')
            return ()
        if not value.get("timezone"):
            return ()
        if start == end:
            hint = 'for all day, write from: "00:00" and to: "24:00"'
            self.checker.report(node, "opens and closes at the same time", hint)
            return ()
        days = cast("tuple[str, ...]", value.get("days") or DAYS)
        return (
            Window(
                days=tuple(day for day in DAYS if day in days),
                start=cast("time", start),
                end=cast("time | None", end),
                timezone=cast("str", value["timezone"]),
            ),
        )

    def _verify(self, value: object, node: Node | None) -> tuple[Probe, ...]:
        if node is None:
            return ()
        return tuple(self._probe(one, child) for one, child in self._pairs(value, node))

    def _probe(self, value: Found, node: Node) -> Probe:
        rest = {name: value[name] for name in ("timeout", "retries") if value.get(name) is not None}
        expect = value.get("expect")
        if "command" in value:
            self._ask(value, node)
            return Ask(
                command=value["command"] or "",
                expect=str(expect or ""),
                platform=value.get("platform") or "",
                declared=node.source,
                **rest,
            )
        if "check" in value:
            return self._flow(value["check"] or {}, expect, node)
        if "icmp" in value:
            kind, host, port = "icmp", value["icmp"] or "", 0
        else:
            kind = "tls" if "tls" in value else "tcp"
            host, port = value[kind] or ("", 0)
        return Reach(
            kind=cast("Any", kind),
            host=host,
            port=port,
            open=expect != "closed",
            server_name=value.get("server_name") or "",
            ca_file=value.get("ca_file") or "",
            declared=node.source,
            **rest,
        )

    def _ask(self, value: Found, node: Node) -> None:
        """Report a command that the probe's platform does not run."""
        platform, command = value.get("platform"), value.get("command")
        if not platform or not command:
            return
        try:
            if why := refusal(platform, command):
                self.checker.report(self.checker.child(node, "command"), f"{platform}: {why}", "")
        except UnsupportedError as error:
            self.checker.report(self.checker.child(node, "platform"), str(error), "")

    def _flow(self, flow: Found, expect: object, node: Node) -> Check:
        if expect is not None and flow.get("expect") is not None:
            self.checker.report(node, "has two expect values", "keep one of them")
        protocol = flow.get("protocol") or "tcp"
        if protocol in TYPES and flow.get("port"):
            self.checker.report(node, f"{protocol} has no port", "remove port")
        application, icmp_type = flow.get("application") or "", flow.get("icmp_type") or ""
        if icmp_type and (why := refused_type(protocol, icmp_type, application)):
            self.checker.report(node, f"icmp_type {icmp_type}: {why}", "")
            icmp_type = ""
        return Check(
            source=flow.get("from") or "",
            destination=flow.get("to") or "",
            protocol=protocol,
            open_protocol=not (flow.get("protocol") or flow.get("port")),
            port=flow.get("port") or 0,
            icmp_type=icmp_type,
            application=application,
            user=flow.get("user") or "",
            allow=(expect or flow.get("expect")) != "deny",
            declared=node.source,
        )

    def _check_time(self, play: Play, nodes: Mapping[str, Node]) -> None:
        """Check that a device does not revert by itself while its probes may still run."""
        if play.revert_in is None or "revert_in" not in nodes:
            return
        if play.revert_in == 0:
            hint = "remove it, or allow as much time as a wave takes"
            self.checker.report(nodes["revert_in"], "must not be 0", hint)
        elif play.revert_in <= play.verify_seconds:
            self.checker.report(
                nodes["revert_in"],
                f"is not longer than verify can take ({format_duration(play.verify_seconds)})",
                "give more time, or the probes fewer retries and a shorter timeout",
            )


_OWN: Final = {one.name: one.shape for one in OWN}
_VARIABLES: Final = {one.name: one.shape for one in HOST.fields}


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _listed(value: object) -> tuple[Found, ...]:
    return cast("tuple[Found, ...]", value or ())


def _rehearsal(value: object) -> Requirement:
    said = cast("Found", value) if isinstance(value, dict) else {}
    days = cast("int | None", said.get("max_age_days"))
    return Requirement(
        max_age=days * 86400 if days else None,
        drops_nothing=said.get("may_drop") == "nothing",
    )


def _policy(value: Found, node: Node) -> PolicyTest:
    return PolicyTest(
        source=_selection(value.get("from")),
        destination=_selection(value.get("to")),
        permits=cast("tuple[str, ...]", value.get("permits") or ()),
        of=cast("tuple[str, ...]", value.get("of") or ()),
        name=cast("str", value.get("name") or ""),
        declared=node.source,
    )


def _selection(value: object) -> Selection:
    if not isinstance(value, dict):
        return Selection(names=cast("tuple[str, ...]", value or ()))
    found = cast("Found", value)
    return Selection(
        names=found.get("zone") or (),
        kinds=found.get("kind") or (),
        levels=tuple(map(float, found.get("level") or ())),
        without=found.get("except") or (),
    )


def _tags(found: Found) -> tuple[str, ...]:
    return tuple(tag for part in _listed(found.get("tags")) for tag in part)


def _task(found: Found) -> Task:
    module = next(name for name in found if name.removeprefix(COLLECTION) in ACTIONS)
    arguments = cast("Found", found[module] or {})
    action = ACTIONS[module.removeprefix(COLLECTION)]
    return Task(
        action=cast("Action", action),
        name=cast("str", found.get("name") or action),
        tags=_tags(found),
        allow_purge=bool(arguments.get("allow_purge")),
        allow_mass_delete=bool(arguments.get("allow_mass_delete")),
        baseline=cast("str", arguments.get("baseline") or ""),
        fail_on_drift=bool(arguments.get("fail_on_drift")),
    )
