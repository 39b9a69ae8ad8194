"""The border: what a person wrote becomes a checked `Study`, or an error that says where, what, and the remedy.

    reading      the order in which a file's parts are read        prompts   texts, prompt files, {word} places
    keys         the table of all keys                              engines   [engine], [engines.NAME]
    values       one value against one setting; ranges; labels      axes      levels, linked settings, exclusions
    place        where a value stands, for messages                 question  [question], [trackers]
    overrides    --set KEY=VALUE                                    agreement what the parts mean together
    secrets      keys and addresses that must not be in a file      cells     combinations and their settings
    writing      a Study back to TOML                               reference JSON Schema and the page in the docs
    leaving      a Study without what cannot be made

The rooms behind this one trust a `Study` and check nothing twice. Loads neither weights nor torch.
"""

from teststrip.study.leaving import rules, without
from teststrip.study.reading import parse, read, reopen, study
from teststrip.study.reference import reference, schema, template
from teststrip.study.writing import dump

__all__ = ["dump", "parse", "read", "reference", "reopen", "rules", "schema", "study", "template", "without"]
