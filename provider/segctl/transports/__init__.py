"""How a device is reached: SSH, HTTPS, credentials, and who holds a device's lock."""
