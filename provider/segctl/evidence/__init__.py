"""Evidence: what firewalls show of the requirements of IEC 62443-3-3, zone by zone."""
