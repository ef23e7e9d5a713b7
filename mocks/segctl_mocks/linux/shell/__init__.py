"""A POSIX shell and the few programs a small Linux host has, on files in memory."""
