"""Which part of a device a policy is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TEXT: Final = re.compile(r"([a-z]+(?:-[a-z]+)*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One part of a device, or of what manages devices.

    Without a `kind` it is of the only kind that a device of its platform has: a virtual system, a
    table. With one it is another, such as a ``device-group`` of a manager. An empty scope is the
    part that the platform takes where nobody names one.

    Raises:
        ValueError: its text would be read as that of another scope.
    """

    kind: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be read back."""
        if Scope.of(str(self)) != self:
            message = f"a scope of kind {self.kind!r} cannot be called {self.name!r}"
            raise ValueError(message)

    @classmethod
    def of(cls, text: str) -> Scope:
        """Return the scope that documents write as `text`; every text is one."""
        found = _TEXT.fullmatch(text)
        made = object.__new__(cls)
        object.__setattr__(made, "kind", found[1] if found else "")
        object.__setattr__(made, "name", found[2] if found else text)
        return made

    def __str__(self) -> str:
        """Return it as documents write it: ``part1``, or ``device-group:plants``."""
        return f"{self.kind}:{self.name}" if self.kind else self.name

    def __bool__(self) -> bool:
        """Whether somebody named a part."""
        return bool(self.name)


#: What a platform takes where nobody names a part.
DEFAULT_SCOPE: Final = Scope()
