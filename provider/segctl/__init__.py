"""Provision firewalls for OT network segmentation from IEC 62443 zones and conduits."""

__version__ = "0.1.0"
