"""`python -m teststrip` is the command `teststrip`."""

from teststrip.cli import main

main()
