"""Compile a declared site into the policy of every firewall, independent of platforms."""
