"""The other models of a strategy: how their names are joined, and that they are closed."""

import asyncio

import pytest

from ponder.errors import InputError
from ponder.models import catalog
from ponder.models.simulated import Simulated
from ponder.strategies.others import others


def names(also):
    async def main():
        async with others(also) as models:
            return list(models)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ("", []),
        ("simulated", ["simulated"]),
        ("simulated+ simulated:accuracy=.9,steps=2", ["simulated", "simulated:accuracy=.9,steps=2"]),
        ("(simulated:accuracy=.9,steps=2)", ["simulated:accuracy=.9,steps=2"]),
        ("(simulated+simulated:steps=2)", ["simulated", "simulated:steps=2"]),
        ("(simulated:steps=2)+(simulated:steps=3)", ["simulated:steps=2", "simulated:steps=3"]),
        ("(simulated:name='(a+b)')", ["simulated:name='(a+b)'"]),
    ],
)
def test_names_are_joined_by_plus_and_may_stand_in_brackets(also, expected):
    assert names(also) == expected


def test_an_unknown_name_is_an_error():
    with pytest.raises(InputError, match="no model called `simulatd`"):
        names("simulated+simulatd")


def test_they_are_closed_at_the_end(monkeypatch):
    closed = []

    class Closing(Simulated):
        async def close(self):
            closed.append(self.name)

    monkeypatch.setattr(catalog, "simulated", lambda rest: Closing(name=rest))
    monkeypatch.setattr(catalog.PLUGINS, "_things", {"simulated": catalog.simulated})
    assert names("simulated:a+simulated:b") == ["simulated:a", "simulated:b"]
    assert closed == ["b", "a"]
