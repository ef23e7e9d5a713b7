"""No connection mark ever means two policies: sequences of changes on a kernel, with packets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decider
from segctl.compiler.build import compile_site
from segctl.inventory import load
from segctl.providers.nftables import NftablesProvider, former
from segctl.providers.nftables.build import Former, Names, by_pair
from segctl.providers.nftables.render import script, transactions
from segctl.providers.nftables.table import Table
from segctl.testing import TODAY
from support import probes
from support.lab import Lab, conduit, lines
from support.nft_harness import QUIET_CHECKS, document, thorough
from support.tokens import TOKENS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.analysis.decide import Decision
    from segctl.providers.nftables.parse import NftLive

#: Who asks whom on which port; policies permit some of them.
FLOWS = (
    ("supv1", "ctrl1", 53),
    ("supv1", "ctrl1", 99),
    ("supv2", "ctrl1", 53),
    ("supv1", "ctrl2", 53),
    ("ctrl1", "supv1", 99),
    ("dmz1", "ctrl1", 53),
)
HOSTS = ("supv1", "supv2", "ctrl1", "ctrl2", "dmz1")
#: The ports that connections come from which are kept from step to step.
OLD = 40000
#: Those of connections made anew at each step.
NEW = range(41000, 41080)
Policy = frozenset[int]
ALL: Policy = frozenset(range(len(FLOWS)))

#: Pushes a policy, waits for a line, and goes back or leaves it to the guard; argv: folder of keys.
#: A line of stdin: ``{"how": "revert" or "guard", "inventory": path}``.
_PUSHER = """
import json, sys
from datetime import date
from pathlib import Path
from segctl.compiler.build import compile_site
from segctl.transports.credentials import Secret
from segctl.inventory import load
from segctl.planning.make import plan_device
from segctl.transports.target import Target
from segctl.providers.nftables import NftablesProvider, former
from segctl.providers.nftables.build import Former, Names, by_pair
from segctl.providers.nftables.render import script, transactions
from segctl.providers.nftables.table import Table
provider, folder = NftablesProvider(), Path(sys.argv[1])
target = Target(name="fw", host="10.99.0.1", port=22, user="root", password=Secret(""),
                key_file=folder / "user_key", known_hosts=(folder / "known_hosts",))
for line in sys.stdin:
    asked = json.loads(line)
    site = load([Path(asked["inventory"])], today=date(2026, 1, 1)).site
    wanted = compile_site(site, date(2026, 1, 1))["fw"]
    with provider.connect(target, read_only=False) as session:
        made = plan_device(wanted, provider.parse(session.read()), provider)
        if made.script:
            with session.lock():
                session.push(made.script, revert_in=3 if asked["how"] == "guard" else 60)
                print("pushed")
                sys.stdin.readline()
                if asked["how"] == "revert":
                    session.revert()
        else:
            print("nothing")
"""


@dataclass(slots=True)
class Plant:
    """The lab with a sender on every host, and what its firewall should permit now."""

    lab: Lab
    hosts: Mapping[str, subprocess.Popen[str]]
    pusher: subprocess.Popen[str]
    #: permits everything while there is no table
    policy: Policy | None = None
    round: int = 0
    echo: list[subprocess.Popen[str]] = field(default_factory=list["subprocess.Popen[str]"])
    saved: list[tuple[Policy | None, str]] = field(
        default_factory=list[tuple["Policy | None", str]]
    )

    # -- policies -----------------------------------------------------------------------------

    def inventory(self, policy: Policy) -> str:
        """Write the inventory of a policy; return its folder."""
        text = "".join(
            conduit(
                f"c{number}",
                source[:-1],
                target[:-1],
                f"{{f: {{source: [{source}], destination: [{target}], services: [udp/{port}]}}}}",
            )
            for number, (source, target, port) in enumerate(FLOWS)
            if number in policy
        ) + conduit("kept", "dmz", "ent", "{f: {services: [udp/53]}}")
        return str(self.lab.inventory(text, f"p{sum(1 << one for one in policy)}"))

    def decide(self) -> Callable[[Packet], Decision] | None:
        """Return what decides for the policy as it is now."""
        if self.policy is None:
            return None
        folder = self.lab.folder / f"p{sum(1 << one for one in self.policy)}"
        wanted = compile_site(load([folder], today=TODAY).site, TODAY)["fw"]
        return decider(NftablesProvider().fit(wanted.policy, wanted.device)[0])

    def permits(self, source: str, target: str, version: int, port: int) -> bool:
        """Whether the policy as it is now permits who asks whom."""
        decide = self.decide()
        if decide is None:
            return True
        found = decide(
            Packet(
                from_zone=source[:-1].upper(),
                to_zone=target[:-1].upper(),
                source=ip_address(self.lab.address(source, version)),
                destination=ip_address(self.lab.address(target, version)),
                protocol="udp",
                port=port,
            )
        )
        return found.action == "allow"

    # -- steps --------------------------------------------------------------------------------

    def listing(self) -> str:
        """Return our table as nft writes it; empty where no packet meets anything of ours."""
        if "inet segctl" not in self.lab.nft("list", "tables"):
            return ""
        found = self.lab.nft("-s", "list", "table", "inet", "segctl")
        return found if "chain" in found else ""

    def do(self, step: Sequence[Any]) -> None:
        """Do one step of a sequence."""
        match step:
            case ("apply", policy):
                done = self.lab.segctl(
                    self.lab.folder / self.inventory(policy),
                    "apply",
                    "--auto-approve",
                    "--allow-mass-delete",
                )
                assert done.returncode == 0, done.stdout + done.stderr
                self.policy = policy
                self.saved.append((policy, self.lab.nft("list", "table", "inet", "segctl")))
            case ("revert" | "guard" as how, policy):
                self._push(how, policy)
            case ("flush",):
                self.lab.nft("flush", "ruleset")
                self.policy = None
            case ("rebuild",) if self.policy is not None:
                # a frame changed by hand is made anew, in one transaction
                mine = "add chain inet segctl mine { type filter hook forward priority 9; }\n"
                self.lab.nft("-f", "-", stdin=mine)
                self.do(("apply", self.policy))
            case ("restore",) if self.saved:
                # another tool loads a copy of an earlier table
                self.policy, text = self.saved[0]
                self.lab.nft(
                    "-f", "-", stdin=f"table inet segctl\ndelete table inet segctl\n{text}"
                )
            case ("mark", value):
                self._mark(value)
            case _:
                pass

    def _push(self, how: str, policy: Policy) -> None:
        before = self.listing()
        asked = {"how": how, "inventory": self.inventory(policy)}
        lines(self.pusher.stdin).write(json.dumps(asked) + "\n")
        lines(self.pusher.stdin).flush()
        said = lines(self.pusher.stdout).readline()
        if said == "nothing\n":
            return
        assert said == "pushed\n", said
        held, self.policy = self.policy, policy
        if how == "revert":
            self.check()
        else:  # the guard may be first: what passes now is not known
            self._exchange(self._packets("ask")[0], {host: set() for host in HOSTS})
        self.policy = held
        lines(self.pusher.stdin).write("\n")
        lines(self.pusher.stdin).flush()
        deadline = time.monotonic() + 60
        while self.listing() != before:
            assert time.monotonic() < deadline, f"{how} did not put the table back"
            time.sleep(0.1)

    def _mark(self, value: int) -> None:
        """Let a foreign rule set the mark of every connection for a while."""
        self.lab.nft(
            "-f", "-",
            stdin="table inet foreign {\n chain each { type filter hook prerouting priority -150;"
            f" ct mark set {value << 16:#x};\n }}\n}}\n",
        )  # fmt: skip
        try:
            self.check()
        finally:
            self.lab.nft("delete", "table", "inet", "foreign")

    # -- packets ------------------------------------------------------------------------------

    def check(self) -> None:
        """Let a packet of every connection go in both directions, and of new ones; expect."""
        self.round += 1
        for direction in ("ask", "answer"):
            sent, wanted = self._packets(direction)
            found = self._exchange(sent, wanted)
            assert found == wanted, (self.policy, direction)

    def _packets(self, direction: str) -> tuple[dict[str, list[list[object]]], dict[str, set[str]]]:
        """Return by host what it is to send, and which tokens should arrive there."""
        fresh = NEW[self.round % len(NEW)]
        sent: dict[str, list[list[object]]] = {host: [] for host in HOSTS}
        wanted: dict[str, set[str]] = {host: set() for host in HOSTS}
        for number, (source, target, port) in enumerate(FLOWS):
            for version in (4, 6):
                passes = self.permits(source, target, version, port)
                for near in (OLD + number, fresh):
                    token = f"{number} v{version} {near} {direction}"
                    ends = [(source, near), (target, port)]
                    (one, here), (other, there) = ends if direction == "ask" else ends[::-1]
                    sent[one].append([here, self.lab.address(other, version), there, token])
                    wanted[other] |= {token} if passes else set()
        return sent, wanted

    def _exchange(
        self, sent: Mapping[str, list[list[object]]], wanted: Mapping[str, Iterable[str]]
    ) -> dict[str, set[str]]:
        for host in HOSTS:
            self._tell(host, {"send": sent[host]})
        for host in HOSTS:
            assert lines(self.hosts[host].stdout).readline() == "[]\n"
        for host in HOSTS:
            self._tell(host, {"want": sorted(wanted[host]), "quiet": 0.15})
        return {host: set(json.loads(lines(self.hosts[host].stdout).readline())) for host in HOSTS}

    def _tell(self, host: str, command: object) -> None:
        lines(self.hosts[host].stdin).write(json.dumps(command) + "\n")
        lines(self.hosts[host].stdin).flush()

    def begin(self) -> None:
        """Begin with a table that permits every connection, and has marked each."""
        self.saved.clear()
        self.do(("flush",))
        self.do(("apply", ALL))
        self.check()

    def run(self, steps: Iterable[Sequence[Any]]) -> None:
        """Begin, and do a sequence of steps."""
        self.begin()
        self.run_on(steps)

    def run_on(self, steps: Iterable[Sequence[Any]]) -> None:
        """Do a sequence of steps; after each, a packet passes if and only if it may."""
        for step in steps:
            self.do(step)
            self.check()


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Plant:
    """The lab with a sender on every host."""
    ports = [53, 99, *(OLD + number for number in range(len(FLOWS))), *NEW]
    hosts = {host: lab.python(host, TOKENS, *map(str, ports)) for host in HOSTS}
    for host in hosts.values():
        assert lines(host.stdout).readline() == "ready\n"
    return Plant(lab, hosts, lab.python("mgt", _PUSHER, str(lab.folder)))


POLICIES = st.frozensets(st.integers(0, len(FLOWS) - 1))
STEPS = st.one_of(
    st.tuples(st.just("apply"), POLICIES),
    st.tuples(st.just("revert"), POLICIES),
    st.tuples(st.just("guard"), POLICIES),
    st.tuples(st.just("mark"), st.integers(1, 8)),
    st.sampled_from([("flush",), ("rebuild",), ("restore",)]),
)


def test_a_packet_passes_if_and_only_if_the_policy_as_it_is_now_permits_it(plant: Plant) -> None:
    @settings(
        max_examples=60 if thorough() else 4,
        deadline=None,
        # a step takes a second: what fails is told as it was found
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=QUIET_CHECKS,
    )
    @given(st.lists(STEPS, min_size=2, max_size=6))
    def law(steps: list[Sequence[Any]]) -> None:
        plant.run(steps)

    law()


@pytest.mark.parametrize(
    "steps",
    [
        # revoked, another tool flushes, applied again; and once more with another policy
        [("apply", ALL - {0}), ("flush",), ("apply", ALL - {0}), ("apply", ALL - {0, 2})],
        # flushed, then what revokes is applied
        [("flush",), ("apply", ALL - {0})],
        [("apply", frozenset({0})), ("flush",), ("apply", frozenset({1}))],
        # taken back after it was live, then any other apply
        [("apply", ALL - {0}), ("revert", ALL), ("apply", ALL - {0, 2})],
        [("apply", ALL - {0}), ("guard", ALL), ("apply", ALL - {0, 2})],
        # an old copy of the table, and then what it did not know
        [("apply", ALL - {0}), ("apply", ALL), ("restore",), ("apply", ALL - {0, 3})],
        # made anew after a hand was in it
        [("apply", ALL - {0}), ("rebuild",)],
        # a foreign rule gives every connection the mark of one that may pass
        [("apply", frozenset({1, 2})), *(("mark", value) for value in range(1, 7))],
    ],
    ids=str,
)
def test_sequences_that_once_let_revoked_connections_pass(
    plant: Plant, steps: Sequence[Sequence[Any]]
) -> None:
    plant.run(steps)


def streaming(plant: Plant) -> subprocess.Popen[str]:
    """Start a stream of datagrams that every policy permits."""
    if not plant.echo:
        plant.echo.append(plant.lab.python("ent1", probes.ECHO, "53"))
        assert lines(plant.echo[0].stdout).readline() == "ready\n"
    stream = plant.lab.python("dmz1", probes.STREAM, plant.lab.address("ent1"), "53", "600", "500")
    assert lines(stream.stdout).readline() == "ready\n"
    return stream


def lost(stream: subprocess.Popen[str]) -> int:
    """Stop a stream; return how many of its datagrams were lost."""
    sent, gone = map(int, stream.communicate("stop\n", timeout=120)[0].split())
    assert sent > 100
    return gone


def test_a_stream_that_stays_permitted_loses_nothing_in_applies(plant: Plant) -> None:
    plant.begin()
    stream = streaming(plant)
    for policy in (ALL - {0}, frozenset({1}), frozenset[int](), ALL):
        plant.do(("apply", policy))
    assert lost(stream) == 0


def test_the_former_format_becomes_this_one_without_a_cut(plant: Plant) -> None:
    plant.begin()
    policy = ALL - {0}
    plant.do(("apply", policy))
    listed = plant.lab.nft("-j", "list", "table", "inet", "segctl")
    live = cast("NftLive", NftablesProvider().parse(document(listed)))
    marks = {pair: Former(plain=9) for pair in by_pair(live.policy.rules)}
    given = Names(former=marks, sets=live.names.sets)
    plant.lab.nft("delete", "table", "inet", "segctl")
    for part in transactions(script(Table(), former.build(live.policy, given))):
        plant.lab.nft("-f", "-", stdin=part)
    plant.check()  # every connection that may pass has the mark of its pair
    stream = streaming(plant)
    folder = plant.lab.folder / plant.inventory(policy)
    assert "format 1" in plant.lab.segctl(folder, "plan").stdout
    plant.run_on([("apply", policy)])
    assert lost(stream) == 0
    done = plant.lab.segctl(folder, "plan", "--detailed-exitcode")
    assert done.returncode == 0, done.stdout
