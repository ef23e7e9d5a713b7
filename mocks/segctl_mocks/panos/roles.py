"""What the role of an administrator lets a client of the API do.

Facts: the vendor's web interface help on admin role profiles (7.1 and 10.1) lists the rights of the
XML API, and says that a read-only superuser changes nothing. A request without its right is
answered ``unauth``, code 16 (observed on 11.x). Firewalls keep roles with what is shared (seen in
configurations); where a Panorama does is not recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos.answers import unauthorized
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.tree import Tree

#: types of requests, each also the name of its right in a role; others need none
_RIGHTS = frozenset({"config", "op", "commit", "log", "report", "user-id", "export", "import"})
_READERS = ("superreader", "devicereader")
#: what custom roles are for: a firewall, a Panorama
_KINDS = ("device", "panorama")


def refuse(running: Tree, request: Request) -> None:
    """Refuse what the role of an administrator does not allow; one without a role may do all.

    Raises:
        ApiError: the role lacks the right, or is not there.
    """
    role = (("mgt-config", ""), ("users", ""), ("entry", request.user), ("permissions", ""))
    held = running.at((*role, ("role-based", "")))
    if held is None or request.type not in _RIGHTS:
        return
    if any(text_of(running.child(held, (kind, ""))) == "yes" for kind in _READERS):
        if request.is_write:
            raise unauthorized()
        return
    custom = running.child(held, ("custom", ""))
    if custom is None:
        return
    profile = text_of(running.child(custom, ("profile", "")))
    for kind in _KINDS:
        rights = (("role", ""), (kind, ""), ("xmlapi", ""), (request.type, ""))
        place = (("shared", ""), ("admin-role", ""), ("entry", profile))
        if text_of(running.at((*place, *rights))) == "enable":
            return
    raise unauthorized()
