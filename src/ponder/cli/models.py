"""`ponder models`: who can answer."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from ponder.cli import live, show
from ponder.cli.show import stdout
from ponder.errors import InputError
from ponder.models import catalog
from ponder.types import Abilities


def models(
    *, download: str | None = None, verify: str | None = None, probe: str | None = None, refresh: bool = False, json: bool = False
) -> None:
    """List the models, or download, verify or probe one.

    Example: ponder models --probe MODEL@http://localhost:8000/v1

    Parameters
    ----------
    download
        Bring a built-in model here and print its path.
    verify
        Compare a built-in model's file with its SHA-256.
    probe
        Find out by a few small calls what a model can really do; the finding is kept.
    refresh
        Probe again, even if a finding is kept.
    json
        Print JSON.
    """
    if download:
        with live.steps() as report:
            stdout.print(str(catalog.download(download, report)), markup=False)
    elif verify:
        if not catalog.verify(verify):
            raise InputError(f"the file of `{verify}` is not the one that was shipped or made; delete it and download it again")
        stdout.print(f"{verify}: good", highlight=False)
    elif probe:
        found = asdict(asyncio.run(_probed(probe, refresh)))
        show.listing([{"ability": name, "has": value} for name, value in found.items()], {}, json)
    else:
        rows = [asdict(entry) for entry in catalog.catalog()]
        shown = ("name", "present", "size", "about", "source", "licence")
        show.listing([{name: row[name] for name in shown} for row in rows], catalog.PLUGINS.broken, json)


async def _probed(name: str, refresh: bool) -> Abilities:
    """What an endpoint can do, by trying; an embedded model knows it of itself."""
    from ponder.models.abilities import probe
    from ponder.models.chat import Chat

    async with catalog.opened(name) as model:
        return await probe(model, refresh=refresh) if isinstance(model, Chat) else model.abilities
