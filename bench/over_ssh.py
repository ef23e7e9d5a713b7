"""One contender on the gateway's management host, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import gateway

from segctl.planning.apply import apply_device
from segctl.planning.make import plan_device
from segctl.providers.nftables import NftablesProvider, line, parse, render
from segctl.providers.nftables.pushing import Pushing
from segctl.transports import ssh_exec as ssh
from segctl.transports.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.planning.plan import DevicePlan

_ = parse, render  # loaded before the clock starts
PROVIDER = NftablesProvider()


def target(folder: str) -> Target:
    """Return how to reach the gateway."""
    return Target(
        name="gw",
        host=gateway.GATEWAY,
        user="root",
        key_file=Path(folder) / "user",
        known_hosts=(Path(folder) / "known_hosts",),
        commit_timeout=600,
        timeout=300,
    )


class _Clock:
    """Sums up the time spent in a function."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.seconds = 0.0
        self._work = work

    def __call__(self, *words: Any, **values: Any) -> Any:
        begin = time.perf_counter()
        try:
            return self._work(*words, **values)
        finally:
            self.seconds += time.perf_counter() - begin


def _quiet(_step: str) -> None:
    return


def _planned(folder: str, rules: int) -> DevicePlan:
    with PROVIDER.connect(target(folder), read_only=True, progress=_quiet) as opened:
        return plan_device(gateway.desired(rules), PROVIDER.parse(opened.read()), PROVIDER)


def apply(folder: str, rules: str) -> dict[str, Any]:
    """Apply a plan as `segctl apply` does; SSH connects are timed apart."""
    made = _planned(folder, int(rules))
    (Path(folder) / "script.nft").write_text(made.script, encoding="utf-8")
    connecting, pushing = _Clock(ssh.SshSession), _Clock(Pushing.push)
    line.__dict__["SshSession"] = connecting

    def push(self: Pushing, script: str, *, revert_in: float | None = None) -> None:
        pushing(self, script, revert_in=revert_in)

    Pushing.push = push  # type: ignore[method-assign] # timed from outside
    begin = time.perf_counter()
    outcome = apply_device(made, PROVIDER, target(folder), progress=_quiet)
    total = time.perf_counter() - begin
    return {
        "seconds": total - connecting.seconds,
        "connect_seconds": round(connecting.seconds, 3),
        "push_seconds": round(pushing.seconds, 3),
        "status": outcome.status,
        "changes": len(made.changes),
        "script_bytes": len(made.script),
    }


def bare(folder: str, file: str) -> dict[str, Any]:
    """Send a file to ``nft -f -`` over a connection that is open, and wait for its end."""
    text = Path(file).read_bytes()
    opened = ssh.SshSession(
        target(folder), device_type="terminal_server", read_only=False, progress=_quiet
    )
    begin = time.perf_counter()
    answer = opened.run("/usr/sbin/nft -f -", text, timeout=600)
    seconds = time.perf_counter() - begin
    opened.close()
    return {"seconds": seconds, "code": answer.code, "reason": answer.err[:200]}


def least(folder: str, file: str) -> dict[str, Any]:
    """Check a file, run it and list what it made: the least of a change that is verified."""
    text = Path(file).read_bytes()
    opened = ssh.SshSession(
        target(folder), device_type="terminal_server", read_only=False, progress=_quiet
    )
    begin = time.perf_counter()
    checked = opened.run("/usr/sbin/nft -c -f -", text, timeout=600)
    done = opened.run("/usr/sbin/nft -f -", text, timeout=600)
    listed = opened.run("/usr/sbin/nft -j list table inet segctl", timeout=600)
    seconds = time.perf_counter() - begin
    opened.close()
    return {"seconds": seconds, "code": checked.code + done.code + listed.code}


def lines(folder: str, rules: str) -> dict[str, Any]:
    """Type one rule after another, as `send_config_set` of netmiko does."""
    import netmiko

    table = gateway.linear(int(rules)).splitlines()
    added = [line.strip() for line in table if "counter" in line]
    commands = [f"nft 'add rule inet linear forward {line}'" for line in added]
    first = ["nft add table inet linear", "nft add chain inet linear forward"]
    opened = netmiko.ConnectHandler(
        device_type="linux",
        host=gateway.GATEWAY,
        username="root",
        use_keys=True,
        key_file=str(Path(folder) / "user"),
    )
    begin = time.perf_counter()
    opened.send_config_set([*first, *commands], read_timeout=60)
    seconds = time.perf_counter() - begin
    opened.disconnect()
    return {"seconds": seconds, "lines": len(commands) + len(first)}


def plan(folder: str, rules: str) -> dict[str, Any]:
    """Read, parse and compare with what is there already; the connect is timed apart."""
    wanted = gateway.desired(int(rules))
    begin = time.perf_counter()
    with PROVIDER.connect(target(folder), read_only=True, progress=_quiet) as opened:
        connected = time.perf_counter()
        document = opened.read()
        read = time.perf_counter()
        live = PROVIDER.parse(document)
        parsed = time.perf_counter()
        made = plan_device(wanted, live, PROVIDER)
        ended = time.perf_counter()
    return {
        "seconds": ended - connected,
        "connect_seconds": round(connected - begin, 3),
        "read_seconds": round(read - connected, 3),
        "parse_seconds": round(parsed - read, 3),
        "compare_seconds": round(ended - parsed, 3),
        "document_bytes": len(document),
        "changes": len(made.changes),
        "rules": made.rule_count,
    }


def listing(folder: str) -> dict[str, Any]:
    """Ask for the table's listing over an open connection, and load its JSON."""
    opened = ssh.SshSession(
        target(folder), device_type="terminal_server", read_only=False, progress=_quiet
    )
    begin = time.perf_counter()
    answer = opened.run("/usr/sbin/nft -j list table inet segctl", timeout=600)
    entries = len(json.loads(answer.out)["nftables"])
    seconds = time.perf_counter() - begin
    opened.close()
    return {"seconds": seconds, "entries": entries, "bytes": len(answer.out)}


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "apply": apply,
    "bare": bare,
    "least": least,
    "lines": lines,
    "plan": plan,
    "listing": listing,
}


def run(made: gateway.Gateway, contender: str, *arguments: object) -> dict[str, Any]:
    """Run a contender on the management host and return what it says of itself."""
    words = [sys.executable, __file__, contender, str(made.folder), *map(str, arguments)]
    done = subprocess.run(made.inside("mgt", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{contender} failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
