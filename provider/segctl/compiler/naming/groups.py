"""Names of groups that segctl makes up: of applications, and of several address objects.

A group of applications is named from its members alone: two flows that permit the same share it,
in whatever order, and however, the inventory names protocols and classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.compiler.naming.objects import PREFIX
from segctl.compiler.naming.short import digest, has_digest, is_shortened, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Joins names in the name of a group: no id holds it.
JOIN = "/"
_GROUP_FORBIDDEN = r"[^0-9A-Za-z._/-]"
_FORMER_LENGTH = 31


def application_group(members: Iterable[str], about: Iterable[str], limit: int) -> str:
    """Return the name of a group of applications.

    Args:
        members: the applications, in any order.
        about: words for people, such as the protocols that the members are of, in any order.
        limit: how long such names may be; the hash of the members stays whole.
    """
    listed = sorted(set(members))
    hashed = digest("\n".join(listed))
    words = re.sub(r"[^0-9A-Za-z._-]", "_", "-".join(sorted(set(about))) or "apps")
    return f"{f'{PREFIX}{words}'[: limit - len(hashed) - 1]}-{hashed}"


def is_former_application_group(name: str) -> bool:
    """Whether segctl 0.1 may have called a group of applications so.

    It hashed protocols and classes in the order of the inventory; all such names are of one
    length. Which order it was cannot be told from the hash, and need not be.
    """
    return name.startswith(PREFIX) and len(name) == _FORMER_LENGTH and has_digest(name)


def joined_group(names: Iterable[str], limit: int) -> str:
    """Return the name of the group that holds all addresses of several objects."""
    return shorten(JOIN.join(sorted(names)), limit, _GROUP_FORBIDDEN)


def split_group(name: str, limit: int) -> tuple[str, ...]:
    """Return the names of the objects that a group holds, none where its name was shortened."""
    return () if is_shortened(name, limit) else tuple(name.split(JOIN))
