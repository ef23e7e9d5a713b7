"""A mock PAN-OS firewall."""
