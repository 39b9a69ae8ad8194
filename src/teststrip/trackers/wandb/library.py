"""How W&B's library is set: private, with bounded patience. Whether there is an account, and whether all arrived.

The library ends well even when uploads have failed for good. Only its log says so, and `check` reads that.
"""

from __future__ import annotations

import json
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from teststrip.errors import TrackerError

LOST = ("giving up", "filestream", "upload", "artifact")
"""An error of the library's log with one of these words means that something did not arrive."""

PRIVATE: Mapping[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "email": "",
    "host": "",
    "program": "",
    "silent": True,
    "username": "",
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_executable": "",
    "x_save_requirements": False,
}
BOUNDED: Mapping[str, Any] = {  # a server that hangs or fails is given up within minutes, not within a day
    "finish_timeout": 600.0,
    "finish_timeout_raises": True,
    "init_timeout": 30.0,
    "x_file_stream_retry_max": 4,
    "x_file_stream_timeout_seconds": 30.0,
    "x_file_transfer_retry_max": 4,
    "x_file_transfer_timeout_seconds": 60.0,
    "x_graphql_retry_max": 4,
    "x_graphql_timeout_seconds": 20.0,
}


def mode(asked: str) -> str:
    """The mode of the library, from what the study file asks for.

    WANDB_MODE and what `wandb offline` wrote down go before the study file.

    Returns:
        "online" where that is asked for, or an account is known; "disabled" where that is asked for; else "offline".
    """
    import wandb

    known = wandb.setup().settings
    asked = os.environ.get("WANDB_MODE") or (known.mode if known.mode not in ("online", "shared") else asked)
    if asked != "auto":
        names = {"disabled": "disabled", "online": "online", "run": "online", "shared": "online"}
        return names.get(asked, "offline")
    if known.api_key or known.identity_token_file:
        return "online"
    try:
        accounts = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return "offline"
    return "online" if accounts.authenticators(urlparse(known.base_url).netloc) else "offline"


def server() -> str:
    """The address of the server that has the account."""
    import wandb

    return str(wandb.setup().settings.base_url)


def bounded() -> dict[str, Any]:
    """BOUNDED, without what the environment sets."""
    said = {name.removeprefix("WANDB_").lower() for name in os.environ if name.startswith("WANDB_")}
    return {name: value for name, value in BOUNDED.items() if name not in said}


def check(place: Path) -> None:
    """Raise TrackerError unless the log of a run that has ended says that everything arrived."""
    log = place / "logs" / "debug-internal.log"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        text = str(entry.get("msg", ""))
        if str(entry.get("level", "")).startswith("ERROR") and any(word in text.lower() for word in LOST):
            raise TrackerError(f"W&B did not take everything: {' '.join(text.split())[:300]}")
