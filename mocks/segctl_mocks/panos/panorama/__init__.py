"""A mock Panorama that manages mock firewalls."""
