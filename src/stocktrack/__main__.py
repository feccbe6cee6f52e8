"""`python -m stocktrack` is the `stocktrack` command."""

from stocktrack.cli import main

main()
