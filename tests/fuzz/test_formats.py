"""Whatever a file holds: it is read, or refused in a sentence that names it, and soon.

`make fuzz` gives every format a minute instead of a second.
"""

from __future__ import annotations

import base64
import hmac
import io
import json
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, cast

import asyncssh
import paramiko
import pytest
import yaml

from cli_support import write_plant
from segctl.cli import run
from segctl.compiler.build import compile_site
from segctl.drift.baseline import read_baseline
from segctl.drift.history import Filter, entries, opened, record, run_of
from segctl.drift.items import DriftItem
from segctl.drift.report import DeviceDrift, DriftReport
from segctl.evidence.decisions import read_decisions
from segctl.fleet.tasks import judge
from segctl.inventory import VaultSecrets, load, read_inventory
from segctl.inventory.vault import encrypt
from segctl.model.errors import SegctlError
from segctl.model.site import Conduit, Flow, Site
from segctl.notify.templates import template
from segctl.operations.discover import leased_of, names_of
from segctl.operations.evidence_folder import checked
from segctl.planning.documents import digest_of, load_plan
from segctl.planning.documents import plan_file as plan_text
from segctl.planning.make import make_plan
from segctl.planning.plan import Intent
from segctl.planning.snapshot import load_snapshot, snapshot_of
from segctl.playbook import read_checks, read_playbook
from segctl.playbook.run.state import State, load_state
from segctl.providers.nftables import NftablesProvider
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.snapshot import load as panos_parts
from segctl.report.drawing.stamp import stamp_of
from segctl.signing import open_key, verify
from segctl.signing.trusted import matches, read_trusted
from segctl.system.chain import Head, linked
from segctl.testing import reach
from segctl.transports.credentials import Secret
from segctl.transports.host_keys import lookup, shown
from segctl.transports.ssh_login import (
    _known,  # pyright: ignore[reportPrivateUsage] - what judges a host, without a line to one
)
from segctl.transports.target import Target
from segctl_mocks import PanosMock
from segctl_mocks.linux.mock import LinuxMock
from support import nft, panos
from support.fuzz import Format, Mutate, by_byte, by_value, by_word, change_values, fuzz
from support.nft_harness import INTERFACES, MockMachine, NftHarness
from support.records import RECORDS, groups, look
from support.signatures import minisign_keys, never, ssh_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from asyncssh import SSHKey

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGCTL_JOURNAL", "journal.jsonl")
    monkeypatch.setenv("SEGCTL_TRACEBACK", "1")  # a defect is raised, not told
    return tmp_path


def said(*words: str) -> str:
    """Run a command and return what it writes, as a terminal or a file would have to take it."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with redirect_stdout(stream), redirect_stderr(stream):
        assert run(words) in {0, 1, 2}
    stream.seek(0)
    found = stream.read()
    assert "a defect in segctl" not in found
    return found


def reader(file: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Return what reads content from a file of this name."""

    def from_file(data: bytes) -> object:
        path = Path(file)
        path.write_bytes(data)
        return read(path)

    return from_file


def sealed(made: Any) -> Any:
    """Give a document the digest that fits it, where one can be made."""
    try:
        return {**made, "digest": digest_of(made)}
    except (TypeError, ValueError, RecursionError):
        return made


# --- what segctl writes itself -------------------------------------------------------------------


def panos_document() -> bytes:
    with PanosMock("fw1", job_seconds=0.0) as mock:
        panos.boot(mock)
        target = panos.target_of(mock)
        with PanosProvider().connect(target, read_only=True) as session:
            return session.read()


def nft_document() -> bytes:
    with LinuxMock("fw", interfaces=INTERFACES) as mock:
        harness = NftHarness(MockMachine(mock))
        with harness.workbench() as bench:
            reach(harness, bench, nft.desired(flow()))
            with harness.provider.connect(bench.target, read_only=True) as session:
                return session.read()


def flow() -> Flow:
    return Flow(
        id="f",
        sources=(nft.asset("supv", "a1"),),
        destinations=(nft.asset("ctrl", "a1"),),
        services=(nft.tcp(502),),
    )


def plan_file(folder: Path) -> Format:
    del folder
    wanted = compile_site(panos_site(), TODAY)["fw1"]
    made = make_plan([judge(wanted, panos_document())], Intent(digest="sha256:0"), now=NOW)

    def read(path: Path) -> None:
        load_plan(path)
        said("show", str(path))
        said("show", str(path), "--json")

    return Format(
        name="plan",
        samples=[plan_text(made).encode()],
        read=reader("plan.json", read),
        told="plan.json",
        mutations=(by_byte, by_word, by_value(sealed), by_value(sealed)),
    )


def panos_site() -> Site:
    conduit = Conduit(
        site="site", id="c1", from_zones=("site/supv",), to_zones=("site/ctrl",), reason="r",
        owner="o", flows=(flow(),),
    )  # fmt: skip
    return Site(zones=nft.zones(), conduits=(conduit,), devices=(panos.firewall(),))


def snapshot_file(folder: Path) -> Format:
    del folder
    made = snapshot_of("fw1", "vsys1", panos_document(), PanosProvider(), now=NOW)
    wanted = compile_site(panos_site(), TODAY)["fw1"]

    def read(path: Path) -> None:
        found = load_snapshot(path)
        with suppress(SegctlError):  # of the device that it says it is of
            judge(wanted, found.document.encode())

    return Format(
        name="snapshot",
        samples=[made.dumps().encode()],
        read=reader("fw1.snapshot.json", read),
        told="fw1.snapshot.json",
        mutations=(by_byte, by_value(sealed)),
    )


def state_file(folder: Path) -> Format:
    play = folder / "play.yml"
    play.write_text("- hosts: all\n  tasks:\n    - segctl.segctl.segctl_apply: {}\n")
    playbook = read_playbook(play)
    state = State(
        rollout_id="r", playbook="play.yml", digest=playbook.digest, reviewed=("a", "b"),
        done={1: frozenset({"fw1"})}, begun={1: frozenset({"fw2"})}, soak_until=NOW,
    )  # fmt: skip

    def read(path: Path) -> None:
        found = load_state(path, playbook)
        assert found.soak_until is None or found.soak_until < datetime.max.replace(tzinfo=UTC)
        assert found.after((), None).beginning(1, ["fw1"]).dumps().encode()

    return Format(
        name="state",
        samples=[state.dumps().encode()],
        read=reader("state.json", read),
        told="state.json",
        mutations=(by_byte, by_word, by_value(), by_value()),
    )


# --- what people write ---------------------------------------------------------------------------


def as_yaml(*more: Mutate) -> tuple[Mutate, ...]:
    """Return what breaks YAML: by the byte, and by the value, for YAML holds all of JSON."""

    def by_values(chance: Random, data: bytes) -> bytes:
        made = change_values(chance, yaml.safe_load(data))
        return json.dumps(made, default=str).encode()

    return (by_byte, by_word, by_values, by_values, *more)


def inventory_file(name: str, told: str = "") -> Callable[[Path], Format]:
    def made(folder: Path) -> Format:
        write_plant(folder)
        sample = (folder / name).read_bytes()

        def read(_path: Path) -> None:
            loaded = load([folder / "hosts.yml"], today=TODAY)
            compile_site(loaded.site, TODAY)
            said("inventory", "--list", "-i", str(folder / "hosts.yml"))

        # errors about what another file lacks then name that one
        return Format(
            name=f"inventory {name}", samples=[sample], read=reader(name, read), told=told,
            mutations=as_yaml(),
        )  # fmt: skip

    return made


def ini_file(folder: Path) -> Format:
    del folder
    sample = dedent("""\
        # the plant
        lonely ansible_host=10.0.0.1 x='a b' y="c"

        [web]
        fw[01:03] ansible_port=22 flag=yes number=0x1f list=[1,2]
        [db:children]
        web
        [db:vars]
        a=1
        b={"x": [1, 2]}
        """)

    def read(path: Path) -> None:
        read_inventory([path])
        said("inventory", "--list", "-i", str(path))

    return Format(
        name="ini", samples=[sample.encode()], read=reader("hosts.ini", read), told="hosts.ini"
    )


def vaulted_file(folder: Path) -> Format:
    password = Secret("pw")
    (folder / "hosts.yml").write_text("all: {hosts: {h: {ansible_network_os: nftables}}}\n")
    (folder / "host_vars").mkdir()
    samples = [encrypt("a: 1\n", password), encrypt("a: 1\n", password, "other")]

    def read(_path: Path) -> None:
        load([folder / "hosts.yml"], vault=VaultSecrets.of("pw"), today=TODAY)

    return Format(
        name="vault", samples=[one.encode() for one in samples],
        read=reader("host_vars/h.yml", read), told="h.yml",
    )  # fmt: skip


def extra_variables(folder: Path) -> Format:
    (folder / "hosts.yml").write_text("all: {hosts: {h: {ansible_network_os: nftables}}}\n")

    def read(data: bytes) -> None:
        text = data.decode(errors="surrogateescape").replace("\0", "")
        if not text.startswith("@"):
            load([folder / "hosts.yml"], extra_vars=[text], today=TODAY)

    samples = [b"a=1 b='x y'", b'{"a": [1, 2]}', b"{a: 1}"]
    return Format(name="extra", samples=samples, read=read, told="")


PLAYBOOK = """\
- name: Canary
  hosts: [waterworks, "!edge-fw"]
  serial: [1, "30%"]
  max_fail_percentage: 12.5%
  tags: net, canary
  vars: {segctl_unmanaged: report}
  window:
    - {days: [mon, tue], from: "22:00", to: "04:00", timezone: Europe/Berlin}
  soak: 10m
  revert_in: 2h
  verify:
    - {tcp: "10.20.1.11:502", expect: closed, timeout: 2, retries: 0}
    - icmp: plc1
    - check: {from: scada1, to: control/plc1, port: 502, application: modbus.read, user: a}
    - {command: <show><x/></show>, expect: "~a+", platform: panos}
  tasks:
    - segctl_apply: {allow_purge: true}
    - segctl.segctl.segctl_drift: {baseline: accepted.yml, fail_on_drift: yes}
"""
CHECKS = """\
- check: {from: scada1, to: control/plc1, port: 502, application: modbus.read}
- {check: {from: a, to: b, protocol: udp}, expect: deny}
"""
BASELINE = """\
- device: fw1
  kind: rule
  name: Test Rule
  owner: jane
  expires: 2027-01-31
  reason: being moved
  fingerprint: sha256:0123456789abcdef
"""


def yaml_file(name: str, sample: str, read: Callable[[Path], object]) -> Callable[[Path], Format]:
    def made(folder: Path) -> Format:
        del folder
        return Format(
            name=name, samples=[sample.encode()], read=reader(f"{name}.yml", read),
            told=f"{name}.yml", mutations=as_yaml(),
        )  # fmt: skip

    return made


def formatted(folder: Path) -> Format:
    write_plant(folder)
    samples = [path.read_bytes() for path in sorted(folder.rglob("*.yml"))]

    def read(path: Path) -> None:
        said("fmt", "--check", str(path))

    return Format(name="fmt", samples=samples, read=reader("any.yml", read), told="any.yml")


def webhook_template(folder: Path) -> Format:
    del folder
    return Format(
        name="template",
        samples=[b'{"text": "$headline", "n": "${drifted}", "p": "$$5"}'],
        read=reader("hook.json", lambda path: template(str(path))),
        told="hook.json",
    )


# --- keys and signatures -------------------------------------------------------------------------


def trusted_keys(folder: Path) -> Format:
    ssh, mini = ssh_keys(folder), minisign_keys(folder)
    lines = [
        b'# of the plant\n*@plant,!eve@plant namespaces="segctl-plan,file",valid-after="20260101",'
        b'valid-before="20270101Z" ' + ssh.public.encode() + b" jane's\n",
        ssh.trusted.read_bytes(),
        mini.trusted.read_bytes(),
    ]

    def read(data: bytes) -> None:
        for key in read_trusted(data, Path("keys")).ssh:
            key.refusal("segctl-plan", NOW)
            matches(key.principals, "jane@plant")

    return Format(name="trusted", samples=[b"".join(lines), *lines], read=read, told="keys")


def signature(kind: str) -> Callable[[Path], Format]:
    def made(folder: Path) -> Format:
        keys = ssh_keys(folder) if kind == "ssh" else minisign_keys(folder)
        file = folder / "plan.json"
        file.write_bytes(b"{}")
        sample = open_key(keys.secret, never)(b"{}", file.name)

        def read(_path: Path) -> None:
            verify(b"{}", file, keys.trusted, NOW)

        return Format(
            name=f"signature {kind}", samples=[sample.text],
            read=reader(sample.beside(file).name, read), told="plan.json",
        )  # fmt: skip

    return made


# --- who a device is -----------------------------------------------------------------------------

#: What nothing broken before it may hide.
INTACT = "intact.plant.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Public keys in SSH's encoding: of a host, an authority and somebody else; a certificate."""

    host: bytes
    authority: bytes
    stranger: bytes
    certificate: bytes
    lines: bytes


def new_key(kind: str) -> SSHKey:
    library: Any = asyncssh  # its types are not whole
    made: SSHKey = library.generate_private_key(kind)
    return made


def host_keys() -> Keys:
    kinds = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-ed25519")
    made = [new_key(kind) for kind in kinds]
    host, authority, stranger, stolen = (key.export_public_key().split()[:2] for key in made)
    certificate = made[1].generate_host_certificate(made[0], "id", principals=["fw1", "fw2.*"])
    salt = base64.b64encode(bytes(20)).decode()
    name = base64.b64encode(hmac.digest(bytes(20), b"fw1", "sha1")).decode()
    lines = [
        b"# of the plant",
        b"fw1,10.0.0.1,[fw1]:2222 " + b" ".join(host) + b" a comment",
        b"|1|%s|%s " % (salt.encode(), name.encode()) + b" ".join(host),
        b"@cert-authority *.plant.example,!bad.plant.example " + b" ".join(authority),
        b"@revoked * " + b" ".join(stolen),
        b"fw?.*,2001:db8::1 " + b" ".join(authority),
    ]
    return Keys(
        host=base64.b64decode(host[1]),
        authority=base64.b64decode(authority[1]),
        stranger=base64.b64decode(stranger[1]),
        certificate=base64.b64decode(certificate.export_certificate().split()[1]),
        lines=b"\n".join(lines) + b"\n",
    )


def objection(file: Path, blob: bytes) -> str:
    """Return why a host that shows this key is refused; empty where it is not."""
    proof = _known(Target(name="fw1", host="fw1", port=2222, known_hosts=(file,)))
    with suppress(paramiko.SSHException):
        proof.check(blob)
    return proof.refusal


def known_hosts(folder: Path) -> Format:
    keys = host_keys()
    own = new_key("ssh-ed25519").export_public_key().split()[:2]
    intact = f"\n{INTACT} ".encode() + b" ".join(own) + b"\n"

    def read(path: Path) -> None:
        path.write_bytes(path.read_bytes() + intact)
        for blob in (keys.host, keys.certificate):
            objection(folder / path, blob)
        assert objection(folder / path, keys.stranger)  # no damage makes it one that is trusted
        found = lookup([path.read_bytes()], INTACT)
        assert base64.b64decode(own[1]) in found.keys

    return Format(
        name="known_hosts", samples=[keys.lines, *keys.lines.splitlines(keepends=True)],
        read=reader("known_hosts", read), told="known_hosts",
    )  # fmt: skip


def host_certificate(folder: Path) -> Format:
    keys = host_keys()
    (folder / "known_hosts").write_bytes(keys.lines)

    def read(data: bytes) -> None:
        with suppress(ValueError):  # what the caller tells of the host
            seen = shown(data)
            assert str(seen)
            if seen.certificate is not None:
                assert seen.key == keys.host
                assert seen.certificate.signing_key.public_data == keys.authority
        if not objection(folder / "known_hosts", data):
            assert shown(data).key == keys.host

    return Format(
        name="host certificate", samples=[keys.certificate, keys.host], read=read, told=""
    )


# --- what devices answer -------------------------------------------------------------------------


def panos_answers(folder: Path) -> Format:
    del folder
    wanted = compile_site(panos_site(), TODAY)["fw1"]

    def parts(chance: Random, data: bytes) -> bytes:
        """Break one of the answers in a document, not how the document holds them."""
        found = panos_parts(data)
        name = chance.choice(sorted(found.parts))
        part = chance.choice((by_byte, by_word))(chance, bytes(found.parts[name]))
        return replace(found, parts={**found.parts, name: memoryview(part)}).dump()

    def read(data: bytes) -> None:
        PanosProvider().parse(data)
        judge(wanted, data)
        PanosProvider().mask(data)

    return Format(
        name="panos", samples=[panos_document()], read=read, told="",
        mutations=(by_byte, parts, parts, parts),
    )  # fmt: skip


def nft_answers(folder: Path) -> Format:
    del folder
    wanted = nft.desired(flow())

    def parts(chance: Random, data: bytes) -> bytes:
        """Break one of the listings in a document, by its bytes or by its values."""
        found: dict[str, Any] = json.loads(data)
        name = chance.choice(("table", "chains", "links"))
        mutate = chance.choice((by_byte, by_word, by_value(), by_value()))
        broken = mutate(chance, found[name].encode())
        return json.dumps({**found, name: broken.decode(errors="replace")}).encode()

    def read(data: bytes) -> None:
        NftablesProvider().parse(data)
        judge(wanted, data)
        NftablesProvider().mask(data)

    return Format(
        name="nftables", samples=[nft_document()], read=read, told="",
        mutations=(by_byte, by_value(), parts, parts, parts),
    )  # fmt: skip


# --- the history ---------------------------------------------------------------------------------


def history_file(folder: Path) -> Format:
    url = Secret(f"sqlite:///{folder}/history.sqlite")
    seen = DriftItem(kind="rule", name="n", states=("added",), fingerprint="f", names=("n",))
    drifted = DriftReport(devices=(DeviceDrift(name="fw1", items=(seen,)),))
    with opened(url) as engine:
        record(engine, run_of(drifted, {}, started=NOW, finished=NOW, runner="r"))
    sample = (folder / "history.sqlite").read_bytes()

    def read(_path: Path) -> None:
        with opened(url) as engine:
            entries(engine, Filter())

    return Format(
        name="history", samples=[sample], read=reader("history.sqlite", read),
        told="history.sqlite", mutations=(by_byte, by_word),
    )  # fmt: skip


# --- records of traffic --------------------------------------------------------------------------


def traffic_records(folder: Path) -> Format:
    """Records of every form; a file that cannot be used is no error of the run."""
    file = folder / "records"

    def read(path: Path) -> None:
        reading = look(path)
        held = groups(reading)
        assert sum(count.records for _, count in held) == reading.coverage.records
        reading.groups.close()

    return Format(
        name="records",
        samples=[path.read_bytes() for path in sorted(RECORDS.iterdir())],
        read=reader(str(file), read),
        told="",
    )


# --- what is handed to one command ---------------------------------------------------------------


def decisions_file(folder: Path) -> Format:
    del folder
    sample = dedent("""\
        - {sr: SR 5.2, zone: plant/control, state: excepted, reason: until the outage, owner: jane,
           expires: 2027-01-31}
        - {sr: SR 1.1, zone: plant/control, state: compensated, reason: a guard, owner: joe,
           expires: "2027-02-01"}
        """)
    read = yaml_file("decisions", sample, lambda path: read_decisions(path, ("plant/control",)))
    return read(Path())


def lines_file(
    name: str, samples: tuple[str, ...], read: Callable[[Path], object]
) -> Callable[[Path], Format]:
    def made(folder: Path) -> Format:
        del folder
        return Format(
            name=name, samples=[one.encode() for one in samples], read=reader(name, read), told=name
        )  # fmt: skip

    return made


NAMES = "10.0.0.1 plc1.plant.example plc1 # the first\n\n2001:db8::1 gw\n"
LEASES = (
    # of ISC's dhcpd, and of dnsmasq
    (
        'lease 10.0.0.9 {\n  ends never;\n  client-hostname "hmi \\"1\\"";\n}\n'
        "lease 10.0.0.10 {\n  binding state abandoned;\n}\n"
    ),
    "1795000000 02:00:00:00:00:01 10.0.0.9 hmi1 *\n0 02:00:00:00:00:02 10.0.0.10 * *\n",
)


def drawing_file(folder: Path) -> Format:
    write_plant(folder)
    said("graph", "-i", "hosts.yml", "-o", "made.svg")

    def read(path: Path) -> None:
        assert len(stamp_of(path.read_text("utf-8", errors="replace"))) >= 0

    return Format(
        name="drawing", samples=[Path("made.svg").read_bytes()], read=reader("drawn.svg", read),
        told="drawn.svg",
    )  # fmt: skip


def positions_file(folder: Path) -> Format:
    write_plant(folder)
    said("graph", "-i", "hosts.yml", "-o", "made.svg", "--positions", "positions.yml")

    def read(_path: Path) -> None:
        said("graph", "-i", "hosts.yml", "-o", "drawn.svg", "--positions", "positions.yml")

    return Format(
        name="positions", samples=[Path("positions.yml").read_bytes()],
        read=reader("positions.yml", read), told="positions.yml", mutations=as_yaml(),
    )  # fmt: skip


def evidence_folder(folder: Path) -> Format:
    """The document of a folder of evidence; whoever changes it renews its digest in the list."""
    write_plant(folder)
    Path("fw1.snapshot.json").write_text(
        snapshot_of("fw1", "vsys1", panos_document(), PanosProvider(), now=NOW).dumps(), "utf-8"
    )
    said("evidence", "-i", "hosts.yml", "-l", "fw1", "-o", "e", "--offline", "fw1.snapshot.json")
    whole = Path("e/SHA256SUMS").read_text("utf-8").splitlines()
    sample = Path("e/evidence.json").read_bytes()

    def read(data: bytes) -> None:
        Path("e/evidence.json").write_bytes(data)
        lines = [f"{sha256(data).hexdigest()}  evidence.json"]
        lines += [line for line in whole if not line.endswith("  evidence.json")]
        Path("e/SHA256SUMS").write_text("\n".join(lines) + "\n", "utf-8")
        said("evidence", "verify", "e")
        said("evidence", "diff", "e", "e", "--json")
        checked(Path("e"))

    return Format(
        name="evidence", samples=[sample], read=read, told="e",
        mutations=(by_byte, by_word, by_value(), by_value()),
    )  # fmt: skip


def as_entry(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"event": value}


def journal_file(folder: Path) -> Format:
    """Entries of a run; those that are changed are linked again as whoever edits them would."""
    del folder
    digest = f"sha256:{'0' * 64}"
    same = {"run": "r1", "time": "2026-11-22T00:00:00.000+00:00"}
    entries: tuple[dict[str, Any], ...] = (
        {"event": "run", "kind": "apply", "by": "root@vm", "author": "", "dirty": False,
         "git_commit": "", "intent": digest, "plan_id": "p", "playbook": "",
         "segctl_version": "0.1.0", **same},
        {"event": "begin", "device": "fw1", "platform": "panos", "scope": "vsys1", "serial": "1",
         "before": digest, "desired": digest, "changes": {"create": 9}, "conduits": ["a.b"],
         "tickets": ["T1"], "allowed": [], "firewalls": ["fw2"], **same},
        {"event": "end", "device": "fw1", "outcome": "applied", "code": "", "message": "",
         "before": digest, "after": digest, "changes": 9, "audit_comments": 0, "notes": ["n"],
         "members": [{"device": "fw2", "outcome": "applied", "code": "", "message": ""}], **same},
    )  # fmt: skip

    def relinked(chance: Random, data: bytes) -> bytes:
        held = [json.loads(line) for line in data.splitlines()]
        at = chance.randrange(len(held))
        held[at] = change_values(chance, held[at])
        with suppress(RecursionError):
            return b"".join(linked((as_entry(one) for one in held), Head())[0])
        return data

    def read(_path: Path) -> None:
        said("history")
        said("history", "--json")
        said("history", "verify")

    return Format(
        name="journal", samples=[b"".join(linked(entries, Head())[0])],
        read=reader("journal.jsonl", read), told="journal.jsonl",
        mutations=(by_byte, by_word, relinked, relinked),
    )  # fmt: skip


FORMATS: dict[str, Callable[[Path], Format]] = {
    "plan": plan_file,
    "snapshot": snapshot_file,
    "state": state_file,
    "hosts": inventory_file("hosts.yml"),
    "group_vars": inventory_file("group_vars/plant.yml"),
    "host_vars": inventory_file("host_vars/fw1.yml"),
    "ini": ini_file,
    "vault": vaulted_file,
    "extra": extra_variables,
    "playbook": yaml_file("playbook", PLAYBOOK, read_playbook),
    "checks": yaml_file("checks", CHECKS, read_checks),
    "baseline": yaml_file("baseline", BASELINE, read_baseline),
    "fmt": formatted,
    "template": webhook_template,
    "trusted": trusted_keys,
    "signature-ssh": signature("ssh"),
    "signature-minisign": signature("minisign"),
    "known_hosts": known_hosts,
    "host-certificate": host_certificate,
    "panos": panos_answers,
    "nftables": nft_answers,
    "history": history_file,
    "records": traffic_records,
    "decisions": decisions_file,
    "names": lines_file("names", (NAMES,), names_of),
    "leases": lines_file("leases", LEASES, leased_of),
    "drawing": drawing_file,
    "positions": positions_file,
    "journal": journal_file,
    "evidence": evidence_folder,
}


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_a_file_holds(name: str, folder: Path) -> None:
    assert fuzz(FORMATS[name](folder)) >= 20
