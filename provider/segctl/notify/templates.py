"""The forms of a notice: Slack blocks, a Teams card, plain JSON, or the user's own template.

Names and texts come from devices and people, so they go only where nothing in them is read as
markup, a link or a mention.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from string import Template as Dollar
from typing import TYPE_CHECKING, Any, TypeAlias

from segctl.drift.report import Counts
from segctl.model.errors import UsageError
from segctl.notify.message import Message
from segctl.system.handed import read_bytes
from segctl.system.inert import json_text
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Turns a message into the body of a request.
Template: TypeAlias = Callable[[Message], bytes]

#: Slack accepts 150 characters in a header and 3000 in a text; a block holds several lines.
_SLACK_HEADER, _SLACK_TEXT = 150, 2900
_COLOURS = {
    "in_sync": "Good",
    "contained": "Good",
    "drift": "Warning",
    "proposed": "Warning",
    "error": "Attention",
    "not_contained": "Attention",
}


def template(name: str) -> Template:
    """Return a template: ``slack``, ``teams``, ``generic``, or one in a file.

    Raises:
        UsageError: the file cannot be read, or its output is not JSON.
    """
    if name in FORMS:
        return _encoded(FORMS[name])
    return _own(Path(name))


def _encoded(make: Callable[[Message], Mapping[str, Any]]) -> Template:
    return lambda message: json_text(make(message), indent=None).encode()


def _lines(message: Message) -> list[str]:
    lines = [note.text for note in message.notes]
    lines += [f"and {message.more} more"] if message.more else []
    lines += [f"{message.resolved} resolved"] if message.resolved else []
    return lines


# --- Slack ---------------------------------------------------------------------------------------


def _slack(message: Message) -> dict[str, Any]:
    """Write Block Kit with plain text objects, in which Slack interprets no markup."""
    texts = _joined(_lines(message), _SLACK_TEXT)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.headline[:_SLACK_HEADER])},
        *({"type": "section", "text": _plain(text)} for text in texts),
        {"type": "context", "elements": [_plain(f"segctl {message.event}, {message.time}")]},
    ]
    # shown in notifications, where Slack interprets markup
    escaped = message.headline.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _joined(lines: list[str], limit: int) -> list[str]:
    """Join lines into as few texts as the limit allows."""
    texts: list[str] = []
    for line in lines:
        if texts and len(texts[-1]) + len(line) < limit:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return texts


# --- Teams ---------------------------------------------------------------------------------------


def _teams(message: Message) -> dict[str, Any]:
    """Write an Adaptive Card with text runs, in which Teams interprets no Markdown."""
    body = [
        _block(message.headline, size="Medium", weight="Bolder", color=_COLOURS[message.status]),
        *(_block(line) for line in _lines(message)),
        _block(f"segctl {message.event}, {message.time}", size="Small", isSubtle=True),
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {
        "type": "message",
        "attachments": [{"contentType": kind, "contentUrl": None, "content": card}],
    }


def _block(text: str, **style: object) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


# --- plain ---------------------------------------------------------------------------------------


def _generic(message: Message) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "event": f"segctl.{message.event}",
        "environment": message.environment,
        "status": message.status,
        "headline": message.headline,
        "time": message.time,
        "summary": asdict(message.counts),
        "states": dict(message.states),
        "resolved": message.resolved,
        "items": [
            {
                "device": note.device,
                "state": note.state,
                "kind": note.kind,
                "name": note.name,
                "conduit": note.conduit,
                "changed_by": note.by,
                "new": note.new,
                "text": note.text,
            }
            for note in message.notes
        ],
        "more": message.more,
    }


#: The built-in forms, by name.
FORMS: Mapping[str, Callable[[Message], Mapping[str, Any]]] = {
    "slack": _slack,
    "teams": _teams,
    "generic": _generic,
}


# --- of the user's own -------------------------------------------------------------------------


def _own(path: Path) -> Template:
    """Return the template in a file: JSON with ``$name`` or ``${name}`` in its strings."""
    try:
        text = read_bytes(path).decode()
    except OSError as error:
        raise UsageError(
            f"--webhook-template {path}: {error.strerror}; use slack, teams, generic or a file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--webhook-template {path}: is not UTF-8 text") from error
    own = Dollar(text)
    trial = Message(
        environment="", status="", headline="", counts=Counts(), states={}, resolved=0, time=""
    )
    if not own.is_valid():
        raise UsageError(
            f"--webhook-template {path}: a $ without a name after it: write $$ for a dollar sign"
        )
    if unknown := sorted(set(own.get_identifiers()) - set(_words(trial))):
        known = ", ".join(f"${name}" for name in _words(trial))
        raise UsageError(
            f"--webhook-template {path}: unknown {', '.join(f'${name}' for name in unknown)}; "
            f"the known names are {known}"
        )

    def fill(message: Message) -> bytes:
        return own.substitute(_words(message)).encode()

    try:
        read_json(fill(trial))
    except ValueError as error:
        raise UsageError(f"--webhook-template {path}: its output is not JSON: {error}") from error
    return fill


def _words(message: Message) -> dict[str, str]:
    """Return the values a template may use, escaped for a JSON string."""
    counts = message.counts
    values = {
        "headline": message.headline,
        "status": message.status,
        "environment": message.environment,
        "time": message.time,
        "lines": "\n".join(_lines(message)),
        "in_sync": str(counts.in_sync),
        "drifted": str(counts.drift),
        "failed": str(counts.error),
        "resolved": str(message.resolved),
    }
    return {name: json.dumps(value)[1:-1] for name, value in values.items()}
