"""Drift: what on a device differs from the inventory, who accepts it, and its history."""
