"""`ponder tasks` and `ponder strategies`: what there is, by name."""

from __future__ import annotations

from ponder.cli import show
from ponder.strategies import registry as known_strategies
from ponder.tasks import tasks as known_tasks

FAMILIES = {
    "name": "reasoning-gym:NAME",
    "about": "about a hundred families of generated problems (the package reasoning-gym)",
    "grades": "reasoning-gym (reads reference)",
    "splits": "test,validation,train",
    "source": "https://github.com/open-thought/reasoning-gym",
    "licence": "Apache-2.0",
}
"""Tasks that are made when they are asked for: no registry lists them."""


def tasks(*, json: bool = False) -> None:
    """List the tasks: what they ask, who grades, where they come from."""
    found = known_tasks.all()
    show.listing(
        [
            {
                "name": name,
                "about": task.about,
                "grades": f"{task.verifier.name} (reads {task.verifier.reads})" if task.verifier else None,
                "splits": ",".join(task.splits),
                "source": task.source,
                "licence": task.licence,
            }
            for name, task in found.items()
        ]
        + [FAMILIES],
        known_tasks.broken,
        json,
    )


def strategies(*, json: bool = False) -> None:
    """List the strategies: the paper, the parameters with their defaults, what they need."""
    found = known_strategies.all()
    show.listing(
        [
            {
                "name": name,
                "about": one.about,
                "parameters": ", ".join(f"{key}={parameter.default}" for key, parameter in one.parameters.items()),
                "needs": ", ".join(one.needs),
                "paper": one.paper,
            }
            for name, one in found.items()
        ],
        known_strategies.broken,
        json,
    )
