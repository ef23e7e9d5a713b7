"""Industrial protocols: the applications and ports for each use of a protocol.

The catalogue is package data (``catalogue.json``), read on first use.
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
