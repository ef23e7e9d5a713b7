"""Which authorities of certificates are trusted: the system's, or those in a file.

A file is read once, from where no other user decides what is in it, and OpenSSL is given what was
read. The system's own store is opened by OpenSSL; where ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``
names another one, its place is checked before.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Iterator


def authorities(file: Path) -> str:
    """Return the certificates in a file (PEM), for `verifying`.

    Raises:
        UnsafePlaceError: others could decide what is read.
        OSError: it cannot be read; an `ssl.SSLError` where it holds no certificate.
    """
    # what stands between certificates is a comment, in any encoding
    text = storage.read(file.expanduser()).decode("ascii", errors="ignore")
    if not text:  # which `verifying` takes for the system's store
        raise ssl.SSLError("it is empty")
    return text


def verifying(trusted: str = "") -> ssl.SSLContext:
    """Return TLS settings that verify a server's certificate and name.

    Args:
        trusted: certificates of authorities, PEM; the system's store by default.

    Raises:
        UnsafePlaceError: others could decide what is in the store that the environment names.
        OSError: as `ssl.SSLError`, where the text holds no certificate.
    """
    if not trusted:
        for path in _stores():
            with suppress(FileNotFoundError, NotADirectoryError):
                storage.check(path)
    return ssl.create_default_context(cadata=trusted or None)


def _stores() -> Iterator[Path]:
    """Yield a file in each place that the environment names in the place of the system's store."""
    if file := os.environ.get("SSL_CERT_FILE"):
        yield Path(file)
    for folder in os.environ.get("SSL_CERT_DIR", "").split(os.pathsep):
        if folder:
            yield Path(folder, "certificate")
