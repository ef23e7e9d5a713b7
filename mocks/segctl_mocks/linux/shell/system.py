"""Programs about the system: nft, ip, uname, id, sudo, sh, setsid, sleep."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from segctl_mocks.linux.shell.observed import conntrack, journalctl
from segctl_mocks.linux.shell.shell import NOT_FOUND, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl_mocks.linux.shell.shell import Shell

_NOT_ROOT = (
    "Operation not permitted (you must be root)\n"
    "netlink: Error: cache initialization failed: Operation not permitted\n"
)


def _nft(shell: Shell, words: list[str]) -> int:
    host = shell.host
    quick = words[1:2] in (["--version"], ["-v"], ["-V"], ["-h"], ["--help"])
    if not shell.root and not quick:
        shell.err(_NOT_ROOT)
        return 1

    def read(path: str) -> str:
        return host.files.read(host.files.resolve(path, shell.cwd)).decode(
            "utf-8", "surrogateescape"
        )

    stdin = ""
    if any(word in {"-", "/dev/stdin"} or word.endswith("f-") for word in words[1:]):
        stdin = shell.stdin.read().decode("utf-8", "surrogateescape")
    result = host.run_nft(words[1:], stdin, read)
    shell.out(result.out)
    shell.err(result.err)
    return result.status


def _ip(shell: Shell, words: list[str]) -> int:
    flags = [word for word in words[1:] if word.startswith("-")]
    rest = [word for word in words[1:] if not word.startswith("-")]
    what = (rest or ["link"])[0]
    if what not in {"link", "l", "addr", "a", "address"}:
        shell.err(f'Object "{what}" is unknown, try "ip help".\n')
        return 1
    found = shell.host.links(addresses=what.startswith("a"))
    if any(flag in {"-j", "-json"} for flag in flags):
        shell.out(json.dumps(found, separators=(",", ":")) + "\n")
    else:
        for link in found:
            shell.out(f"{link['ifindex']}: {link['ifname']}: <UP> mtu 1500\n")
    return 0


def _uname(shell: Shell, words: list[str]) -> int:
    host = shell.host
    parts = {"s": "Linux", "n": host.hostname, "r": host.kernel, "m": "x86_64", "o": "GNU/Linux"}
    letters = "".join(word[1:] for word in words[1:]) or "s"
    chosen = "snrmo" if "a" in letters else letters
    shell.out(" ".join(parts[each] for each in "snrmo" if each in chosen) + "\n")
    return 0


def _id(shell: Shell, words: list[str]) -> int:
    number = "0" if shell.root else "1000"
    name = "root" if shell.root else shell.user
    letters = "".join(word[1:] for word in words[1:] if word.startswith("-"))
    if "u" in letters or "g" in letters:
        shell.out(f"{name if 'n' in letters else number}\n")
    else:
        shell.out(f"uid={number}({name}) gid={number}({name}) groups={number}({name})\n")
    return 0


def _hostname(shell: Shell, words: list[str]) -> int:
    del words
    shell.out(f"{shell.host.hostname}\n")
    return 0


def _whoami(shell: Shell, words: list[str]) -> int:
    del words
    shell.out("root\n" if shell.root else f"{shell.user}\n")
    return 0


def _date(shell: Shell, words: list[str]) -> int:
    now = shell.host.clock.now()
    form = words[-1][1:] if words[-1].startswith("+") else "%a %b %e %H:%M:%S UTC %Y"
    shell.out(time.strftime(form.replace("%s", str(int(now))), time.gmtime(now)) + "\n")
    return 0


_FORWARDING = {"net.ipv4.ip_forward": "ipv4", "net.ipv6.conf.all.forwarding": "ipv6"}


def _sysctl(shell: Shell, words: list[str]) -> int:
    """Set whether packets are forwarded: ``sysctl -w NAME=0``."""
    name, _, value = words[-1].partition("=")
    if name not in _FORWARDING or words[1:-1] != ["-w"] or value not in ("0", "1"):
        shell.err(f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: no such file\n")
        return 255
    if not shell.root:
        shell.err(f"sysctl: permission denied on key '{name}'\n")
        return 255
    shell.host.forwards(_FORWARDING[name], enabled=value == "1")
    shell.out(f"{name} = {value}\n")
    return 0


def _sleep(shell: Shell, words: list[str]) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    total = 0.0
    for word in words[1:]:
        factor = units.get(word[-1], 0)
        total += float(word[:-1]) * factor if factor else float(word)
    if not shell.host.clock.sleep(total, shell.stop):
        raise Exit(143)
    return 0


def _sh(shell: Shell, words: list[str]) -> int:
    process = shell.copy()
    process.name = "sh"
    process.functions = {}
    process.options = set()
    rest = words[1:]
    while rest and rest[0].startswith("-") and rest[0] not in {"-c", "-s"}:
        process.options |= set(rest.pop(0)[1:]) - {"c"}
    if rest[:1] == ["-c"]:
        script = rest[1] if rest[1:] else ""
        process.name = rest[2] if rest[2:] else "sh"
        process.arguments = rest[3:]
        return process.run(script)
    if rest and rest[0] != "-s":
        path = shell.host.files.resolve(rest[0], shell.cwd)
        process.name, process.arguments = rest[0], rest[1:]
        return process.run(shell.host.files.read(path).decode("utf-8", "surrogateescape"))
    process.arguments = rest[1:]
    return process.run(shell.stdin.read().decode("utf-8", "surrogateescape"))


def _rest(shell: Shell, words: list[str]) -> int:
    """Run the rest of the line: setsid, nohup, nice."""
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest.pop(0)
    return shell.host.program(shell, rest)


def _env(shell: Shell, words: list[str]) -> int:
    rest = words[1:]
    process = shell.copy()
    while rest and ("=" in rest[0] or rest[0].startswith("-")):
        word = rest.pop(0)
        if not word.startswith("-"):
            name, _, value = word.partition("=")
            process.variables[name] = value
    return shell.host.program(process, rest)


def _timeout(shell: Shell, words: list[str]) -> int:
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest.pop(0)
    return shell.host.program(shell, rest[1:])


def _sudo(shell: Shell, words: list[str]) -> int:
    host = shell.host
    rest = words[1:]
    quiet = False
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        quiet = quiet or "n" in word
        if word in {"-u", "-p"} and rest:
            rest.pop(0)
    if shell.root or host.may_sudo(rest):
        if rest[:1] == ["true"]:
            return 0
        process = shell.copy()
        process.root = True
        return host.program(process, rest)
    if quiet or not _asked(shell):
        shell.err("sudo: a password is required\n")
    return 1


def _asked(shell: Shell) -> bool:
    shell.err(
        "sudo: a terminal is required to read the password; either use the -S option to read "
        "from standard input or configure an askpass helper\n"
    )
    return False


SYSTEM: dict[str, Callable[[Shell, list[str]], int]] = {
    "conntrack": conntrack,
    "dash": _sh,
    "date": _date,
    "env": _env,
    "hostname": _hostname,
    "id": _id,
    "ip": _ip,
    "journalctl": journalctl,
    "nft": _nft,
    "nice": _rest,
    "nohup": _rest,
    "setsid": _rest,
    "sh": _sh,
    "sleep": _sleep,
    "sudo": _sudo,
    "sysctl": _sysctl,
    "timeout": _timeout,
    "uname": _uname,
    "whoami": _whoami,
}

__all__ = ["NOT_FOUND", "SYSTEM"]
