"""The flags that several commands share. Their docstrings are the help."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from ponder.verifiers.sandbox import unprotected


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What `solve` and `scale` share.

    Parameters
    ----------
    model
        builtin:mini, builtin:smollm2, openvino:PATH, MODEL@URL or openai:MODEL (see `ponder models`); the task's own by default.
    price
        US dollars per million prompt and completion tokens, as 0.15,0.60 (a third number: cached ones); by default `[prices]` in
        ponder.toml, else the vendor's list price, if it is known.
    verifier
        What judges: builtin:mini-prm, prm:MODEL, judge:MODEL, code, confidence:tail, … (docs/verifiers.md); the task's own where
        it reads no reference.
    seed
        Draws depend on this number and on nothing else.
    unsafe_code
        Run model-written programs without the sandbox, at your own risk.
    json
        Print one JSON object instead.
    """

    model: str | None = None
    price: str | None = None
    verifier: str | None = None
    seed: int = 0
    unsafe_code: bool = False
    json: bool = False

    def sandbox(self) -> AbstractContextManager[None]:
        """How model-written programs are run."""
        return unprotected() if self.unsafe_code else nullcontext()


@Parameter(name="*")
@dataclass(frozen=True)
class Spending:
    """How much `solve` may spend, and how.

    Parameters
    ----------
    strategy
        How compute is spent, such as self-consistency or best-of-n(n=64); see `ponder strategies`. By default `auto`.
    budget
        A hard limit: 4000 (tokens), '$0.02', 30s, 64calls, or several joined by commas.
    policy
        What `auto` follows: a file that `ponder tune` has made; by default the one shipped for the task and model, if there is one.
    effort
        How much accuracy must be won for a token: minimal, low, medium, high or max, as the policy has it; high without a budget.
    n
        How many samples the strategy may draw.
    """

    strategy: str | None = None
    budget: str | None = None
    policy: str | None = None
    effort: str | None = None
    n: Annotated[int | None, Parameter(alias="-n")] = None

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `ponder.solve`; what was not given is left out."""
        return {name: value for name, value in vars(self).items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class Sampling:
    """How draws are made, in `solve` and `scale`.

    Parameters
    ----------
    temperature
        Sampling temperature; the task's own by default.
    max_tokens
        The longest completion of one draw; the task's own by default.
    step
        What ends a step of a search: a string such as \\n\\n, /a regular expression/ or 64 (tokens); the task's own by default.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    step: str | None = None
