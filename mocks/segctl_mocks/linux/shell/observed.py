"""Programs that show what a host saw: conntrack, journalctl.

Sources: conntrack 1.4.7 on a kernel 6.1 for the lines and what it says on standard error;
journalctl(1) for the forms of time and for ``-- No entries --``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl_mocks.linux.shell.shell import Shell

_VERSION = "conntrack v1.4.7 (conntrack-tools)"


def conntrack(shell: Shell, words: list[str]) -> int:
    """List connections of one family; without -f those of IPv4, as the program does."""
    rest = words[1:]
    if rest[:1] != ["-L"]:
        shell.err(f"{_VERSION}: this mock only lists connections\n")
        return 2
    if not shell.root:
        shell.err(
            f"{_VERSION}: Operation failed: sorry, you must be root or get CAP_NET_ADMIN "
            "capability to do this\n"
        )
        return 1
    family = rest[rest.index("-f") + 1] if "-f" in rest[:-1] else "ipv4"
    found = [one for one in shell.host.connections if ("::" in one) == (family == "ipv6")]
    shell.out("".join(f"{one}\n" for one in found))
    shell.err(f"{_VERSION}: {len(found)} flow entries have been shown.\n")
    return 0


def journalctl(shell: Shell, words: list[str]) -> int:
    """Show the kernel's messages since a moment, in the form of short-iso."""
    host = shell.host
    if not shell.root and not host.reads_journal:
        shell.err("No journal files were opened due to insufficient permissions.\n")
        return 1
    since = next((word[8:] for word in words if word.startswith("--since=")), "@0")
    found = [one for one in host.kernel_log if one[0] >= float(since.removeprefix("@"))]
    for moment, message in found:
        when = time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(moment))
        shell.out(f"{when} {host.hostname} kernel: {message}\n")
    if not found and "-q" not in words:
        shell.out("-- No entries --\n")
    return 0
