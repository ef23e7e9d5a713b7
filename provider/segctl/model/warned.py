"""A step of the work on a device that everybody is told of, not only who asks for every step."""

from __future__ import annotations


class Warned(str):
    """What may be wrong although the work goes on; the outcome of the device warns of it too."""

    __slots__ = ()
