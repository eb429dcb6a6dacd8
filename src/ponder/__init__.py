"""ponder: better answers from any language model, by spending inference compute where it pays."""

from ponder.budget import Budget
from ponder.errors import (
    AbilityMissing,
    BudgetError,
    BudgetExhausted,
    EndpointError,
    InputError,
    MissingExtra,
    ModelError,
    PonderError,
    PriceUnknown,
    ProtocolError,
    StoreError,
    VerifierError,
)
from ponder.models.catalog import open_model
from ponder.solve import solve, solve_sync, stream
from ponder.store import Store
from ponder.strategies import Strategy, strategy
from ponder.trace import Event, Trace
from ponder.types import (
    Abilities,
    Answer,
    Candidate,
    Chunk,
    Cost,
    Message,
    Model,
    Price,
    Problem,
    Request,
    Sample,
    Score,
    Task,
    Usage,
    Verifier,
)

__version__ = "0.1.0"

__all__ = [
    "Abilities",
    "AbilityMissing",
    "Answer",
    "Budget",
    "BudgetError",
    "BudgetExhausted",
    "Candidate",
    "Chunk",
    "Cost",
    "EndpointError",
    "Event",
    "InputError",
    "Message",
    "MissingExtra",
    "Model",
    "ModelError",
    "PonderError",
    "Price",
    "PriceUnknown",
    "Problem",
    "ProtocolError",
    "Request",
    "Sample",
    "Score",
    "Store",
    "StoreError",
    "Strategy",
    "Task",
    "Trace",
    "Usage",
    "Verifier",
    "VerifierError",
    "__version__",
    "open_model",
    "solve",
    "solve_sync",
    "strategy",
    "stream",
]
