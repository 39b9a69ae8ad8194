"""A finding in words, written from its record alone, so that words, table and chart cannot disagree.

Words are made here, last of all, and no code reads them again: what was compared stands in the record's `asked`.
"""
