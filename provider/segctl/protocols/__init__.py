"""Industrial protocols: which applications and ports stand for what a flow may do.

The catalogue is package data (``catalogue.json``), read at the first question.
"""

from segctl.protocols.catalogue import (
    Application,
    Catalogue,
    Confidence,
    Port,
    Protocol,
    UnusablePort,
    catalogue,
)
from segctl.protocols.uses import (
    Applications,
    Naming,
    asked_classes,
    by_function,
    default_ports,
    layer4_ports,
    not_routable,
    rows,
)

__all__ = [
    "Application",
    "Applications",
    "Catalogue",
    "Confidence",
    "Naming",
    "Port",
    "Protocol",
    "UnusablePort",
    "asked_classes",
    "by_function",
    "catalogue",
    "default_ports",
    "layer4_ports",
    "not_routable",
    "rows",
]
