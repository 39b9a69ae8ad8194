"""Pictures that other tools made: what they say about themselves, in one vocabulary.

    understood   the nouns: what a file says, what was understood, what was not and why
    reading      one file: the first format that understands it
    formats      a module for each tool
    infotext     the text of A1111 and its kin       scanner   its pairs of key and value
    graph        ComfyUI's nodes and links           tables    JSON of strangers
    leftover     what a graph holds that no reader knows by name
    notes        the words of all tools as settings of one vocabulary

Pictures are opened through `pictures` alone. All work is bounded and linear in the size of the file.
"""

from teststrip.imports.reading import read
from teststrip.imports.understood import Understood, Unread

__all__ = ["Understood", "Unread", "read"]
