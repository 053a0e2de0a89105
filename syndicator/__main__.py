"""`python -m syndicator` is the command line."""

from syndicator.cli import main

main()
