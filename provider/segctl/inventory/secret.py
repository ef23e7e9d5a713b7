"""A value that never shows itself: not in a repr, a log line or a traceback."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A password or key; only `reveal` gives it away."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the secret itself, for the one call that sends it."""
        return self._value

    def __repr__(self) -> str:
        """Show that there is a secret, and nothing of it."""
        return "Secret(***)"

    def __str__(self) -> str:
        """Show that there is a secret, and nothing of it."""
        return "***"
