"""``python -m atnn.cli``."""

from atnn.cli import main

main()
