"""One module or folder per platform; loaded by name through entry points."""
