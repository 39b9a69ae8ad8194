"""The verbs of the command line: conductors that call every room below and that nothing below calls."""
