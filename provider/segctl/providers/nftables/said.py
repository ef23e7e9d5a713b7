"""What a Linux host's transcript counts: transactions, kinds of a listing, known refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import LiteralString

    from segctl.transports.transcript import Words

#: Parts of the answer to a read whose exit codes are noted (`agent.READER`).
PARTS: Final[tuple[LiteralString, ...]] = (
    *("uid", "nft", "host", "machine", "clock", "uptime", "links", "chains", "table"),
    *("boot", "body", "loads", "needs"),
)
WORDS: Final[Words] = {
    # our transactions
    "add table": "add table ",
    "add chain": "add chain ",
    "add rule": "add rule ",
    "insert rule": "insert rule ",
    "replace rule": "replace rule ",
    "add set": "add set ",
    "create set": "create set ",
    "add map": "add map ",
    "add element": "add element ",
    "create element": "create element ",
    "add counter": "add counter ",
    "flush chain": "flush chain ",
    "flush set": "flush set ",
    "delete table": "delete table ",
    "delete chain": "delete chain ",
    "delete rule": "delete rule ",
    "delete set": "delete set ",
    "delete map": "delete map ",
    "delete element": "delete element ",
    "delete counter": "delete counter ",
    # kinds in a listing, see libnftables-json
    "tables": '{"table": {',
    "chains": '{"chain": {',
    "rules": '{"rule": {',
    "sets": '{"set": {',
    "maps": '{"map": {',
    "counters": '{"counter": {',
    # messages of nft, sudo and shells about failures
    "No such file or directory": "No such file or directory",
    "File exists": "File exists",
    "Operation not permitted": "Operation not permitted",
    "Permission denied": "Permission denied",
    "Device or resource busy": "Device or resource busy",
    "Read-only file system": "Read-only file system",
    "No space left on device": "No space left on device",
    "Interrupted system call": "Interrupted system call",
    "Could not process rule": "Could not process rule",
    "syntax error": "syntax error",
    "a password is required": "a password is required",
    "not found": "not found",
    "Segmentation fault": "Segmentation fault",
    "Aborted": "Aborted",
}
