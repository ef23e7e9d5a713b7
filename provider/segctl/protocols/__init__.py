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
    default_ports,
    layer4_ports,
    panos_applications,
    rows,
)

__all__ = [
    "Application",
    "Applications",
    "Catalogue",
    "Confidence",
    "Port",
    "Protocol",
    "UnusablePort",
    "catalogue",
    "default_ports",
    "layer4_ports",
    "panos_applications",
    "rows",
]
