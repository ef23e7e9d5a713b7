"""Provision firewalls for OT network segmentation from IEC 62443 zones and conduits."""

from segctl import former

__version__ = "0.1.0"

former.accept()
