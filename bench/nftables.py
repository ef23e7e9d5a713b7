"""nftables on a real kernel behind a real sshd: applying, reading back, forwarding."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import gateway, over_ssh
from bench.measure import Case, Claim

from segctl.planning.make import plan_device
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.document import Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.gateway import Gateway

_SENDER = """
import socket, sys, time
target, seconds, fresh = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "fresh"
def opened():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((target, 5000)); return s
s, sent, begin = opened(), 0, time.perf_counter()
while time.perf_counter() - begin < seconds:
    for _ in range(50):
        if fresh:
            s.close(); s = opened()
        try:
            s.send(b"x" * 64)
        except OSError:
            pass
        sent += 1
print(sent, time.perf_counter() - begin)
"""
#: Holds the port, so that no packet is answered; what arrived the interface counts.
_RECEIVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5000))
print("ready", flush=True)
sys.stdin.readline()
"""


def _skippable(case: Case, work: Callable[[Gateway], None]) -> Case:
    """Do the work on a gateway; where there can be none, say why in the document."""
    reason = gateway.refused()
    if reason:
        case.results.append({"skipped": reason})
        return case
    with gateway.gateway() as made:
        work(made)
    return case


def nft_apply(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Apply a first policy: segctl, nft -f of the same file, netmiko line by line."""
    case = Case("apply n new rules to a Linux gateway over SSH; SSH connects are left out")
    # rules, rounds, whether also line by line
    sizes = [(20, 1, True)] if quick else [(1_000, 3, True), (10_000, 2, False)]

    def work(made: Gateway) -> None:
        for rules, rounds, typed in sizes:
            _apply_one(case, made, rules, rounds, typed=typed)

    return _skippable(case, work)


def _apply_one(case: Case, made: Gateway, rules: int, rounds: int, *, typed: bool) -> None:
    ours: list[dict[str, Any]] = []
    bare: list[dict[str, Any]] = []
    least: list[dict[str, Any]] = []
    for _ in range(rounds):
        made.empty()
        ours.append(over_ssh.run(made, "apply", rules))
        for name, runs in (("bare", bare), ("least", least)):
            made.empty()
            runs.append(over_ssh.run(made, name, made.folder / "script.nft"))
    result: dict[str, Any] = {
        "rules": rules,
        "rounds": rounds,
        "segctl": ours[-1] | {"seconds": _median(ours)},
        "nft -f of the same file": bare[-1] | {"seconds": _median(bare)},
        "nft -c, nft -f and nft -j list": least[-1] | {"seconds": _median(least)},
    }
    pairs = [(one, other) for one, other in zip(ours, bare, strict=True)]
    case.claims += [
        Claim(
            text=f"{rules} rules: the whole apply as a multiple of nft -f of the same file",
            value=median(one["seconds"] / other["seconds"] for one, other in pairs),
            relation="<=",
            target=1.5,
        ),
        Claim(
            text=f"{rules} rules: the push alone as a multiple of nft -f of the same file",
            value=median(one["push_seconds"] / other["seconds"] for one, other in pairs),
            relation="<=",
            target=1.5,
        ),
        Claim(
            text=f"{rules} rules: applied and nft -f accepted, of {rounds}",
            value=sum(one["status"] == "applied" and not two["code"] for one, two in pairs),
            relation="==",
            target=rounds,
        ),
    ]
    if typed:
        made.empty()
        lines = over_ssh.run(made, "lines", rules)
        result["netmiko send_config_set, one rule a line"] = lines
        case.claims.append(
            Claim(
                text=f"{rules} rules: times faster than netmiko send_config_set",
                value=lines["seconds"] / _median(ours),
                relation=">=",
                target=1,
            )
        )
    case.results.append(result)


def _median(runs: list[dict[str, Any]]) -> float:
    return round(median(float(one["seconds"]) for one in runs), 3)


def nft_plan(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Read a gateway back that holds what it should, and plan."""
    rules, rounds = (20, 1) if quick else (10_000, 3)
    case = Case("read back and plan without changes over SSH; the SSH connect is left out")

    def work(made: Gateway) -> None:
        over_ssh.run(made, "apply", rules)
        ours: list[dict[str, Any]] = []
        bare: list[dict[str, Any]] = []
        for _ in range(rounds):
            ours.append(over_ssh.run(made, "plan", rules))
            bare.append(over_ssh.run(made, "listing"))
        case.results.append(
            {
                "rules": rules,
                "rounds": rounds,
                "segctl": ours[-1] | {"seconds": _median(ours)},
                "nft -j list table, json.loads": bare[-1] | {"seconds": _median(bare)},
            }
        )
        case.claims += [
            Claim(
                text="changes planned",
                value=sum(one["changes"] for one in ours),
                relation="==",
                target=0,
            ),
            Claim(text="rules read", value=ours[-1]["rules"], relation="==", target=rules),
        ]

    return _skippable(case, work)


def nft_forward(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Forward small packets under our tables and under linear ones of the same size."""
    sizes, rounds, seconds = ((10, 20), 1, 0.1) if quick else ((10, 1_000, 10_000), 3, 1.0)
    case = Case(
        "UDP packets of 64 bytes a second through the kernel, one host to another; the rule that "
        "permits them is the last of its zone pair, in the linear ruleset the last of all"
    )

    def work(made: Gateway) -> None:
        scripts = {size: _script(size) for size in sizes}
        found: dict[int, dict[str, dict[str, list[float]]]] = {
            size: {one: {"steady": [], "fresh": []} for one in ("segctl", "linear")}
            for size in sizes
        }
        for _ in range(rounds):
            for size, runs in found.items():
                for one, rates in runs.items():
                    made.empty()
                    text = scripts[size] if one == "segctl" else gateway.linear(size)
                    made.run("fw", "nft", "-f", "-", text=text)
                    for kind, values in rates.items():
                        values.append(_rate(made, seconds, kind))
        for size, runs in found.items():
            case.results.append(
                {"rules": size, "rounds": rounds}
                | {
                    f"{one}, {words}": round(median(rates[kind]))
                    for one, rates in runs.items()
                    for kind, words in _KINDS.items()
                }
            )
        for one, least in (("segctl", 0.5),):
            kept = median(found[sizes[-1]][one]["steady"]) / median(found[sizes[0]][one]["steady"])
            text = f"{one}: packets of known connections at {sizes[-1]} rules over {sizes[0]}"
            case.claims.append(Claim(text=text, value=kept, relation=">=", target=least))
        beside = [median(found[sizes[-1]][one]["steady"]) for one in ("segctl", "linear")]
        case.claims.append(
            Claim(
                text=f"{sizes[-1]} rules: packets as a multiple of the linear ruleset's",
                value=beside[0] / max(beside[1], 1.0),
                relation=">=",
                target=1,
            )
        )

    return _skippable(case, work)


def _script(rules: int) -> str:
    """Return what makes an empty gateway hold a policy."""
    provider, wanted = NftablesProvider(), gateway.desired(rules)
    links = [{"ifname": port} for zone in wanted.device.zones for port in zone.interfaces]
    nothing = '{"nftables": []}'
    document = Document(
        host="gw",
        nft="nftables v1.0.6",
        kernel="",
        hostname="gw",
        machine="",
        table="",
        chains=nothing,
        links=json.dumps(links),
        foreign={},
    )
    return plan_device(wanted, provider.parse(document.dump()), provider).script


_KINDS = {"steady": "one connection", "fresh": "a connection a packet"}


def _rate(made: Gateway, seconds: float, kind: str) -> float:
    """Return packets a second that arrived."""
    with subprocess.Popen(
        made.inside("h1", sys.executable, "-c", _RECEIVER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as receiver:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        before = _arrived(made)
        sent = made.run(
            "h0", sys.executable, "-c", _SENDER, gateway.SERVER, str(seconds), kind
        ).split()
        after = _arrived(made)
        receiver.communicate("\n")
    return (after - before) / float(sent[1])


def _arrived(made: Gateway) -> int:
    found: list[dict[str, Any]] = json.loads(
        made.run("h1", "ip", "-j", "-s", "link", "show", "eth0")
    )
    return int(found[0]["stats64"]["rx"]["packets"])
