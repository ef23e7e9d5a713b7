"""Configuration and commit locks, by scope, with the texts of the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Collection

SHARED = "shared"
_VERBS = {"config": "modify", "commit": "commit"}
_RECENT = (11,)


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock."""

    kind: str  # config | commit
    scope: str
    admin: str
    created: str
    comment: str = ""
    of: str = "vsys"  # what the scope is the name of

    def to_xml(self) -> str:
        """Write the lock as ``show config-locks`` does (observed on 11.1)."""
        kind = SHARED if self.scope == SHARED else self.of
        comment = (self.comment or "(null)").replace("]]>", "]]&gt;")
        return (
            f"<entry name={quoteattr(self.admin)}><type>{kind}</type>"
            f"<name>{escape(self.scope)}</name><created>{self.created}</created>"
            f"<last-activity>{self.created}</last-activity><loggedin>yes</loggedin>"
            f"<comment><![CDATA[{comment}]]></comment></entry>"
        )


@dataclass(slots=True)
class Locks:
    """The locks held on a device."""

    release: tuple[int, ...]
    held: list[Lock] = field(default_factory=list[Lock])

    def _find(self, kind: str, scope: str) -> Lock | None:
        return next((lock for lock in self.held if (lock.kind, lock.scope) == (kind, scope)), None)

    def take(self, lock: Lock) -> str:
        """Take a lock; return what the device says."""
        other = self._find(lock.kind, lock.scope)
        if other is not None:
            raise self._refusal(lock, other)
        self.held.append(lock)
        return (
            "Successfully acquired lock. Other administrators will not be able to "
            f"{_VERBS[lock.kind]} configuration until lock is released by {lock.admin}."
        )

    def _refusal(self, lock: Lock, other: Lock) -> ApiError:
        if other.admin == lock.admin:
            return ApiError("", f"You already own a {lock.kind} lock for scope {lock.scope}")
        if lock.kind == "commit":
            return ApiError("", f"Commit lock is already held by {other.admin}")
        if self.release >= _RECENT:
            return ApiError("", f"Config lock is already held by {other.admin}")
        return ApiError("", f"Config for scope {lock.scope} is currently locked by {other.admin}")

    def drop(self, kind: str, scope: str, admin: str, holder: str = "") -> str:
        """Release a lock; a superuser may release that of another by naming the holder."""
        lock = self._find(kind, scope)
        word = kind.capitalize()
        if lock is None:
            if kind == "commit" and self.release < _RECENT:
                raise ApiError("", f"Commit lock is not currently held by {holder or admin}")
            raise ApiError("", f"{word} is not currently locked for scope {scope}")
        if lock.admin != (holder or admin):
            raise ApiError("", f"{word} for scope {scope} is currently locked by {lock.admin}")
        self.held.remove(lock)
        return f"{word} lock released for {lock.admin}"

    def refuse_edit(self, admin: str, scope: str) -> None:
        """Refuse a change while another administrator holds the configuration."""
        for lock in self.held:
            applies = lock.scope in {SHARED, scope}
            if lock.kind == "config" and lock.admin != admin and applies:
                raise ApiError("", f"Configuration is locked by {lock.admin}")

    def refuse_commit(self, admin: str, scopes: Collection[str]) -> None:
        """Refuse a commit while another administrator holds it (observed on 11.1).

        A lock of a virtual system stops every commit of a firewall, one of a device group or
        template those that change it.
        """
        others = [lock for lock in self.held if lock.kind == "commit" and lock.admin != admin]
        wide = any(lock.of == "vsys" or lock.scope == SHARED for lock in others)
        if wide and self.release >= _RECENT:
            raise ApiError("14", "Other administrators are holding device wide commit locks.")
        if wide or any(lock.scope in scopes for lock in others):
            raise ApiError("14", "Other administrators are holding commit locks.")

    def release_after_commit(self, admin: str, kinds: frozenset[str]) -> None:
        """Release the locks of these kinds that the owner of a commit holds."""
        self.held = [lock for lock in self.held if lock.kind not in kinds or lock.admin != admin]

    def to_xml(self, kind: str, scope: str) -> str:
        """List the locks of one kind, of one scope or of all."""
        shown = [
            lock.to_xml()
            for lock in self.held
            if lock.kind == kind and scope in {"all", lock.scope}
        ]
        return f"<{kind}-locks>{''.join(shown)}</{kind}-locks>"
