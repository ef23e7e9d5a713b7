"""Notices of drift to chat rooms and other services, in the form each of them reads."""

from __future__ import annotations

from segctl.notify.message import Message, message_of
from segctl.notify.templates import Template, template

__all__ = ["Message", "Template", "message_of", "template"]
