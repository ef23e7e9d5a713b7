"""What of a device is not as declared, who accepts it, and how it went over time."""
