"""The border: what a person wrote becomes a checked `Study`, or an error that says where, what, and the remedy.

    reading      the order in which a file's parts are read        prompts   texts, ids, {word} places
    keys         the table of all keys                              engines   [engine], [engines.NAME]
    values       one value against one setting; ranges; labels      axes      levels, linked settings, exclusions
    place        where a value stands, for messages                 question  [question], [trackers]
    overrides    --set KEY=VALUE                                    agreement what the parts mean together
    secrets      keys and addresses that must not be in a file      cells     combinations and their settings
    writing      a Study back to TOML                               reference JSON Schema and the page in the docs
    samplers     names of samplers of other tools                   syntax    words of other tools in prompts
    schedules    [schedules.NAME]                               stacks    [loras.NAME], [textual_inversions.NAME]
    other_tools  the page on what other tools' words are here
    options      options of engines as axes
    leaving      a Study without what cannot be made                prompt_files  lines, tables and JSON of prompts

The rooms behind this one trust a `Study` and check nothing twice. Loads neither weights nor torch.
"""

from teststrip.study.leaving import rules, without
from teststrip.study.reading import parse, read, reopen, study
from teststrip.study.reference import SCHEMA_FILE, reference, schema, template
from teststrip.study.writing import dump

__all__ = [
    "SCHEMA_FILE",
    "dump",
    "parse",
    "read",
    "reference",
    "reopen",
    "rules",
    "schema",
    "study",
    "template",
    "without",
]
