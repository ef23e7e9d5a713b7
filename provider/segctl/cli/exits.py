"""Exit statuses; 2 only ever means that something differs."""

OK, ERROR, DIFFERS = 0, 1, 2
