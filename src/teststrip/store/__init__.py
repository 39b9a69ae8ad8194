"""The study folder: one SQLite ledger, and pictures under the digest of their bytes. One writer, any number of readers.

    store      what other rooms use: add, fail, done, images, scores, verify
    recovery   what a writer does first: it makes ledger and files agree after a crash; rebuild
    verify     hashes everything again
    ledger     the SQLite file: open with suspicion, whole transactions
    rows       the one place where rows of the ledger become records
    schema     tables and migrations
    files      pictures on disk: whole or not there at all
    inside     the one door to all other parts of the folder: no link is followed
    thumbs     small copies of large pictures, made again where they are missing
    lock       one writer a folder

There is no Store protocol: a second kind of store has no user.
"""

from teststrip.store.rows import Incident, Remembered
from teststrip.store.store import Store, rebuild
from teststrip.store.verify import Problem

__all__ = ["Incident", "Problem", "Remembered", "Store", "rebuild"]
