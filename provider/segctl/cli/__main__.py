"""``python -m segctl.cli``."""

from segctl.cli import main

main()
