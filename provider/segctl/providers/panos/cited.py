"""Which requests a document's answers came from, each with a digest of its answer."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from segctl.model.scope import Scope
from segctl.providers.panos import names, pushed, references
from segctl.providers.panos.location import Location
from segctl.providers.panos.snapshot import load

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAID: Final[Mapping[str, str]] = {
    "system": "show system info",
    "pending": "show config list changes",
    "shared": f"configuration of {names.SHARED}",
    references.SETTINGS: f"configuration of {names.DEVICE}/{references.SETTINGS}",
    "network": f"configuration of {names.DEVICE}/network",
    "applications": "names of /config/predefined/application",
    "locks": "show config-locks, show commit-locks",
    "pair": "show high-availability state",
    pushed.POLICY: "show config pushed-shared-policy vsys",
    pushed.COMMON: "show config pushed-shared-policy",
    pushed.TEMPLATE: "show config pushed-template",
}


def cited(document: bytes) -> dict[str, str]:
    """Return the requests with the SHA-256 of each answer, in hexadecimal.

    Raises:
        ParseError: the document is not ours, or damaged.
    """
    snapshot = load(document)
    own = f"configuration of {Location.of(Scope.of(snapshot.scope)).xpath}"
    said = {**_SAID, "vsys": own}
    return {
        said.get(name, name): hashlib.sha256(part).hexdigest()
        for name, part in snapshot.parts.items()
    }
