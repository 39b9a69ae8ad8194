"""The kinds of questions a report answers, a file each."""
