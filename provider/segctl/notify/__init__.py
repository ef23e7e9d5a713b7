"""Notices of drift, and of who was judged, to chat rooms and others, in the form each reads."""

from __future__ import annotations

from segctl.notify.message import Message, message_of, watch_message
from segctl.notify.templates import Template, template

__all__ = ["Message", "Template", "message_of", "template", "watch_message"]
