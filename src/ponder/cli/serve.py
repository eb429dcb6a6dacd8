"""`ponder serve`: the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from ponder import config
from ponder.budget import Budget
from ponder.errors import InputError, MissingExtra


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """How the server runs.

    Parameters
    ----------
    host
        The address to listen at. Anything but this machine needs a key (`ponder keys create`), or --open.
    port
        The port to listen at.
    open
        Let anyone in who can reach the address.
    ledger
        The database of API keys and their spend; by default in the user's data folder.
    crowd
        The most requests at once, running or waiting; more are answered with 503 and Retry-After.
    grace
        Seconds in which requests may finish after SIGTERM; those that have not give their best answer so far.
    retention
        How long finished requests, traces and responses are kept, in days; what a key spent by day stays.
    largest
        The largest body of a request, in megabytes.
    cors
        An origin whose pages may call the server from a browser, such as https://example.org; several times for several.
    certificate
        A certificate for TLS (PEM), with --private-key.
    private_key
        Its private key (PEM).
    spans
        Send OpenTelemetry spans to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs the extra `otel`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    open: bool = False
    ledger: Path | None = None
    crowd: int = 2048
    grace: float = 30.0
    retention: float = 30.0
    largest: float = 8.0
    cors: tuple[str, ...] = ()
    certificate: Path | None = None
    private_key: Path | None = None
    spans: bool = False


def serve(
    *,
    model: list[str] | None = None,
    strategy: str = "auto",
    verifier: str | None = None,
    policy: str = "",
    budget: str = "600s",
    store: Path | None = None,
    no_store: bool = False,
    running: Running = Running(),
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
    """
    if (running.certificate is None) != (running.private_key is None):
        raise InputError("TLS needs both --certificate and --private-key")
    try:
        from ponder.serve.server import Place, run
        from ponder.serve.settings import DEFAULT_MODEL, Settings, named
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve") from error
    kept = None if no_store else store or config.archive_path()
    limits = Budget.parse(budget)
    settings = Settings(named(model or [DEFAULT_MODEL]), strategy, verifier, policy, limits, store=kept, crowd=running.crowd)
    place = Place(
        host=running.host, port=running.port, ledger=running.ledger or config.ledger_path(), origins=running.cors,
        certificate=running.certificate, private_key=running.private_key, grace=running.grace,
        largest=int(running.largest * 2**20), retention=running.retention * 86400, spans=running.spans, open=running.open,
    )  # fmt: skip
    run(settings, place)
