"""Names in our table, and which text may get there.

Text of an inventory reaches a device only through `identifier`, `interface` or `comment`: nft has
no escape for a quote, and a newline or semicolon would begin the next command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.model.policy import Rule

TABLE = "inet segctl"
FAMILY, NAME = "inet", "segctl"
#: A counter with this name and comment marks the table as segctl's, and states its format.
MARK = "segctl"
FORMAT = "made by segctl, format 2"
#: The former format, still read; the next push converts it.
FORMER = "made by segctl, format 1"
#: Sets that say who holds the table and what was pushed; not part of the policy.
LOCK, PUSH = "lock", "push"
RECORDS = frozenset({LOCK, PUSH})
LOCK_MADE = "typeof meta mark;"
#: By IP version, the sets of who is contained: single addresses, and networks, which may hold some
#: of the addresses. Their elements are not policy: each has its own time.
CONTAINED = {4: ("contained4", "contained4_nets"), 6: ("contained6", "contained6_nets")}
#: By IP version, what the name of an island's set begins with; its networks never overlap.
_ISLANDS = {4: "island4_", 6: "island6_"}
#: The name of any set of who is cut off, as a basic expression of sed.
TIMED = r"\(contained[46][_a-z]*\|island[46]_[^ ]*\)"
#: Map from interfaces to the flows that go on for who is contained.
KEPT = "kept"
FORWARD, DENY, PAIRS, ZONED, DENIED = "forward", "deny", "pairs", "zoned", "denied"
MAX_NAME = 63
MAX_GROUP = 120
MAX_LABEL = 47
MAX_ZONE = 48
#: Joins zone names in chains and members in groups: ids of inventories never hold it.
JOIN = naming.JOIN
#: NFLOG group unless ``segctl_log_forwarding`` names another, or ``kernel``.
LOG_GROUP = "10"
KERNEL_LOG = "kernel"
#: Tag of a rule whose flow says ``functions: not-enforced``.
NOT_ENFORCED = "functions-not-enforced"

_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*", re.ASCII)
_INTERFACE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._@:-]{0,14}", re.ASCII)


def identifier(kind: str, name: str, limit: int = MAX_NAME) -> str:
    """Return `name` if nft accepts it as part of our names.

    Raises:
        UnsupportedError: it has characters besides letters, digits, dot, hyphen, underscore.
    """
    if len(name) > limit or not _IDENTIFIER.fullmatch(name):
        message = (
            f"{kind} {name!r}: nftables names have letters, digits, '.', '_' and '-', "
            f"at most {limit} here"
        )
        raise UnsupportedError(message)
    return name


def interface(name: str) -> str:
    """Return `name` if it is valid for a Linux interface and not a wildcard for nft.

    Raises:
        UnsupportedError: it is not.
    """
    if not _INTERFACE.fullmatch(name):
        message = (
            f"interface {name!r} is not a Linux interface name: it may have at most 15 "
            "letters, digits and ._@:-"
        )
        raise UnsupportedError(message)
    return name


def labels(rule: Rule) -> str:
    """Return the comment that says whose a rule is; at most 128 bytes."""
    return naming.encode_comment(
        naming.Mark(
            conduit=rule.conduit,
            flow=rule.flow,
            seal=rule.seal if rule.essential else None,
            enforced=NOT_ENFORCED not in rule.tags,
        )
    )


def read_labels(comment: str) -> naming.Mark:
    """Return what a comment says; nothing where it is not one of ours."""
    return naming.decode_comment(comment) or naming.Mark()


def counted_rule(counter: str) -> str | None:
    """Return the rule that a counter is of, None for any other counter."""
    match = re.fullmatch(r"rule_(.+)", counter)
    return match[1] if match else None


def pair(source: str, destination: str) -> str:
    """Return the name of a zone pair."""
    return f"{source}{JOIN}{destination}"


def split_set(name: str) -> tuple[int, int, str] | None:
    """Return the IP version, revision and group in an address set's name, or None."""
    match = re.fullmatch(r"a([46])(?:\.([1-9][0-9]*))?_(.+)", name)
    return (int(match[1]), int(match[2] or 0), match[3]) if match else None


def timed_sets(group: str) -> Mapping[int, tuple[str, ...]]:
    """Return the sets of who is in a group of those who are cut off, by IP version."""
    label = naming.island_label(group)
    if not label:
        return CONTAINED
    return {version: (f"{begin}{label}",) for version, begin in _ISLANDS.items()}


def is_timed(name: str) -> bool:
    """Whether a set is one of those who are cut off."""
    return name.startswith(tuple(_ISLANDS.values())) or any(
        name in pair for pair in CONTAINED.values()
    )


def set_name(version: int, revision: int, group: str) -> str:
    """Return the name of the set that holds a group's addresses of one IP version."""
    return f"a{version}{f'.{revision}' if revision else ''}_{group}"
