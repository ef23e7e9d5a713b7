"""A mock ToyOS device on a loopback port; like every mock it knows nothing of segctl."""

from __future__ import annotations

import json
import threading
from copy import deepcopy
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Self, cast


def other_rule(name: str, **values: Any) -> dict[str, Any]:
    """Return a rule of somebody else."""
    free = {key: ["any"] for key in ("from", "to", "source", "destination", "service")}
    rule = {"name": name, **free, "scope": "universal", "action": "deny"}
    return rule | {"log": False, "note": ""} | values


class ToyDevice:
    """Rules in order, one lock, and one commit that waits to be confirmed."""

    def __init__(self, zones: dict[str, list[str]], *, password: str = "pw", port: int = 0) -> None:
        self.password = password
        try:
            self._server = _Server(("127.0.0.1", port), _Connection)
        except OSError:  # somebody else has that port
            self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.device = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.daemon = True
        self._thread.start()
        self.port = int(self._server.server_address[1])
        self.guard = threading.RLock()
        self.reset(zones)

    def reset(self, zones: dict[str, list[str]]) -> None:
        with self.guard:
            self.zones = zones
            self.rules = [other_rule("o-anchor", source=["192.0.2.99/32"])]
            self.before: list[dict[str, Any]] | None = None
            self.holder: object = None
            self.cut: tuple[int, str] | None = None
            self.history = [self.shown()]
            self.verbs: list[str] = []

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def shown(self) -> str:
        """What ``show`` answers."""
        count = len(self.rules)
        facts = {"serial": "TOY-1", "version": "1.2", "rule_count": count, "zones": self.zones}
        return json.dumps(facts | {"rules": self.rules}, sort_keys=True)

    def put(self, rules: list[dict[str, Any]]) -> None:
        """Let traffic meet other rules."""
        with self.guard:
            if rules != self.rules:
                self.rules = rules
                self.history.append(self.shown())

    def handle(self, who: object, request: dict[str, Any]) -> dict[str, Any]:
        verb = request["verb"]
        with self.guard:
            self.verbs.append(verb)
            if verb == "login":
                good = request["password"] == self.password
                return {"ok": good, "error": "wrong password"}
            if verb == "show":
                return {"ok": True, "value": json.loads(self.shown())}
            if verb == "lock":
                if self.holder is not None:
                    return {"ok": False, "error": "somebody else holds the lock"}
                self.holder = who
                return {"ok": True}
            if self.holder is not who:
                return {"ok": False, "error": "not locked"}
            return self._write(verb, request)

    def _write(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        if verb == "commit":
            try:
                after = _changed(self.rules, request["steps"])
            except (StopIteration, KeyError) as error:
                return {"ok": False, "error": f"refused: {error!r}"}
            self.before = self.rules
            self.put(after)
        elif verb == "rollback" and self.before is not None:
            self.put(self.before)
        if verb in ("rollback", "confirm"):
            self.before = None
        elif verb == "unlock":
            self.holder = None
        return {"ok": True}

    def gone(self, who: object) -> None:
        """Take back what a lost connection left."""
        with self.guard:
            if self.holder is who:
                if self.before is not None:
                    self.put(self.before)
                    self.before = None
                self.holder = None

    def due(self) -> str:
        """Say how to cut this request off, if it is to be."""
        with self.guard:
            if self.cut is None:
                return ""
            left, how = self.cut
            self.cut = (left - 1, how) if left else None
            return "" if left else how


class ToyosMock:
    """A device as `segctl mock serve` asks for it: it listens while its block lasts."""

    host, transport, host_key_line = "127.0.0.1", "JSON lines", ""

    def __init__(self, zones: dict[str, list[str]], password: str) -> None:
        self._zones, self._password, self.port = zones, password, 0
        self._device: ToyDevice | None = None

    def prefer_port(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> Self:
        self._device = ToyDevice(self._zones, password=self._password, port=self.port)
        self.port = self._device.port
        return self

    def __exit__(self, *_: object) -> None:
        if self._device is not None:
            self._device.stop()

    def tamper(self) -> str:
        """Open the first rule that allows something to any service; say so."""
        device = self._device
        rules = device.rules if device is not None else []
        allows = next((rule for rule in rules if rule["action"] == "allow"), None)
        if device is None or allows is None:
            return ""
        device.put([{**rule, "service": ["any"]} if rule is allows else rule for rule in rules])
        return f"opens rule {allows['name']} to any service."


class ToyosMocks:
    """What the entry point of group ``segctl.mocks`` names."""

    def holding(self, spec: Any, config: bytes) -> Any:  # noqa: ARG002  # as called
        raise ValueError("a ToyOS mock takes no configuration")

    def make(self, name: str, spec: Any, surroundings: Any) -> ToyosMock:  # noqa: ARG002  # as called
        """Make a device with the zones of its host; it keeps nothing in a folder."""
        zones = {zone: [*ports] for zone, ports in spec.zones.items()}
        return ToyosMock(zones, spec.password)


def _changed(rules: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules after all steps."""
    made = deepcopy(rules)

    def at(name: str) -> int:
        return next(index for index, rule in enumerate(made) if rule["name"] == name)

    for step in steps:
        operation = step["op"]
        if operation in ("create", "move"):
            rule = step["rule"] if operation == "create" else made.pop(at(step["name"]))
            made.insert(at(step["after"]) + 1 if step["after"] else 0, rule)
        elif operation == "update":
            made[at(step["rule"]["name"])] = step["rule"]
        elif operation == "rename":
            made[at(step["name"])]["name"] = step["to"]
        elif operation == "delete":
            del made[at(step["name"])]
        else:
            raise KeyError(operation)
    return made


class _Server(ThreadingTCPServer):
    daemon_threads = True
    device: ToyDevice


class _Connection(StreamRequestHandler):
    def handle(self) -> None:
        device = cast("_Server", self.server).device
        try:
            for line in self.rfile:
                how = device.due()
                if how == "before":
                    return
                answer = json.dumps(device.handle(self, json.loads(line))).encode() + b"\n"
                if how:
                    device.gone(self)
                if how == "after":
                    return
                self.wfile.write(answer[: len(answer) // 2] if how else answer)
                if how:
                    return
        except OSError:
            return
        finally:
            device.gone(self)
