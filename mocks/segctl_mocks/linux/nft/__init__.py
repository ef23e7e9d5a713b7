"""An in-memory nftables that reads and lists as nft 1.0.6 does."""
