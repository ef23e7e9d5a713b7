"""What was seen of traffic, held against what is declared. Pure but for the readers of files."""
