"""`python -m pfa` is the command `pfa`."""

from pfa.cli import app

app()
