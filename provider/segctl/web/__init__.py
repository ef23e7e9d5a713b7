"""The plant in a browser: what is seen of it, served read-only."""
