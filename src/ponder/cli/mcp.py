"""`ponder mcp`: tools for coding agents and desktop assistants."""

from __future__ import annotations

import asyncio

from ponder.budget import Budget
from ponder.serve.mcp import Bench, serve


def mcp(*, model: str | None = None, verifier: str | None = None, budget: str = "600s") -> None:
    """Offer `solve`, `verify` and `compare` over the Model Context Protocol, on stdin and stdout.

    Example, in an assistant's settings: {"mcpServers": {"ponder": {"command": "ponder", "args": ["mcp", "--budget", "20k,60s"]}}}

    Parameters
    ----------
    model
        What answers, as `ponder models` names it; by default the built-in model of each task.
    verifier
        What judges; by default the task's own where it reads no reference.
    budget
        The most that any call may spend: 4000 (tokens), '$0.02', 30s, 64calls, or several joined by commas.
    """
    asyncio.run(serve(Bench(model, verifier, Budget.parse(budget))))
