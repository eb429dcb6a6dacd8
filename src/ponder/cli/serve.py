"""`ponder serve`: the gateway."""

from __future__ import annotations

from pathlib import Path

from ponder import config
from ponder.budget import Budget
from ponder.errors import MissingExtra


def serve(
    *,
    model: list[str] | None = None,
    strategy: str = "auto",
    verifier: str | None = None,
    policy: str = "",
    budget: str = "600s",
    store: Path | None = None,
    no_store: bool = False,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> None:
    """Serve any strategy behind the OpenAI API.

    Example: ponder serve --model qwen3@http://localhost:8001/v1 --port 8000

    Parameters
    ----------
    model
        What answers, as `ponder models` names it, or NAME=MODEL; several times for several. By default builtin:mini.
    strategy
        What runs where a request chooses nothing.
    verifier
        What judges where a request names nothing; the task's own where it reads no reference.
    policy
        What `auto` and the efforts follow: a file that `ponder tune` has made.
    budget
        The most that any request may spend: 4000 (tokens), '$0.02', 30s, 64calls, or several joined by commas.
    store
        Where traces and responses are kept; by default in the user's data folder.
    no_store
        Keep nothing.
    host
        The address to listen at.
    port
        The port to listen at.
    """
    try:
        import uvicorn

        from ponder.serve.app import app
        from ponder.serve.settings import DEFAULT_MODEL, Settings, named
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    kept = None if no_store else store or config.archive_path()
    settings = Settings(named(model or [DEFAULT_MODEL]), strategy, verifier, policy, Budget.parse(budget), store=kept)
    uvicorn.run(app(settings), host=host, port=port, log_level="warning")
