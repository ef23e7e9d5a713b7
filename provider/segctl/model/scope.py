"""Which part of a device a policy is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Kinds of the parts of a manager that give firewalls their rules: before those that a firewall has
#: itself, or after them.
GROUP: Final = "device-group"
LATE_GROUP: Final = "device-group-post"
_TEXT: Final = re.compile(r"([a-z]+(?:-[a-z]+)*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One part of a device, or of a manager of devices.

    Without a `kind` it has the usual kind of the platform: a virtual system, a table. With a
    `kind` it is something else, such as a ``device-group`` of a manager. An empty scope is the
    platform's default part.

    Raises:
        ValueError: its text would be read as another scope.
    """

    kind: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a scope whose text would not be read back as the same scope."""
        if Scope.of(str(self)) != self:
            message = f"a scope of kind {self.kind!r} cannot have the name {self.name!r}"
            raise ValueError(message)

    @classmethod
    def of(cls, text: str) -> Scope:
        """Return the scope that documents write as `text`; every text is a scope."""
        found = _TEXT.fullmatch(text)
        made = object.__new__(cls)
        object.__setattr__(made, "kind", found[1] if found else "")
        object.__setattr__(made, "name", found[2] if found else text)
        return made

    def __str__(self) -> str:
        """Return the text of documents: ``part1``, or ``device-group:plants``."""
        return f"{self.kind}:{self.name}" if self.kind else self.name

    def __bool__(self) -> bool:
        """Whether a part is named."""
        return bool(self.name)


#: The default part of a platform, when no part is named.
DEFAULT_SCOPE: Final = Scope()
