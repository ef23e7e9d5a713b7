"""What the device says: the two envelope styles and the errors of the code table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

XML = "application/xml; charset=UTF-8"
HTML = "text/html; charset=UTF-8"

SUCCESS = 200
SUCCEEDED = b'<response status="success" code="20"><msg>command succeeded</msg></response>'


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; a body that is not bytes is streamed."""

    body: bytes | Iterable[bytes]
    status: int = SUCCESS
    reason: str = ""
    content_type: str = XML
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def content(self) -> bytes:
        """Return the whole body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class ApiError(Exception):
    """A request the device refuses; ``code`` is left out where the device leaves it out."""

    def __init__(self, code: str, *lines: str, status: str = "error", cdata: bool = False) -> None:
        super().__init__(code, *lines)
        self.code = code
        self.lines = lines
        self.status = status
        self.cdata = cdata

    def inner(self) -> str:
        """Return the message as XML."""
        return "<msg>" + "".join(self._line(line) for line in self.lines) + "</msg>"

    def _line(self, line: str) -> str:
        if self.cdata and "]]>" not in line:
            return f"<line><![CDATA[{line}]]></line>"
        return f"<line>{escape(line)}</line>"

    def answer(self) -> Answer:
        """Return the answer that carries this error."""
        code = f" code={quoteattr(self.code)}" if self.code else ""
        text = f'<response status="{self.status}"{code}>{self.inner()}</response>'
        return Answer(text.encode())


def unauthorized() -> ApiError:
    """An xpath outside /config, or a role that may not (observed on PAN-OS 11.x)."""
    return ApiError("16", "Unauthorized request", status="unauth")


def malformed() -> ApiError:
    """XML in cmd or element that is not well-formed (observed on PAN-OS 8.1)."""
    return ApiError("18", "Malformed Request")


def invalid(lines: Iterable[str]) -> ApiError:
    """A schema, reference, length or duplicate failure; each line leads with a blank."""
    return ApiError("12", *(f" {line}" for line in lines), cdata=True)


def web_error(status: int, message: str, reason: str = "") -> Answer:
    """An error of the web layer, with its own spacing and quotes (vendor knowledge base)."""
    text = (
        f"<response status = 'error' code = '{status}'>"
        f"<result><msg>{escape(message)}</msg></result></response>"
    )
    return Answer(text.encode(), status=status, reason=reason or message)


def key_answer(key: str) -> Answer:
    """A successful key generation (vendor documentation)."""
    text = f"<response status = 'success'><result><key>{escape(key)}</key></result></response>"
    return Answer(text.encode())


def result(inner: str | bytes, code: str = "") -> Answer:
    """A successful answer with a result."""
    body = inner.encode() if isinstance(inner, str) else inner
    attribute = f' code="{code}"'.encode() if code else b""
    head = b'<response status="success"' + attribute + b"><result>"
    return Answer(head + body + b"</result></response>")


def chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Stream parts as they are."""
    yield from parts


def message_result(line: str) -> Answer:
    """A successful answer whose result is a message line (revert, observed on 11.1)."""
    return result(f"<msg><line>{escape(line)}</line></msg>")


LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Login</title></head><body><form name='login' "
    "action='/php/login.php' method='post'><input name='user'/><input name='passwd' "
    "type='password'/></form>" + "<!-- -->" * 64 + "</body></html>"
).encode()


def login_page() -> Answer:
    """What an unknown address or a wrong content type is answered with."""
    return Answer(LOGIN_PAGE, content_type=HTML)
