"""What a gateway serves, and the most that any request may spend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ponder.budget import Budget
from ponder.errors import InputError
from ponder.types import Model

DEFAULT_MODEL = "builtin:mini"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a gateway is set up.

    `models` maps the names that clients use to models, or to the names that `ponder models` knows; the first is the default.
    `strategy` runs where a request chooses nothing, with `verifier` as the judge. `cap` bounds every request, whatever it asks
    for; `widest` is the most samples of one request, `longest` the most tokens of one draw where the model has no limit of its
    own. `crowd` is the most requests at once, beyond which 503 is answered. `store` is the file that keeps traces and responses;
    None keeps nothing.
    """

    models: Mapping[str, str | Model]
    strategy: str = "auto"
    verifier: str | None = None
    policy: str = ""
    cap: Budget = Budget(seconds=600.0)
    widest: int = 256
    longest: int = 4096
    store: Path | None = None
    alive: float = 5.0
    crowd: int | None = 2048

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("a gateway needs a model to serve; name one with --model")

    @property
    def default(self) -> str:
        """The model that answers to `ponder` and to requests that name none."""
        return next(iter(self.models))


def named(specs: list[str]) -> dict[str, str]:
    """The names that clients use for models given as `ponder models` names them, or as NAME=MODEL.

    `qwen3@http://host/v1` is served as `qwen3`, `openai:gpt-x` as `gpt-x`. Raises `InputError` where two have the same name.
    """
    served: dict[str, str] = {}
    for spec in specs:
        given = re.fullmatch(r"([\w./-]+)=(.+)", spec) if not spec.startswith("simulated:") else None
        name, model = (given[1], given[2]) if given else (_plain(spec), spec)
        if name in served:
            raise InputError(f"two models would be served as `{name}`; give one another name, as in other={model}")
        served[name] = model
    return served


def _plain(spec: str) -> str:
    model, at, _ = spec.rpartition("@")
    if at and model:
        return model
    kind, _, rest = spec.partition(":")
    return {"openai": rest, "openvino": Path(rest).stem, "simulated": "simulated"}.get(kind, spec)
