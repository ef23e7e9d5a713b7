"""One module or folder a platform; loaded by name through entry points."""
