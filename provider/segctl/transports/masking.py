"""Texts of unexpected errors, without the secrets that this process holds.

Such a text comes from a library or the interpreter, and may repeat anything.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from segctl.system.children import CHILD_VARIABLES
from segctl.transports.credentials import held_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN: Final = "***"
#: Characters of a variable for inventory plugins that may be a secret: others are switches.
_LEAST: Final = 6
#: segctl's variables whose values are secrets, or addresses that contain one.
_SECRET: Final = re.compile(
    r"SEGCTL_(?:(?:SIGN_|PUSHGATEWAY_)?PASSWORD(?!_FILE\Z)\w*|\w*TOKEN|WEBHOOK|PUSHGATEWAY|HISTORY)"
)


def masked(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text with asterisks for every secret that this process holds.

    The secrets are every existing `Secret`, the values of segctl's secret variables and of those
    that it hands on to inventory plugins, and every part of an address among them that may be one;
    verbatim and as URLs, JSON, Python, XML and HTML spell them.

    Args:
        text: any.
        environment: used instead of the process's own.
    """
    forms = {form for secret in _secrets(environment) for form in _forms(secret)}
    for form in sorted(forms - {""}, key=len, reverse=True):  # no part of a longer secret is left
        text = text.replace(form, _SHOWN)
    return text


def _secrets(environment: Mapping[str, str] | None) -> Iterator[str]:
    env = os.environ if environment is None else environment
    held = [value for name, value in env.items() if _SECRET.fullmatch(name)]
    handed = (env.get(name, "") for name in env.get(CHILD_VARIABLES, "").split())
    held += [value for value in handed if len(value) >= _LEAST]
    held += held_secrets()
    for value in held:
        yield from {value, value.strip()}
        for one in {value.strip(), *value.split()}:  # of webhooks there may be several
            yield from _parts(one)


def _parts(value: str) -> Iterator[str]:
    """Yield the parts of an address that may be secret: password, query, path of a webhook."""
    if "://" not in value:
        return
    with suppress(ValueError):
        url = urlsplit(value)
        account, _, _ = url.netloc.rpartition("@")
        path = url.path.strip("/") if url.scheme.startswith("http") else ""
        for one in (account.partition(":")[2], path, url.query):
            yield one
            yield unquote(one)
        for _, one in parse_qsl(url.query):
            yield one


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield repr(secret.encode(errors="surrogatepass"))[2:-1]
    yield repr(f"'\"{secret}")[4:-1]  # in a longer text that has both quotes
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield escape(secret)
    yield escape(secret, quote=False)
    with suppress(UnicodeEncodeError):
        yield quote(secret, safe="")
        yield quote(secret)
        yield quote_plus(secret)
