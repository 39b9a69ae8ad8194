"""The verbs of the command line. A verb calls the rooms below it; no room below calls a verb."""
