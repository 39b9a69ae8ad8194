"""The names of what lies in a study's folder, and a sentence on each.

Any module that touches a part of the folder takes its name from here. Knows no path and opens nothing. To add a part:
its name, its sentence in PARTS, and that row in docs/folder.md, which a test compares with PARTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STUDY_FILE = "study.toml"
REGISTERED_FILE = "registered.toml"
LEDGER_FILE = "study.sqlite"
LOCK_FILE = "study.lock"
VOTES_FILE = "votes.jsonl"
VOTES_LOCK_FILE = "votes.lock"
JUDGED_FILE = "judged.jsonl"
JUDGED_LOCK_FILE = "judged.lock"
BALLOTS = "ballots"
IMAGES = "images"
INPUTS = "inputs"
THUMBS = "thumbs"
IMPORTED = "imported"
QUARANTINE = "quarantine"
TRACKERS = "trackers"
REPORT_FILE = "report.md"
FULL_REPORT_FILE = "report-full.md"
CHARTS = "charts"
PAGE = "page"
PIXELS = "pixels"
"""Of the page: a folder inside PAGE."""

PARTS: Mapping[str, str] = MappingProxyType(
    {
        STUDY_FILE: "What was asked: a copy of the study file, with overrides and prompt files folded in.",
        REGISTERED_FILE: "The question as `plan --register` wrote it down; only there when it was registered.",
        LEDGER_FILE: "The ledger: which picture belongs to which shot, failures, payments, scores, study texts, looks.",
        LOCK_FILE: "Says which process writes here; empty when none does.",
        VOTES_FILE: "Which of two pictures raters chose, a vote a line with a check; only there when there are votes.",
        VOTES_LOCK_FILE: "Says which process writes votes; empty when none does.",
        JUDGED_FILE: "What judges were asked, what they answered and what it cost; only there when a judge was asked.",
        JUDGED_LOCK_FILE: "Says which process asks judges; empty when none does.",
        f"{BALLOTS}/": "Which pictures stand on each page that votes without a server: the page must not say it.",
        f"{IMAGES}/": "Pictures, named by the SHA-256 of their bytes; their settings are inside.",
        f"{INPUTS}/": "Copies of the pictures that prompts give to the model; only there when they give some.",
        f"{THUMBS}/": "Small copies of pictures longer than 256 pixels; made again where they are missing.",
        f"{IMPORTED}/": "What `import` read: pictures as they came, named by the SHA-256 of their bytes; their list.",
        f"{QUARANTINE}/": "Damaged files and ledgers, kept; only there when there was something to keep.",
        f"{TRACKERS}/": "What trackers remember of what they were told, a folder for each.",
        REPORT_FILE: "The conclusions on one page; can be written again at any time.",
        FULL_REPORT_FILE: "All tables, methods and limits, and how to reproduce it; can be written again at any time.",
        f"{CHARTS}/": "The charts of the report; can be written again at any time.",
        f"{PAGE}/": "The page to look at; can be written again at any time.",
    }
)
"""Each part of the folder by its name; a folder's name ends in a slash."""
