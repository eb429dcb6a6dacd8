"""`ponder keys`: who may use the gateway, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App

from ponder import config
from ponder.cli import live, show
from ponder.cli.show import stdout
from ponder.serve import limits
from ponder.serve.keys import Keyring
from ponder.serve.ledger import Ledger
from ponder.serve.limits import EVER

keys = App(name="keys", help="Create, list and revoke the API keys of `ponder serve`.")


@keys.command
def create(name: str, /, *, budget: str | None = None, rate: str | None = None, ledger: Path | None = None) -> None:
    """Make a key and print it: it is shown this once, and stored as a digest.

    Example: ponder keys create ada --budget '$5/day' --rate '60/m,100k tokens/m'

    Parameters
    ----------
    name
        Whose key it is.
    budget
        What it may spend: $5/day, 2M tokens/day, $20 (for ever), or several joined by commas.
    rate
        How often it may ask: 60/m (requests a minute), 100k tokens/m, or several joined by commas.
    ledger
        The database of keys and spend; by default one in the user's data folder, that of `ponder serve`.
    """
    allowed = [limit for text in (budget, rate) if text is not None for limit in limits.parse(text)]
    with _ledger(ledger) as opened:
        key = Keyring(opened.db).create(name, allowed)
    live.stderr.print("keep it: it is not shown again", style="dim", highlight=False)
    stdout.print(key, markup=False, highlight=False)


@keys.command(name="list")
def list_(*, ledger: Path | None = None, json: bool = False) -> None:
    """List the keys: what each may use, and what it has used today and ever. The revoked ones are listed too.

    Parameters
    ----------
    ledger
        The database of keys and spend; by default one in the user's data folder.
    json
        Print JSON.
    """
    with _ledger(ledger) as opened:
        rows = []
        for key in Keyring(opened.db).all():
            today, ever = opened.used(key), opened.used(key, EVER)
            rows.append(
                {
                    "name": key.name,
                    "id": key.id,
                    "limits": ", ".join(map(str, key.limits)) or None,
                    "revoked": key.revoked is not None,
                    "requests_today": today.requests,
                    "tokens_today": today.tokens,
                    "usd_today": None if today.unpriced else today.usd,
                    "tokens": ever.tokens,
                    "usd": None if ever.unpriced else ever.usd,
                }
            )
    show.listing(rows, {}, json)


@keys.command
def revoke(name: str, /, *, ledger: Path | None = None) -> None:
    """End a key at once, by its name or its id. What it spent stays on the ledger.

    Parameters
    ----------
    name
        The key's name or id.
    ledger
        The database of keys and spend; by default one in the user's data folder.
    """
    with _ledger(ledger) as opened:
        Keyring(opened.db).revoke(name)


@contextmanager
def _ledger(path: Path | None) -> Iterator[Ledger]:
    opened = Ledger(path or config.ledger_path())
    try:
        yield opened
    finally:
        opened.close()
