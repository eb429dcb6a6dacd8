"""`/v1/models`: every name that a client may ask for, and `/health`."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from ponder.serve.compute import EFFORTS, OWN, addressed
from ponder.serve.house import House
from ponder.strategies import registry

CREATED = 1_764_288_000  # clients want a date; names have none


def names(house: House) -> list[str]:
    """The models, our own name with each effort, and each model with every strategy that can run on it."""
    listed = [*house.models, OWN, *(f"{OWN}/{effort}" for effort in EFFORTS)]
    for served, model in house.models.items():
        for name, strategy in registry.all().items():
            if "continues" not in strategy.needs or model.abilities.continues:
                listed.append(f"{served}:{name}")
    return listed


async def listed(request: Request) -> dict[str, Any]:
    return {"object": "list", "data": [_entry(name) for name in names(request.app.state.house)]}


async def one(request: Request, name: str) -> dict[str, Any]:
    addressed(name, request.app.state.house.settings)
    return _entry(name)


async def health(request: Request) -> dict[str, Any]:
    return {"status": "ok", "models": list(request.app.state.house.models)}


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "ponder"}
