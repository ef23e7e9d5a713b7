"""pan-os-python's firewall on a wire of ours: keys, op commands, commits, with TLS verified.

pan-os-python 1.13 does not verify TLS, sends the password in its first call, and offers no option
for either; so every request it makes goes through `Wire`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lxml import etree

from segctl.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    DeviceError,
    LockedError,
    ParseError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.providers.base import Target
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.wire import Answer, Wire


# pan-os-python and pan-python carry no types
_PanDevice: Any = import_module("panos.base").PanDevice
_Firewall: Any = import_module("panos.firewall").Firewall
_FirewallCommit: Any = import_module("panos.firewall").FirewallCommit
_XapiError: type[Exception] = import_module("pan.xapi").PanXapiError


class _Response:
    """An `Answer` in the form that pan-python reads."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def getheader(self, name: str) -> str | None:
        """Return the one header pan-python asks for."""
        return self._answer.content_type if name.lower() == "content-type" else None

    def info(self) -> dict[str, str]:
        """Return the headers, for its debug log."""
        return {"Content-Type": self._answer.content_type}

    def read(self) -> bytes:
        """Return the body."""
        return self._answer.body


class _Xapi(_PanDevice.XapiWrapper):  # type: ignore[misc] # the base is untyped
    """pan-python's API object with the request itself replaced."""

    def __init__(self, wire: Wire, **kwargs: Any) -> None:
        self._wire = wire
        super().__init__(**kwargs)  # pyright: ignore[reportUnknownMemberType] - untyped base

    def _PanXapi__api_request(self, query: Mapping[str, str]) -> _Response:  # noqa: N802 - the one place where pan-python opens a connection
        return _Response(self._wire.request(query))


class _VerifiedFirewall(_Firewall):  # type: ignore[misc] # the base is untyped
    """A firewall whose every request, key generation included, goes over the wire."""

    def __init__(self, wire: Wire, target: Target) -> None:
        self._wire = wire
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - untyped base
            hostname=target.host,
            api_username=target.user,
            api_password=target.password.reveal(),
            port=target.port or 443,
            vsys=target.scope,
        )

    def generate_xapi(self) -> _Xapi:
        """Return the API object that pan-os-python uses for all but key generation."""
        return _Xapi(
            self._wire,
            api_key=self.api_key,
            hostname=self.hostname,
            port=self.port,
            pan_device=self,
        )

    def _retrieve_api_key(self) -> str:
        xapi = _Xapi(
            self._wire,
            pan_device=self,
            api_username=self._api_username,
            api_password=self._api_password,
            hostname=self.hostname,
            port=self.port,
        )
        xapi.keygen(retry_on_peer=False)
        return str(xapi.api_key)


class Client:
    """Typed calls on one firewall; pan-os-python's exceptions do not leave it."""

    def __init__(self, wire: Wire, target: Target) -> None:
        self._target = target
        self._firewall: Any = _VerifiedFirewall(wire, target)

    def key(self) -> str:
        """Return the API key, generated on the first call.

        Raises:
            AuthError: the device refuses user and password.
        """
        try:
            return str(self._firewall.api_key)
        except _XapiError as error:
            if "credential" in str(error).lower():
                raise AuthError(
                    self._target.name, f"refuses the account {self._target.user!r}"
                ) from error
            raise self._translated(error) from error
        except UnicodeDecodeError as error:
            raise self._not_text(error) from error

    def op(self, command: str, *, vsys: str = "") -> Element:
        """Run an operational command and return the answer.

        Raises:
            DeviceError: the device refuses it.
        """
        try:
            self._firewall.xapi.op(cmd=command, vsys=vsys or None, cmd_xml=False)
        except _XapiError as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:
            raise self._not_text(error) from error
        return self._answer()

    def commit(self, description: str) -> Element:
        """Submit a commit of this account's own changes and return the answer.

        Raises:
            LockedError: somebody holds a commit lock.
            ApplyError: the device refuses to queue it.
        """
        request = _FirewallCommit(description=description, admins=[self._target.user])
        command = request.element_str()
        text = command.decode() if isinstance(command, bytes) else str(command)
        try:
            self._firewall.xapi.commit(cmd=text, action="partial", retry_on_peer=False)
        except _XapiError as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:
            raise self._not_text(error) from error
        return self._answer()

    def _answer(self) -> Element:
        document = self._firewall.xapi.xml_document
        content = document.encode() if isinstance(document, str) else bytes(document or b"")
        return etree.fromstring(content, etree.XMLParser(resolve_entities=False))

    def _not_text(self, error: UnicodeDecodeError) -> DeviceError:
        return ParseError(self._target.name, f"its answer is not UTF-8: {error.reason}")

    def _translated(self, error: Exception) -> DeviceError:
        name, text = self._target.name, str(error).strip()
        if secret := self._target.password.reveal():  # an answer may repeat what was asked
            text = text.replace(secret, "***")
        if type(error).__name__ in ("PanConnectionTimeout", "PanURLError"):
            return ConnectError(name, text)
        if "ParseError" in text or text.startswith(("no handler for", "no response element")):
            return ParseError(name, f"its answer is not complete XML: {text}")
        if text.startswith("keygen()"):
            return ParseError(name, "its answer to the login holds no key: is this a firewall?")
        if "lock" in text.lower():
            return LockedError(name, text)
        if "Unauthorized" in text:
            return AuthError(
                name,
                f"the role of {self._target.user!r} may not do this: "
                "give it XML API rights for configuration, operational requests and commit",
            )
        return ApplyError(name, text)
