"""Linux hosts that are not what they should be: one clear message, exit 1, nothing changed."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from cli_support import Done
from segctl.cli import run
from segctl.planning import apply
from segctl.providers.nftables import line, pushing
from segctl_mocks import LinuxMock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

USER, PASSWORD = "plant-automation", "correct-horse-5taple"
SITE = """\
all:
  hosts:
    gw1:
      ansible_network_os: nftables
      ansible_user: plant-automation
      ansible_password: correct-horse-5taple
      segctl_timeout: 60
      segctl_commit_timeout: 120
      segctl_site: plant
      segctl_zone_map:
        control: {zone: CTRL, interfaces: [eth1]}
        supervisory: {zone: SUPV, interfaces: [eth0]}
      segctl_zones:
        control: {level: 1, kind: control, networks: [10.20.1.0/24], assets: {plc1: 10.20.1.11}}
        supervisory: {level: 2, kind: supervisory, networks: [10.20.2.0/24],
                      assets: {scada1: 10.20.2.5}}
      segctl_conduits:
        polling:
          from: supervisory
          to: control
          reason: SCADA polls the controllers
          owner: automation
          flows:
            modbus:
              source: [scada1]
              destination: [plc1]
              protocols: {modbus: [read, write, diagnostic, file]}
"""
CHANGED = (
    ("10.20.1.11", "10.20.1.12"),
    ("read, write, diagnostic, file", "read, write"),
)
READ_ONLY = ("[read, write, diagnostic, file]", "[read]")
THOROUGH = os.environ.get("SEGCTL_HYPOTHESIS") == "thorough"
OTHERS = "table inet filter {\n\tchain other {\n\t}\n}\n"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A site of one gateway, its mock, and the command line called in the site's folder."""

    folder: Path
    mock: LinuxMock
    capsys: pytest.CaptureFixture[str]

    def write(self, *edits: tuple[str, str]) -> None:
        """Write the inventory, with texts replaced."""
        text = SITE
        for old, new in edits:
            assert old in text
            text = text.replace(old, new, 1)
        (self.folder / "site.yml").write_text(text, encoding="utf-8")

    def write_where(self, **values: object) -> None:
        """Write where the host is."""
        found = {
            "ansible_host": self.mock.host,
            "ansible_port": self.mock.port,
            "segctl_known_hosts": str(self.mock.known_hosts),
        } | values
        overlay = {"all": {"hosts": {"gw1": {k: v for k, v in found.items() if v is not None}}}}
        (self.folder / "where.yml").write_text(json.dumps(overlay), encoding="utf-8")

    def __call__(self, *words: str) -> Done:
        """Run a command; what holds for every command is checked."""
        self.capsys.readouterr()
        code = run(["-i", "site.yml", "-i", "where.yml", *words])
        out, err = self.capsys.readouterr()
        for text in (out, err):
            assert "Traceback" not in text
            assert "defect in segctl" not in text
            assert PASSWORD not in text
            assert not re.search(r"PRIVATE KEY|segctl-agent|set -u; umask", text)
        return Done(code, out, err)

    def apply(self) -> Done:
        """Apply, and answer in JSON."""
        return self("apply", "--auto-approve", "--json", "-v")

    def files(self) -> dict[str, bytes]:
        """Return every file on the host."""
        held = self.mock.host_device.files
        with held.lock:
            return dict(held.data)

    @contextmanager
    def untouched(self) -> Generator[None]:
        """Nothing on the host changes, and nobody asks for it."""
        before = self.mock.config(), self.files(), self.mock.writes
        yield
        assert (self.mock.config(), self.files(), self.mock.writes) == before

    def is_refused(self, code: str, message: str, *, shown: bool = True) -> None:
        """Assert that plan and apply say this, once on each stream, and leave the host alone."""
        with self.untouched():
            done = self.apply()
            assert done.code == 1, done
            error = done.json["error"]
            assert error["code"] == code, error
            assert re.search(message, error["message"]), error
            assert "\n" not in error["message"]
            text = self("plan")
        assert text.code == 1
        if shown:
            for stream in (text.out, text.err):  # a pipe has it on both
                said = [line for line in stream.splitlines() if re.search(message, line)]
                assert len(said) == 1, text

    def converges(self, *, drift: int = 0) -> None:
        """Assert that the next run does what this one could not, and leaves nothing behind.

        `drift` is the exit status of drift afterwards, for the sake of what others hold there.
        """
        done = self.apply()
        assert done.code == 0, done
        assert self("drift").code == drift
        self.is_tidy()
        assert OTHERS in self.mock.config()

    def is_tidy(self) -> None:
        """Assert that no lock and no file of a push is left once every command has ended.

        A command whose line was cut ends later than the run that lost it.
        """
        until = time.monotonic() + 60
        while not all(one.has_ended for one in self.mock.requests):
            assert time.monotonic() < until, "a command on the host does not end"
            time.sleep(0.01)
        assert "set lock" not in self.mock.config()
        left = [path for path in self.files() if "/.segctl/" in path or "/run/segctl/" in path]
        assert [path for path in left if not path.rpartition("/")[2].startswith(_ENDED)] == []


#: Empty files that say what became of the last push.
_ENDED = ("confirmed.", "reverted.", "failed.", "off.", "expired.")


@contextmanager
def serving(folder: Path, capsys: pytest.CaptureFixture[str], **host: Any) -> Generator[Gateway]:
    options: dict[str, Any] = {"users": {USER: PASSWORD}, "ruleset": OTHERS} | host
    with LinuxMock("gw1", **options) as mock:
        gateway = Gateway(folder, mock, capsys)
        gateway.write()
        gateway.write_where()
        yield gateway


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    for name in ("FORCE_COLOR", "SEGCTL_PASSWORD", "SEGCTL_PASSWORD_FILE", "SEGCTL_PASSWORD_GW1"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(line, "_PAUSES", (0.0, 0.01, 0.1, 0.5))
    return tmp_path


@pytest.fixture
def gateway(place: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Gateway]:
    """A gateway as its administrator left it."""
    with serving(place, capsys) as found:
        yield found


# --- who it is -----------------------------------------------------------------------------------


def test_an_unknown_host_key(gateway: Gateway) -> None:
    known = gateway.folder / "known_hosts"
    gateway.write_where(segctl_known_hosts=str(known))
    known.write_text("", encoding="utf-8")
    shown = re.escape(gateway.mock.fingerprint)
    gateway.is_refused("unreachable", rf"host key \(ssh-ed25519 {shown}\) is unknown.*{known}")
    assert gateway.mock.logins == []
    known.write_text(f"{gateway.mock.host_key_line}\n", encoding="utf-8")
    other = gateway.folder / "other"
    other.write_text("# nobody yet\n", encoding="utf-8")
    gateway.write_where(segctl_known_hosts=[str(other), str(known)])
    gateway.converges()
    other.write_text(f"@revoked {gateway.mock.host_key_line}\n", encoding="utf-8")
    gateway.is_refused("unreachable", r"is marked @revoked in .*other or .*known_hosts")


def test_no_known_hosts_at_all(gateway: Gateway) -> None:
    gateway.write_where(segctl_known_hosts=None)
    gateway.is_refused("unreachable", r"is unknown: .*/\.ssh/known_hosts has no entry")
    gateway.write_where(segctl_known_hosts=str(gateway.folder / "nowhere"))
    gateway.is_refused("unreachable", r"cannot read known hosts .*nowhere")
    assert gateway.mock.logins == []


def test_a_changed_host_key(gateway: Gateway) -> None:
    known = gateway.folder / "known_hosts"
    known.write_text(f"{gateway.mock.host_key_line}\n", encoding="utf-8")
    old = gateway.mock.fingerprint
    gateway.mock.change_host_key()
    gateway.write_where(segctl_known_hosts=str(known))
    new = gateway.mock.fingerprint
    message = rf"host key changed: it is {re.escape(new)}, .* has {re.escape(old)}.*in between"
    gateway.is_refused("unreachable", message)
    assert gateway.mock.logins == []


def test_a_host_key_that_changes_between_plan_and_apply(gateway: Gateway) -> None:
    known = gateway.folder / "known_hosts"
    known.write_text(f"{gateway.mock.host_key_line}\n", encoding="utf-8")
    gateway.write_where(segctl_known_hosts=str(known))
    assert gateway("plan", "-o", "plan.json").code == 0
    gateway.mock.change_host_key()
    gateway.mock.forget()
    with gateway.untouched():
        done = gateway("apply", "plan.json", "--auto-approve", "--json")
    assert done.code == 1
    assert "host key changed" in done.out


def test_another_key_than_the_pinned_one(gateway: Gateway) -> None:
    right = gateway.mock.fingerprint
    wrong = "SHA256:" + "A" * 43
    gateway.write_where(segctl_known_hosts=None, segctl_ssh_fingerprint=wrong)
    gateway.is_refused("unreachable", rf"{re.escape(right)}, not the pinned {wrong}")
    assert gateway.mock.logins == []
    gateway.write_where(segctl_known_hosts=None, segctl_ssh_fingerprint=right)
    gateway.converges()


# --- who we are ----------------------------------------------------------------------------------


def test_a_wrong_password(gateway: Gateway) -> None:
    gateway.write((PASSWORD, "not-the-password"))
    gateway.is_refused("auth", rf"refuses the account '{USER}' with this password")
    assert "not-the-password" not in gateway.apply().out


def test_no_password(gateway: Gateway) -> None:
    gateway.write((f"ansible_password: {PASSWORD}", ""))
    gateway.is_refused("auth", r"SEGCTL_PASSWORD_GW1")


def _new_key(path: Path, password: str | None = None) -> str:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(path), password=password)
    return f"{key.get_name()} {key.get_base64()}"


def test_keys(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = _new_key(place / "right")
    _new_key(place / "wrong")
    _new_key(place / "locked", "secret")
    (place / "none").write_text("no key\n", encoding="utf-8")
    with serving(place, capsys, authorized_keys={USER: [right]}) as gateway:
        gateway.write((f"ansible_password: {PASSWORD}", ""))
        for name, code, message in (
            ("wrong", "auth", rf"refuses the account '{USER}' with this key .*wrong"),
            ("locked", "auth", r"key .*locked is encrypted"),
            ("none", "auth", r"key .*none is not a private key"),
            ("absent", "auth", r"cannot read key .*absent: No such file"),
        ):
            gateway.write_where(ansible_ssh_private_key_file=str(place / name))
            gateway.is_refused(code, message)
        assert gateway.mock.logins == []
        gateway.write_where(ansible_ssh_private_key_file=str(place / "right"))
        gateway.converges()


# --- what it can do ------------------------------------------------------------------------------

#: how the host is made: (options, code, what the message must say)
LACKING: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "no sudo": ({"sudo": "none"}, "auth", r"has no sudo, which 'plant-automation' needs"),
    "sudo asks for a password": ({"sudo": "password"}, "auth", r"may not run nft .*sudoers"),
    "sudo allows something else": (
        {"sudo_allow": ["/usr/bin/true"]},
        "auth",
        r"may not run nft .*sudoers",
    ),
    "no nft": ({"nft_version": ""}, "unsupported", r"has no /usr/sbin/nft: install nftables"),
}


@pytest.mark.parametrize("case", LACKING)
def test_a_host_that_lacks(place: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    options, code, message = LACKING[case]
    with serving(place, capsys, **options) as gateway:
        gateway.is_refused(code, message)


def test_an_interface_that_is_not_there(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(place, capsys, interfaces=("eth0", "ens1")) as gateway:
        said = "the device does not have interface eth1 of zone CTRL now; it has ens1, eth0, lo"
        for command in (("plan", "--json"), ("drift", "--json")):
            made = gateway(*command)
            (found,) = (
                item
                for device in made.json["devices"]
                for item in device["findings"]
                if item["message"] == said
            )
            assert found["severity"] == "warning"
        assert gateway.apply().code == 0
        assert '"eth1"' in gateway.mock.edit("nft list set inet segctl zoned").out
        gateway.write(READ_ONLY)
        assert gateway.apply().code == 0, "a revocation waits for an interface"
        done = gateway("drift")
        assert done.code == 0
        assert said in " ".join(done.out.split())


@pytest.mark.parametrize("version", ["0.9.3", "0.9.8"])
def test_an_nft_that_is_too_old(
    place: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    with serving(place, capsys, nft_version=version) as gateway:
        gateway.is_refused(
            "unsupported",
            rf"has nft {re.escape(version)}, which cannot comment objects .*nftables 1\.0\.6",
        )


def test_an_nft_that_lists_what_sets_are_made_by(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(place, capsys, nft_version="1.1.3") as gateway:
        gateway.write(READ_ONLY)
        assert gateway.apply().code == 0
        assert '"typeof"' in gateway.mock.edit("nft -j list set inet segctl zoned").out
        assert gateway("drift").code == 0


def test_a_table_of_somebody_else_with_our_name(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = "table inet segctl {\n\tchain mine {\n\t\tcounter accept\n\t}\n}\n"
    with serving(place, capsys, ruleset=OTHERS + foreign) as gateway:
        gateway.is_refused(
            "parse", r"table inet segctl that segctl did not create: rename or delete"
        )
        gateway.mock.edit("nft delete table inet segctl")
        gateway.converges()


def _chain(hook: str, policy: str, rule: str) -> str:
    return (
        f"table inet fw {{\n\tchain theirs {{\n\t\ttype filter hook {hook} priority -10; "
        f"policy {policy};\n\t\t{rule}\n\t}}\n}}\n"
    )


@pytest.mark.parametrize(
    ("chain", "severity", "message"),
    [
        (_chain("forward", "drop", ""), "warning", r"chain theirs .*can drop by policy"),
        (_chain("forward", "accept", "tcp dport 502 drop"), "warning", r"can drop in a rule"),
        (_chain("prerouting", "accept", "tcp dport 502 drop"), "warning", r"can drop in a rule"),
        (_chain("forward", "accept", "tcp dport 1-9 accept"), "note", r"accepts.*still judges"),
    ],
)
def test_base_chains_of_others_are_findings(
    place: Path, capsys: pytest.CaptureFixture[str], *, chain: str, severity: str, message: str
) -> None:
    with serving(place, capsys, ruleset=OTHERS + chain) as gateway:
        before = gateway.mock.config()
        with gateway.untouched():
            made = gateway("plan", "--json")
            assert made.code == 0
            found = [
                item
                for device in made.json["devices"]
                for item in device["findings"]
                if re.search(message, item["message"])
            ]
            assert [item["severity"] for item in found] == [severity], made.json
            assert re.search(message, gateway("plan").out)
        gateway.converges(drift=2 if severity == "warning" else 0)  # what is declared is dropped
        assert gateway.mock.config().startswith(before)


# --- names ---------------------------------------------------------------------------------------

HOSTILE = (
    "a;reboot",
    "a\nflush ruleset",
    'a"b',
    "a'b",
    "a?",
    "a!",
    "$(x)",
    "`x`",
    "a\x1b[2J",
    "-f",
)


def _quoted(text: str) -> str:
    return json.dumps(text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "what",
    ["zone: CTRL", "interfaces: [eth1]", "plc1", "polling:", "modbus:\n", "control"],
)
def test_hostile_names(shared: Gateway, what: str, name: str) -> None:
    field, colon, old = what.partition(": ")
    if colon:
        value = _quoted(name) if field == "zone" else f"[{_quoted(name)}]"
        shared.write((what, f"{field}: {value}"))
    else:
        old = what.rstrip(":\n")
        text = re.sub(rf"(?<=[ \[{{]){old}(?=[:\]])(?!: \[)", lambda _: _quoted(name), SITE)
        if old == "control":
            text = text.replace("to: control", f"to: {_quoted(name)}")
        assert text != SITE
        (shared.folder / "site.yml").write_text(text, encoding="utf-8")
    shared.mock.forget()
    with shared.untouched():
        done = shared.apply()
        assert done.code == 1, done
        error = done.json["error"]
        assert error["code"] in {"inventory", "unsupported"}, error
        said = shared("plan")
        assert said.code == 1
        for text in (done.out, done.err, said.out, said.err):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert all(name not in request.command for request in shared.mock.requests)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_reasons_reach_no_device(shared: Gateway, name: str) -> None:
    shared.write(("SCADA polls the controllers", _quoted(name)), ("owner: automation", "owner: ot"))
    shared.mock.forget()
    with shared.untouched():
        made = shared("plan", "--json")
    if re.search(r"[\n\x1b]", name):
        assert made.code == 1
        assert made.json["error"]["code"] == "inventory"
    else:
        assert made.code == 0
    for request in shared.mock.requests:
        assert name not in request.command
        assert name.encode() not in request.stdin


@pytest.fixture(scope="module")
def held() -> Iterator[LinuxMock]:
    with LinuxMock("gw1", users={USER: PASSWORD}, ruleset=OTHERS) as mock:
        yield mock


@pytest.fixture
def shared(place: Path, held: LinuxMock, capsys: pytest.CaptureFixture[str]) -> Gateway:
    """A gateway that no test changes."""
    gateway = Gateway(place, held, capsys)
    gateway.write()
    gateway.write_where()
    return gateway


# --- the line ------------------------------------------------------------------------------------


def test_nobody_listens(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gateway.write_where(ansible_port=port)
    gateway.is_refused("unreachable", rf"no connection to 127\.0\.0\.1 port {port}: .*refused")


@pytest.mark.parametrize("banner", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 4096, None])
def test_something_else_listens(gateway: Gateway, banner: bytes | None) -> None:
    gateway.write(("segctl_timeout: 60", "segctl_timeout: 1"))
    with socket.create_server(("127.0.0.1", 0)) as server, _answering(server, banner):
        port = server.getsockname()[1]
        known = gateway.folder / "known"
        known.write_text(gateway.mock.host_key_line.replace(f":{gateway.mock.port} ", f":{port} "))
        gateway.write_where(ansible_port=port, segctl_known_hosts=str(known))
        began = time.monotonic()
        gateway.is_refused("unreachable", r"does not speak SSH with segctl")
        assert time.monotonic() - began < 60


@contextmanager
def _answering(server: socket.socket, banner: bytes | None) -> Generator[None]:
    """Answer with `banner` and hang up; None: say nothing and stay."""
    lines: list[socket.socket] = []

    def work() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            lines.append(line)
            if banner is not None:
                line.sendall(banner)
                line.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for one in lines:
        one.close()


#: what goes wrong while it reads: (fault, code, what the message must say)
READING: Mapping[str, tuple[str, dict[str, Any], str, str]] = {
    "cut before": ("drop_before", {}, "unreachable", r"connection ended"),
    "cut after": ("drop_after", {}, "unreachable", r"connection ended"),
    "a hang": ("hang", {"seconds": 3}, "unreachable", r"no answer within 1s \(segctl_timeout\)"),
    "not UTF-8": ("body", {"body": b"\xff\xfe"}, "parse", r"not UTF-8"),
    "something else": ("body", {"body": b"Welcome\n"}, "parse", r"did not answer: Welcome"),
    "no status": ("no_status", {}, "unreachable", r"cut off before the command ended"),
    "an old shell": ("exit", {"code": 127, "err": "sh: not found"}, "parse", r"sh: not found"),
}


@pytest.mark.parametrize("case", READING)
def test_reading_goes_wrong(gateway: Gateway, case: str) -> None:
    kind, options, code, message = READING[case]
    gateway.write(("segctl_timeout: 60", "segctl_timeout: 1"))
    gateway.mock.fail(kind, contains="segctl-reader", times=2, **options)
    gateway.is_refused(code, message)
    gateway.write()
    gateway.converges()


def test_nft_fails_while_listing(gateway: Gateway) -> None:
    gateway.mock.fail("refuse", contains="list chains", times=2, message="Invalid argument")
    gateway.is_refused("parse", r"nft failed while listing chains \(exit 1\): ")
    gateway.converges()


def test_nft_crashes_at_our_own_table(gateway: Gateway) -> None:
    assert gateway.apply().code == 0
    gateway.mock.fail("crash", contains="list table inet segctl", times=2)
    gateway.is_refused("parse", r"nft crashed \(Aborted\) while listing table: an nft newer than")
    gateway.converges()


#: what nft crashes at: (a part of the command, what is said)
UNREADABLE: Mapping[str, tuple[str, str]] = {
    "one table": ("list table inet filter", "cannot tell what table inet filter does to traffic"),
    "all tables": ("list chains", "cannot tell what tables of others do to traffic"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_nft_crashes_at_others(place: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    step, said = UNREADABLE[case]
    hook = "table inet filter { chain f { type filter hook forward priority 5; accept; }; }\n"
    with serving(place, capsys, ruleset=hook) as gateway:
        gateway.mock.fail("crash", contains=step, times=1000)
        assert gateway.apply().code == 0
        gateway.write(READ_ONLY)
        assert gateway.apply().code == 0, "what is not ours keeps us from revoking"
        shown = gateway("plan")
        assert said in " ".join(shown.out.split())
        done = gateway("drift", "--json")
        assert done.code == 2, "a host of which nobody can tell is in sync"
        (device,) = done.json["devices"]
        assert [item["state"] for item in device["items"]] == ["unread"]
        assert "nft crashed (Aborted)" in device["unread"][0]["message"]
        text = gateway("drift")
        assert f"! unread: {said}" in " ".join(text.out.split())
        _mend(gateway)
        assert gateway("drift").code == 0


def test_an_answer_cut_at_any_byte(gateway: Gateway) -> None:
    assert gateway.apply().code == 0
    gateway.mock.forget()
    with gateway.untouched():
        for at in _offsets(4000, 3):
            _mend(gateway)
            gateway.mock.fail("drop_at", at=at, contains="segctl-reader")
            done = gateway("drift", "--json")
            assert done.code == 1, (at, done)
            assert done.json["error"]["code"] == "unreachable"
    _mend(gateway)
    gateway.converges()


def test_the_first_push_cut_at_any_byte(gateway: Gateway) -> None:
    size = _size_of_push(gateway)
    assert size > 1000
    _reset(gateway)
    before = gateway.mock.config()
    for at in _offsets(size, 6):
        _cut(gateway, at)
        assert gateway.mock.config() == before, at
        gateway.is_tidy()
    _mend(gateway)
    gateway.converges()


def test_a_later_push_cut_at_any_byte(gateway: Gateway) -> None:
    assert gateway.apply().code == 0
    gateway.write(*CHANGED)
    size = _size_of_push(gateway)
    gateway.write()
    assert gateway.apply().code == 0
    before = gateway.mock.config()
    gateway.write(*CHANGED)
    for at in _offsets(size, 3):
        _cut(gateway, at)
        assert _plain(gateway.mock.config()) == _plain(before), at
        gateway.is_tidy()
    _mend(gateway)
    gateway.converges()


STEPS = [
    (step, kind)
    for step in (" -f -", "'go'", "'confirm'", "-j list set", "'revert'")
    for kind in ("drop_before", "drop_after", "no_status")
]


@pytest.mark.parametrize(("step", "kind"), STEPS if THOROUGH else STEPS[1::3])
def test_a_cut_at_any_step(gateway: Gateway, step: str, kind: str) -> None:
    gateway.mock.fail(kind, contains=step)
    if step == "'revert'":
        gateway.mock.fail("drop_after", contains="'go'")
    done = gateway.apply()
    assert done.code == int(done.json["summary"]["failed"] > 0)
    _mend(gateway)
    gateway.converges()


def test_a_host_that_is_cut_off_for_good_goes_back_by_itself(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gateway.mock.config()
    monkeypatch.setattr(apply, "REVERT_IN", 3.0)
    monkeypatch.setattr(pushing, "_MARGIN", 1.0)
    gateway.write(("segctl_timeout: 60", "segctl_timeout: 1"))
    gateway.mock.fail("drop_before", contains="'confirm'")
    for step in ("-j list set", "'revert'"):
        gateway.mock.fail("drop_before", contains=step, skip=0, times=1000)
    done = gateway.apply()
    assert done.code == 1
    (outcome,) = done.json["outcomes"]
    assert "goes back by itself" in outcome["message"]
    for _ in range(400):
        if gateway.mock.config() == before:
            break
        time.sleep(0.05)
    assert gateway.mock.config() == before
    _mend(gateway)
    gateway.write()  # a second may be too short for a host that is there
    gateway.converges()


#: What only the transaction holds that goes live.
SWITCH = "add element inet segctl push"
#: what nft says to a change: (fault, what the message must say)
REFUSED: Mapping[str, tuple[str, str, str]] = {
    "the check": ("refuse", "-c -f", r"refuses the change; nothing was changed: .*Out of memory"),
    "the switch": ("refuse", SWITCH, r"nothing was changed: .*Out of memory"),
    "a crash": ("crash", SWITCH, r"nft crashed \(Aborted\); nothing was changed: .*newer"),
    "a crash of the check": ("crash", "-c -f", r"nft crashed \(Aborted\); nothing was changed"),
    "a crash at the lock": ("crash", "-f -", r"nft crashed \(Aborted\); nothing was changed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nft_refuses_the_change(gateway: Gateway, case: str) -> None:
    kind, step, message = REFUSED[case]
    before = gateway.mock.config()
    gateway.mock.fail(kind, contains=step, message="Could not process rule: Out of memory")
    done = gateway.apply()
    assert done.code == 1
    assert re.search(message, done.out), done.out
    assert gateway.mock.config() == before
    gateway.is_tidy()
    gateway.converges()


def test_somebody_else_holds_the_lock(gateway: Gateway) -> None:
    assert gateway.apply().code == 0
    holder = f"segctl elsewhere 1 {int(time.time())} 01234567"
    gateway.mock.load(
        f'table inet segctl {{ set lock {{ type mark; elements = {{ 1 comment "{holder}" }}; }}; }}'
    )
    before = gateway.mock.config()
    gateway.write(("10.20.1.11", "10.20.1.12"))
    done = gateway.apply()
    assert done.code == 1
    assert done.json["error"]["code"] == "locked"
    assert "a run of elsewhere has held the lock" in done.json["error"]["message"]
    assert "its lease runs out in" in done.json["error"]["message"]
    assert "nft delete set inet segctl lock" in done.json["error"]["message"]
    assert gateway.mock.config() == before
    gateway.mock.edit("nft delete set inet segctl lock")
    gateway.converges()


def _cut(gateway: Gateway, at: int) -> None:
    """Apply over a line that is cut after so many bytes of the push."""
    _mend(gateway)
    gateway.mock.fail("drop_upload", at=at, contains="'go'")
    done = gateway.apply()
    assert done.code == 1, (at, done)
    (outcome,) = done.json["outcomes"]
    assert outcome["code"] == "unreachable", (at, outcome)
    assert "\n" not in outcome["message"]


def _mend(gateway: Gateway) -> None:
    gateway.mock._faults.waiting.clear()  # pyright: ignore[reportPrivateUsage] - what a test leaves waiting


def _reset(gateway: Gateway) -> None:
    gateway.mock.edit("nft delete table inet segctl")
    gateway.mock.edit(f"rm -rf /run/segctl /home/{USER}/.segctl /etc/nftables.d")


def _size_of_push(gateway: Gateway) -> int:
    """Apply for once without a fault; return how many bytes the push has."""
    gateway.mock.forget()
    assert gateway.apply().code == 0
    (push,) = [one for one in gateway.mock.requests if "'go'" in one.command]
    return len(push.stdin)


def _offsets(size: int, count: int) -> list[int]:
    """Return where to cut: some bytes, or each; the ends are always among them."""
    if THOROUGH:
        return [*range(size + 1)]
    return sorted({0, size - 1, size, *(size * part // count for part in range(1, count))})


def _plain(config: str) -> str:
    return re.sub(r"packets \d+ bytes \d+", "", config)
