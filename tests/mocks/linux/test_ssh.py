"""The host over SSH: netmiko unmodified, host keys, accounts, faults, the second administrator."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import netmiko
import paramiko
import pytest

from segctl_mocks import HostSpec, LinuxMock, serve_fleet
from segctl_mocks.linux.faults import Request

if TYPE_CHECKING:
    from pathlib import Path

NFT = "sudo -n /usr/sbin/nft"


def log_in(mock: LinuxMock, driver: str = "linux", **options: Any) -> Any:
    given = {
        "device_type": driver,
        "host": mock.host,
        "port": mock.port,
        "username": "admin",
        "password": "pw",
        "ssh_strict": True,
        "alt_host_keys": True,
        "alt_key_file": str(mock.known_hosts),
        "conn_timeout": 5,
    }
    return netmiko.ConnectHandler(**{**given, **options})


def run(connection: Any, command: str, text: str = "") -> tuple[int, str, str]:
    stdin, stdout, stderr = connection.remote_conn_pre.exec_command(command, timeout=10)
    stdin.write(text)
    stdin.channel.shutdown_write()
    out, err = stdout.read().decode(), stderr.read().decode()
    return stdout.channel.recv_exit_status(), out, err


def test_netmiko_at_the_prompt(served: LinuxMock) -> None:
    with log_in(served) as connection:
        assert connection.find_prompt() == "admin@gw1:~$"
        assert connection.send_command("uname -r") == "6.1.0"
        connection.send_command(f"{NFT} add table inet x", expect_string=r"\$")
        assert connection.send_command(f"{NFT} list tables") == "table inet x"
        assert "hello" in connection.send_config_set(["echo hello"])
    assert "uname -r" in [request.command for request in served.requests]


def test_netmiko_writes_nothing_at_login(served: LinuxMock) -> None:
    with log_in(served, "terminal_server"):
        pass
    assert not served.writes
    assert served.logins == ["admin"]


def test_commands_on_channels(served: LinuxMock) -> None:
    with log_in(served) as connection:
        script = "table inet x { chain c { drop; }; }\n"
        assert run(connection, f"{NFT} -f -", script) == (0, "", "")
        code, _, err = run(connection, f"{NFT} -f -", "add rule inet x nope drop\n")
        assert code == 1
        assert "Could not process rule: No such file or directory" in err
        assert run(connection, "/usr/sbin/nft list tables")[0] == 1
        assert run(connection, "exit 7")[0] == 7
    ours = [request for request in served.requests if request.command == f"{NFT} -f -"]
    assert ours[0] == Request(f"{NFT} -f -", "admin", script.encode(), 0, is_write=True)
    assert [request.is_write for request in ours] == [True, False]


def test_a_large_upload(served: LinuxMock) -> None:
    elements = ", ".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(20000))
    text = f"table inet x {{\n set s {{ type ipv4_addr; elements = {{ {elements} }}\n }}\n}}\n"
    with log_in(served) as connection:
        assert run(connection, f"{NFT} -f -", text)[0] == 0
        _, out, _ = run(connection, f"{NFT} -j list ruleset")
    assert out.count('"10.0.') > 10000


def test_unknown_and_changed_host_keys(served: LinuxMock, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(netmiko.NetmikoTimeoutException, match="not found in known_hosts"):
        log_in(served, alt_key_file=str(empty))
    old = tmp_path / "old"
    old.write_text(served.host_key_line + "\n", "utf-8")
    before = served.fingerprint
    served.change_host_key()
    assert served.fingerprint != before
    with pytest.raises(netmiko.NetmikoTimeoutException, match="does not match"):
        log_in(served, alt_key_file=str(old))
    with log_in(served):
        pass


def test_wrong_password_and_refused_logins(served: LinuxMock) -> None:
    with pytest.raises(netmiko.NetmikoAuthenticationException):
        log_in(served, password="wrong")
    served.refuse_logins(3)
    with pytest.raises(netmiko.NetmikoAuthenticationException):
        log_in(served)
    served.refuse_logins(0)
    log_in(served).disconnect()


def test_public_keys(tmp_path: Path) -> None:
    paths: list[Path] = []
    for name in ("mine", "other"):
        key = paramiko.RSAKey.generate(2048)
        key.write_private_key_file(str(tmp_path / name))
        paths.append(tmp_path / name)
        (tmp_path / f"{name}.pub").write_text(f"{key.get_name()} {key.get_base64()}\n", "utf-8")
    known = [(tmp_path / "mine.pub").read_text("utf-8")]
    with LinuxMock("gw1", authorized_keys={"admin": known}) as mock:
        with log_in(mock, use_keys=True, key_file=str(paths[0]), password=""):
            pass
        with pytest.raises(netmiko.NetmikoAuthenticationException):
            log_in(mock, use_keys=True, key_file=str(paths[1]), password="")


def test_the_line_breaks_before_and_after(served: LinuxMock) -> None:
    for kind, done in (("drop_before", False), ("drop_after", True)):
        served.fail(kind, contains="add table")
        connection = log_in(served)
        stdin, stdout, _ = connection.remote_conn_pre.exec_command(f"{NFT} add table inet {kind}")
        ended(stdin)
        assert stdout.read() == b""
        assert stdout.channel.recv_exit_status() == -1
        assert (f"table inet {kind}" in served.config()) == done


def ended(stdin: Any) -> None:
    """Say that nothing more is written, once: paramiko's file says it when it is collected, too.

    Then the line may be gone, and what it raises is nobody's.
    """
    with contextlib.suppress(OSError, EOFError):
        stdin.channel.shutdown_write()


@pytest.mark.parametrize("at", [0, 1, 10, 21])
def test_the_upload_breaks_at_a_byte(served: LinuxMock, at: int) -> None:
    served.fail("drop_upload", at=at, contains="cat")
    connection = log_in(served)
    stdin, stdout, _ = connection.remote_conn_pre.exec_command("cat > got; echo done > ended")
    with contextlib.suppress(OSError, EOFError):  # the line may be cut while we write
        stdin.write("table inet x {\n}\n-----")
    ended(stdin)
    stdout.read()
    assert stdout.channel.recv_exit_status() == -1
    for _ in range(100):
        if served.edit("cat ended", user="admin").status == 0:
            break
        time.sleep(0.02)
    assert served.edit("cat got", user="admin").out == "table inet x {\n}\n-----"[:at]


def test_the_answer_breaks_at_a_byte(served: LinuxMock) -> None:
    served.fail("drop_at", at=7, contains="uname")
    connection = log_in(served)
    stdin, stdout, _ = connection.remote_conn_pre.exec_command("uname -a")
    ended(stdin)
    assert stdout.read() == b"Linux g"
    assert stdout.channel.recv_exit_status() == -1


def test_other_faults(served: LinuxMock) -> None:
    connection = log_in(served)
    served.fail("refuse", message="Could not process rule: Device or resource busy")
    assert run(connection, f"{NFT} -f -", "table inet x\n")[2].startswith("Error: Could not")
    served.fail("crash", contains="list table")
    assert run(connection, f"{NFT} list tables")[0] == 134
    served.fail("exit", code=5, err="no", contains="uname")
    assert run(connection, "uname -r") == (5, "", "no")
    served.fail("body", body=b"\xff\xfe", contains="true")
    _, stdout, _ = connection.remote_conn_pre.exec_command("true")
    assert stdout.read() == b"\xff\xfe"
    served.fail("hang", seconds=0.2, contains="true")
    started = time.monotonic()
    assert run(connection, "true")[0] == 0
    assert time.monotonic() - started >= 0.2
    served.fail("no_status", contains="true")
    assert run(connection, "true")[0] == -1
    with pytest.raises(ValueError, match="unknown fault"):
        served.fail("nonsense")
    connection.disconnect()


def test_a_wrong_prompt(served: LinuxMock) -> None:
    served.fail("prompt", text="Choose an option: ")
    with log_in(served, "terminal_server") as connection:
        time.sleep(0.3)
        assert "Choose an option: " in connection.read_channel()


@pytest.mark.parametrize(
    ("sudo", "error"),
    [("password", "sudo: a password is required"), ("none", "sudo: not found")],
)
def test_accounts_without_rights(sudo: str, error: str) -> None:
    mock = LinuxMock("gw1", sudo=sudo)
    assert error in mock.edit(f"{NFT} list tables", user="admin").err
    assert "you must be root" in mock.edit("nft list tables", user="admin").err
    assert mock.edit("nft list tables").status == 0


def test_a_sudo_that_allows_one_command() -> None:
    mock = LinuxMock("gw1", sudo_allow=["/usr/sbin/nft"])
    assert mock.edit("sudo -n nft list tables", user="admin").status == 0
    assert mock.edit("sudo -n cat /etc/machine-id", user="admin").status == 1


def test_no_nft() -> None:
    result = LinuxMock("gw1", nft_version="").edit("/usr/sbin/nft --version")
    assert (result.status, result.err) == (127, "sh: 1: /usr/sbin/nft: not found\n")


def test_another_administrator(served: LinuxMock) -> None:
    served.forget()
    assert served.edit("nft -f -", "table ip theirs { chain c { accept; }; }\n").status == 0
    served.load(
        "table inet x { set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }; }"
    )
    assert [text.count("table") for text in served.effective()] == [0, 1, 2]
    assert len(served.effective(in_flight=True)) == 4
    assert served.effective_json("inet x")[0] == ""
    served.edit("nft add counter inet x hits")
    served.count("hits", 3, 400, "inet x")
    assert "packets 3 bytes 400" in served.config()
    assert not served.writes


def test_rejected_writes(served: LinuxMock) -> None:
    served.reject_writes = True
    before = served.config()
    with log_in(served) as connection:
        assert run(connection, f"{NFT} add table inet x")[0] == 1
        assert run(connection, f"{NFT} list tables")[0] == 0
        assert run(connection, "sudo -n mkdir /etc/nftables.d")[0] == 1
    assert served.config() == before
    assert served.writes == 2


def test_state_survives_a_restart(tmp_path: Path) -> None:
    with LinuxMock("gw1", state_dir=tmp_path, ruleset="table inet x\n") as mock:
        mock.edit("mkdir /etc/nftables.d && echo 'table inet y' > /etc/nftables.d/a.nft")
        before = (mock.config(), mock.fingerprint)
    again = LinuxMock("gw1", state_dir=tmp_path)
    assert again.restored
    assert (again.config(), again.fingerprint) == before
    again.reboot()
    assert again.config() == "table inet y {\n}\n"


def test_a_fleet_of_both_kinds(tmp_path: Path) -> None:
    hosts = {
        "fw1": HostSpec(zones={"A": ("ethernet1/1",)}),
        "gw1": HostSpec(platform="nftables", interfaces=("lan", "wan"), password="p"),
    }
    with serve_fleet(hosts, overlay=tmp_path / "mocks.yml") as fleet:
        text = (tmp_path / "mocks.yml").read_text("utf-8")
        assert "segctl_known_hosts" in text
        assert [*fleet.everything] == ["fw1", "gw1"]
        assert fleet.linux["gw1"].host_key_line in fleet.known_hosts.read_text("utf-8")
        with log_in(fleet.linux["gw1"], password="p", alt_key_file=str(fleet.known_hosts)) as one:
            assert '"ifname":"lan"' in run(one, "ip -j link")[1]
