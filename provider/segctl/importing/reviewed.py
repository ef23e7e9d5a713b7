"""What was decided about a conduit, written into the text of the file that declares it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from segctl.importing.conduit_text import (
    CannotEditError,
    conduit_in,
    declared_in,
    edited,
    meaning,
    with_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from segctl.importing.conduit_text import Value
    from segctl.model.site import Review


def with_review(text: str, conduit: str, days: Mapping[str, date], review: Review) -> str | None:
    """Return a file in which a conduit has been reviewed.

    Returns:
        None where it cannot be edited, or where anything else would change.

    Args:
        text: the file.
        conduit: its id.
        days: the days that it gets, by key: ``review_by``, ``expires``.
        review: what was decided; it takes the place of an earlier one.
    """
    said: dict[str, Value] = {
        "date": review.day,
        "by": review.by,
        "decision": review.decision,
        "reason": review.reason,
    }
    keys: dict[str, Value | Mapping[str, Value]] = {**days, "reviewed": said}
    try:
        held = conduit_in(text, conduit)
        after = edited(text, [with_key(held, text, *one) for one in reversed(keys.items())])
        old, new = map(meaning, (text, after))
        declared_in(old, conduit).update(days, reviewed=said)
    except (yaml.YAMLError, CannotEditError, RecursionError, AttributeError, StopIteration):
        return None
    return after if old == new else None
