"""pan-os-python's firewall over our own wire: keys, op commands, commits, with TLS verified.

pan-os-python 1.13 does not verify TLS, sends the password in its first call, and has no option
for either, so every request it makes goes through `Wire`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segctl.model.errors import ApplyError, AuthError, ConnectError, DeviceError, ParseError
from segctl.providers.panos import answers
from segctl.providers.panos.location import Location
from segctl.providers.panos.wire import KeyRefusedError, xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.wire import Wire
    from segctl.transports.https import Answer
    from segctl.transports.target import Target

    Ask: TypeAlias = Callable[[Mapping[str, str]], Answer]


# pan-os-python and pan-python carry no types
_PanDevice: Any = import_module("panos.base").PanDevice
_Firewall: Any = import_module("panos.firewall").Firewall
_FirewallCommit: Any = import_module("panos.firewall").FirewallCommit
_PanoramaCommit: Any = import_module("panos.panorama").PanoramaCommit
_XapiError: type[Exception] = import_module("pan.xapi").PanXapiError


#: What pan-python sees of an answer that was already read: a success.
_SUCCESS = b'<response status="success"/>'


class _Response:
    """An answer in the form that pan-python reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def getheader(self, name: str) -> str | None:
        """Return the one header pan-python asks for."""
        return "application/xml" if name.lower() == "content-type" else None

    def info(self) -> dict[str, str]:
        """Return the headers, for its debug log."""
        return {"Content-Type": "application/xml"}

    def read(self) -> bytes:
        """Return the body."""
        return self._body


class _Xapi(_PanDevice.XapiWrapper):  # type: ignore[misc] # the base is untyped
    """pan-python's API object with the request itself replaced."""

    def __init__(self, ask: Callable[[Mapping[str, str]], bytes], **kwargs: Any) -> None:
        self._ask = ask
        super().__init__(**kwargs)  # pyright: ignore[reportUnknownMemberType] - untyped base

    def _PanXapi__api_request(self, query: Mapping[str, str]) -> _Response:  # noqa: N802 - the one place where pan-python opens a connection
        return _Response(self._ask(query))


class _VerifiedFirewall(_Firewall):  # type: ignore[misc] # the base is untyped
    """A firewall whose requests all go over the wire, including key generation."""

    def __init__(self, client: Client, wire: Wire, target: Target) -> None:
        self._client = client
        self._wire = wire
        self._common = target.common
        #: under which the key of this account on this device is kept for other sessions
        self._account = "key", target.host, target.port, target.user, target.password
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - untyped base
            hostname=target.host,
            api_username=target.user,
            api_password=target.password.reveal(),
            port=target.port or 443,
            vsys=Location.of(target.scope).name,
        )

    def generate_xapi(self) -> _Xapi:
        """Return the API object that pan-os-python uses for all but key generation."""
        return _Xapi(
            self._client.read,
            api_key=self.api_key,
            hostname=self.hostname,
            port=self.port,
            pan_device=self,
        )

    def renew(self) -> None:
        """Forget the key: the next request generates another one."""
        self._api_key = None
        if self._common is not None:
            self._common.forget(self._account)

    def _retrieve_api_key(self) -> str:
        if self._common is None:
            return self._generated()
        return self._common.of(self._account, lambda: self._generated().encode()).decode()

    def _generated(self) -> str:
        xapi = _Xapi(
            lambda query: self._wire.request(query).body,
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
        self._wire = wire
        self._firewall: Any = _VerifiedFirewall(self, wire, target)
        self._answer: Element | None = None
        #: the serial number of the firewall to which Panorama passes requests on
        self.passed_on = ""

    def ask(self, params: Mapping[str, str], *, limit: int | None = None) -> Answer:
        """Send a request with our key; an expired or revoked key is replaced once.

        A refused key means that nothing was done, so a write may be sent again.

        Raises:
            DeviceError: as `Wire.request`.
        """
        if self.passed_on:
            params = {**params, "target": self.passed_on}
        key = self._key()  # a password that is refused is not tried twice
        try:
            return self._wire.request({**params, "key": key}, limit=limit)
        except KeyRefusedError:
            self._firewall.renew()
        return self._wire.request({**params, "key": self._key()}, limit=limit)

    def _key(self) -> str:
        """Return the API key, generated on the first call."""
        try:
            return str(self._firewall.api_key)
        except _XapiError as error:
            if "credential" in str(error).lower():
                raise AuthError(
                    self._target.name, f"refuses the account {self._target.user!r}"
                ) from error
            raise self._translated(error) from error
        except UnicodeDecodeError as error:
            message = f"its answer is not UTF-8: {error.reason}"
            raise ParseError(self._target.name, message) from error

    def op(self, command: str, *, vsys: str = "") -> Element:
        """Run an operational command and return the answer.

        Raises:
            DeviceError: the device refuses it; which one, `answers.refusal` decides.
        """
        try:
            self._firewall.xapi.op(cmd=command, vsys=vsys or None, cmd_xml=False)
        except _XapiError as error:
            raise self._translated(error) from error
        return self._taken()

    def commit(self, description: str) -> Element:
        """Submit a commit of this account's own changes and return the answer.

        Raises:
            LockedError: somebody holds a commit lock.
            BusyError: the device accepts no commit for now.
            ApplyError: it refuses to queue the commit.
        """
        place = Location.of(self._target.scope)
        kind, groups = _FirewallCommit, {}
        if place.rulebase:
            kind, groups = _PanoramaCommit, {"device_groups": [place.name]}
        request = kind(description=description, admins=[self._target.user], **groups)
        command = request.element_str()
        text = command.decode() if isinstance(command, bytes) else str(command)
        try:
            self._firewall.xapi.commit(cmd=text, action="partial", retry_on_peer=False)
        except _XapiError as error:
            raise self._translated(error) from error
        return self._taken()

    def commit_all(self, command: str) -> Element:
        """Submit a push to firewalls and return the answer.

        Raises:
            LockedError: somebody holds a commit lock.
            BusyError: the device accepts no push for now.
            ApplyError: it refuses to queue the push.
        """
        try:
            self._firewall.xapi.commit(cmd=command, action="all", retry_on_peer=False)
        except _XapiError as error:
            raise self._translated(error) from error
        return self._taken()

    def read(self, query: Mapping[str, str]) -> bytes:
        """Send pan-os-python's request, and keep the answer for our own reading.

        Raises:
            DeviceError: the device refuses it, or its answer is not XML.
        """
        self._answer = None
        response = xml(self._target, self.ask(query).body)
        if not answers.is_success(response):
            raise answers.refusal(self._target.name, response)
        self._answer = response
        return _SUCCESS

    def _taken(self) -> Element:
        answer, self._answer = self._answer, None
        if answer is None:
            raise ParseError(self._target.name, "gives no answer")
        return answer

    def _translated(self, error: Exception) -> DeviceError:
        name, text = self._target.name, str(error).strip()
        if secret := self._target.password.reveal():  # an answer may repeat what was asked
            text = text.replace(secret, "***")
        if type(error).__name__ in ("PanConnectionTimeout", "PanURLError"):
            return ConnectError(name, text)
        if "ParseError" in text or text.startswith(("no handler for", "no response element")):
            return ParseError(name, f"its answer is not complete XML: {text}")
        if text.startswith("keygen()"):
            return ParseError(name, "its answer to the login has no key: is this a firewall?")
        return ApplyError(name, text)
