"""Signatures of plans: written beside them, checked, and demanded where a device asks for one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.model.errors import SignatureError, UsageError
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from segctl.planning.plan import Plan
    from segctl.signing import Signature, Signer
    from segctl.transports.credentials import Secret

#: The variable of a host that takes plans signed by these keys only.
VERIFY_KEYS = "segctl_verify_keys"


def signer(
    key: Path, out: Path | None, password: Callable[[Path], Secret]
) -> Callable[[bytes, str], Signature]:
    """Return what signs a plan that is saved to `out`; a password is asked for now.

    `password` takes the key's path, and is called where the key has a password.

    Raises:
        UsageError: nothing is saved, or not to a file.
        SignatureError: the key cannot be used.
    """
    from segctl.signing import open_key

    if out is None or (out.exists() and not out.is_file()):
        raise UsageError("--sign signs a plan that is saved: give -o FILE, too")
    return open_key(key, lambda: password(key))


def write_signature(signature: Signature, out: Path) -> Path:
    """Put a signature beside its file, in the place of all that was there.

    Raises:
        SignatureError: it cannot be written.
    """
    remove_signatures(out)
    path = signature.beside(out)
    try:
        storage.write(path, signature.text, mode=0o644)
    except OSError as error:
        raise SignatureError(f"cannot write {path}: {error.strerror}; nothing was saved") from error
    return path


def remove_signatures(out: Path) -> None:
    """Remove the signatures of a plan that is replaced: they are of another.

    Raises:
        SignatureError: one cannot be removed.
    """
    from segctl.signing import signatures_of

    for path in signatures_of(out):
        try:
            storage.remove(path)
        except OSError as error:
            raise SignatureError(
                f"{path} is of the plan from before and cannot be removed: {error.strerror}"
            ) from error


def read_verified(file: Path, keys: Path | None) -> Plan:
    """Return a saved plan; with `keys`, its signature is checked before anything in it is read.

    Raises:
        SignatureError: nobody trusted signed these bytes.
        UnsafePlaceError: without keys, another user of this machine can exchange the file.
        PlanFormatError: it is no plan.
    """
    from segctl.planning.documents import parse_plan, plan_bytes

    data = _unexchanged(file) if keys is None else plan_bytes(file)
    if keys is not None:
        signed_by(data, file, keys)
    return parse_plan(data, file)


def _unexchanged(file: Path) -> bytes:
    from segctl.model.errors import PlanFormatError
    from segctl.system.places import UnsafePlaceError

    try:
        return storage.read(file)
    except UnsafePlaceError:
        raise
    except OSError as error:
        raise PlanFormatError(f"{file}: {error.strerror}") from error


def signed_by(data: bytes, file: Path, keys: Path) -> tuple[Signer, ...]:
    """Return who signed the content of a file.

    Raises:
        SignatureError: nobody trusted.
    """
    from segctl.signing import verify

    return verify(data, file, keys.expanduser(), datetime.now(UTC))


#: How to come to a signed plan, and what to do with it: without a playbook, and with one.
SIGNED = "segctl plan -o FILE --sign KEY, then segctl apply FILE"
SIGNED_WAVES = (
    "segctl plan -p PLAYBOOK -o FILE --sign KEY, then segctl apply -p PLAYBOOK --reviewed FILE"
)


def refuse_live(keys: Path | None, what: str, instead: str = SIGNED) -> None:
    """Refuse to apply what nobody can have signed, where a signature is asked for.

    Raises:
        SignatureError: `keys` are given.
    """
    if keys is not None:
        raise SignatureError(
            f"a signed plan is asked for (--verify, SEGCTL_VERIFY), and {what} is none: {instead}"
        )


def refuse_unsigned(
    connections: Mapping[str, Mapping[str, object]],
    names: Iterable[str],
    file: Path | None = None,
    made: Plan | None = None,
    instead: str = SIGNED,
) -> bool:
    """Refuse devices that take signed plans only, unless `file` is signed as each of them asks.

    `made` is the plan that was read from it. Return whether any of them asks.

    Raises:
        SignatureError: it is not, or there is no file.
    """
    asked = {
        str(connections[name][VERIFY_KEYS]): name
        for name in reversed(list(names))
        if connections.get(name, {}).get(VERIFY_KEYS)
    }
    for keys, name in asked.items():
        if file is None:
            raise SignatureError(f"{name} takes signed plans only ({VERIFY_KEYS}): {instead}")
        if read_verified(file, Path(keys)) != made:
            raise SignatureError(f"{file} was changed while it was read")
    return bool(asked)
