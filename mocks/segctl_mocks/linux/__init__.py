"""A mock Linux host: SSH, a small shell, and an nftables engine."""
