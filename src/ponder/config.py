"""Where things live, and what overrides what: flag > environment > project file > user file > default."""

import os
from pathlib import Path

import platformdirs


def cache_path() -> Path:
    """Downloaded and compiled models, and what was found out about endpoints. `PONDER_CACHE_DIR` overrides it."""
    return Path(os.environ.get("PONDER_CACHE_DIR") or platformdirs.user_cache_path("ponder"))


def store_path() -> Path:
    """The sample bank of the lab. `PONDER_STORE` overrides it."""
    return Path(os.environ.get("PONDER_STORE") or platformdirs.user_data_path("ponder") / "bank.sqlite")


def ledger_path() -> Path:
    """The gateway's keys and what they have spent. `PONDER_LEDGER` overrides it."""
    return Path(os.environ.get("PONDER_LEDGER") or platformdirs.user_data_path("ponder") / "ledger.sqlite")


def archive_path() -> Path:
    """The gateway's traces and responses. `PONDER_ARCHIVE` overrides it."""
    return Path(os.environ.get("PONDER_ARCHIVE") or platformdirs.user_data_path("ponder") / "archive.sqlite")


def data_path() -> Path | None:
    """The folder of benchmark files that `PONDER_DATA` names, or None."""
    named = os.environ.get("PONDER_DATA")
    return Path(named) if named else None


def files() -> list[Path]:
    """The configuration files that exist, strongest first: `ponder.toml` here or in a parent folder, then the user's."""
    here = Path.cwd()
    project = next((folder / "ponder.toml" for folder in (here, *here.parents) if (folder / "ponder.toml").is_file()), None)
    user = platformdirs.user_config_path("ponder") / "ponder.toml"
    return [path for path in (project, user) if path is not None and path.is_file()]
