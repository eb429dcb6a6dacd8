"""What training buys: loss against parameters and tokens, the compute-optimal split, and what inference can buy instead.

Parameters N, training tokens D, compute C = 6 N D FLOPs, loss in nats a token. Laws are plain numbers: they need no model here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ponder.errors import InputError
from ponder.lab.statistics import Floats

PER_TOKEN = 6
"""Training FLOPs a parameter and token; inference takes 2."""

PETAFLOP_DAY = 8.64e19


@dataclass(frozen=True, slots=True)
class Chinchilla:
    """L(N, D) = e + a / N^alpha + b / D^beta (Hoffmann et al. 2022, https://arxiv.org/abs/2203.15556, approach 3).

    `objective` is the sum of Huber losses that a fit ended with, over `runs` training runs; None where the constants were printed.
    """

    a: float
    b: float
    e: float
    alpha: float
    beta: float
    objective: float | None = None
    runs: int | None = None

    def loss(self, parameters: float, tokens: float) -> float:
        """Nats a token."""
        return float(self.e + self.a / parameters**self.alpha + self.b / tokens**self.beta)

    def optimal(self, flops: float) -> tuple[float, float]:
        """The parameters and tokens of the least loss for so many training FLOPs: N = G (C/6)^(beta/(alpha+beta)), D = C / 6N."""
        _positive(flops=flops)
        scale = (self.alpha * self.a / (self.beta * self.b)) ** (1 / (self.alpha + self.beta))
        parameters = scale * (flops / PER_TOKEN) ** (self.beta / (self.alpha + self.beta))
        return parameters, flops / PER_TOKEN / parameters

    def tokens_for(self, loss: float, parameters: float) -> float | None:
        """The training tokens that bring so many parameters to this loss; None where no number of tokens does."""
        left = loss - self.e - self.a / parameters**self.alpha
        return float((self.b / left) ** (1 / self.beta)) if left > 0 else None

    def cheapest(self, loss: float, inference_tokens: float) -> tuple[float, float]:
        """The parameters and tokens that reach `loss` with the fewest FLOPs of a lifetime, 6 N D + 2 N `inference_tokens`.

        Source: Sardana et al. 2024, https://arxiv.org/abs/2401.00448. Raises `InputError` for a loss that no model reaches.
        """
        from scipy.optimize import minimize_scalar

        if loss <= self.e:
            raise InputError(f"no model reaches a loss of {loss:g} under this law: it stays above {self.e:g}; ask for more")
        least = float(np.log((self.a / (loss - self.e)) ** (1 / self.alpha)))

        def lifetime(log_parameters: float) -> float:
            parameters = float(np.exp(log_parameters))
            tokens = self.tokens_for(loss, parameters)
            return np.inf if tokens is None else float(np.log(parameters * (PER_TOKEN * tokens + 2 * inference_tokens)))

        found = minimize_scalar(lifetime, bounds=(least, least + 15), method="bounded", options={"xatol": 1e-9})
        parameters = float(np.exp(found.x))
        tokens = self.tokens_for(loss, parameters)
        assert tokens is not None
        return parameters, tokens


PUBLISHED = Chinchilla(406.4, 410.7, 1.69, 0.34, 0.28)
"""As printed by Hoffmann et al.: rounded so far that they contradict the paper's own 70B parameters on 1.4T tokens."""

EPOCH = Chinchilla(482.01, 2085.43, 1.8172, 0.3478, 0.3658)
"""Besiroglu et al. 2024, https://arxiv.org/abs/2404.10102, from the 245 runs that can be read off the paper's figure 4."""

REFIT = Chinchilla(477.83, 2143.42, 1.81721, 0.34731, 0.36717, 0.0010182740, 240)
"""`fitted` to the same runs without the five of fewest tokens; what everything here uses unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Kaplan:
    """L(N, D) = ((n_c / N)^(alpha_n / alpha_d) + d_c / D)^alpha_d (Kaplan et al. 2020, https://arxiv.org/abs/2001.08361).

    N without embeddings; `c_c` in petaflop-days at the critical batch size. Superseded by Chinchilla, and kept for comparison.
    """

    n_c: float = 8.8e13
    d_c: float = 5.4e13
    c_c: float = 3.1e8
    alpha_n: float = 0.076
    alpha_d: float = 0.095
    alpha_c: float = 0.050

    def loss(self, parameters: float = np.inf, tokens: float = np.inf) -> float:
        """Nats a token; with one of the two left out, the law in the other alone."""
        return float(((self.n_c / parameters) ** (self.alpha_n / self.alpha_d) + self.d_c / tokens) ** self.alpha_d)

    def best_loss(self, flops: float) -> float:
        """The least loss for so many FLOPs."""
        return float((self.c_c / (flops / PETAFLOP_DAY)) ** self.alpha_c)

    def critical_batch(self, loss: float) -> float:
        """Tokens a batch beyond which more buy little: 2e8 L^(-1/.21). The exponent is negative."""
        return float(2e8 * loss ** (-1 / 0.21))


def fitted(parameters: ArrayLike, flops: ArrayLike, losses: ArrayLike, drop: int = 5, delta: float = 1e-3) -> Chinchilla:
    """The law fitted to training runs: the Huber loss (`delta`) of ln L by BFGS from a grid of starts; D = C / 6N.

    `drop` runs of the fewest tokens are left out: those of the published figure lie far off any law. Raises `InputError` for runs
    that are not positive numbers or too few for five constants.
    """
    sizes, compute, measured = (np.asarray(each, float) for each in (parameters, flops, losses))
    if sizes.size - drop < 6 or not all(np.all(each > 0) for each in (sizes, compute, measured)):
        raise InputError(f"{sizes.size} runs less {drop} cannot give five constants: give at least 6 more, of positive numbers")
    tokens = compute / (PER_TOKEN * sizes)
    kept = np.argsort(tokens)[drop:]
    logs = np.log(sizes[kept]), np.log(tokens[kept]), np.log(measured[kept])
    best, constants = min((_descended(start, *logs, delta) for start in _STARTS), key=lambda found: found[0])
    a, b, e, alpha, beta = constants
    return Chinchilla(float(np.exp(a)), float(np.exp(b)), float(np.exp(e)), float(alpha), float(beta), best, kept.size)


_STARTS = [(a, b, e, 0.3, 0.3) for a in (0.0, 10.0) for b in (0.0, 10.0) for e in (0.0, 0.5)]


def _descended(
    start: Sequence[float], log_n: Floats, log_d: Floats, log_loss: Floats, delta: float
) -> tuple[float, tuple[float, ...]]:
    """The sum of Huber losses at the end of the descent from `start`, and the constants (ln a, ln b, ln e, alpha, beta) there."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    def objective(x: Floats) -> tuple[float, Floats]:
        terms = np.stack([x[0] - x[3] * log_n, x[1] - x[4] * log_d, np.full(log_n.shape, x[2])])
        total = logsumexp(terms, axis=0)
        miss = total - log_loss
        value = np.where(np.abs(miss) < delta, miss**2 / 2, delta * (np.abs(miss) - delta / 2)).sum()
        pull = np.exp(terms - total) * np.clip(miss, -delta, delta)
        slope = np.array([*pull.sum(axis=1), -(pull[0] * log_n).sum(), -(pull[1] * log_d).sum()])
        return float(value / delta), slope / delta

    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 2_000})
    return float(found.fun * delta), tuple(found.x)


def exchange_rate(multiple: float, ratio: float) -> float:
    """How many times its inference tokens a model may spend for the FLOPs of one with `multiple` times its parameters.

    k = M + (3 / R) (M - 1), R = inference tokens / training tokens over the model's life: the larger model costs M times the
    training (6 N D) and the inference (2 N) of the smaller. Source: Snell et al. 2024, https://arxiv.org/abs/2408.03314, §7.
    """
    _positive(multiple=multiple, ratio=ratio)
    if multiple < 1:
        raise InputError(f"the larger model has {multiple:g} times the parameters of the smaller: give a multiple of 1 or more")
    return multiple + 3 / ratio * (multiple - 1)


def exchange(multiple: float, ratios: Sequence[float] = (0.16, 0.79, 22.0), needed: float | None = None) -> dict[str, Any]:
    """What `ponder plan exchange` prints: for each ratio of inference to training tokens, the samples that a larger model pays for.

    `needed` is how many samples a problem the smaller model takes to be as good as the larger (a curve says: `Fit.reaches`). Where
    it is known, `choose` says which is cheaper: `samples` or `parameters`. Ratios by default: those of Snell et al.
    """
    rows = []
    for ratio in ratios:
        rate = exchange_rate(multiple, ratio)
        choose = None if needed is None else "samples" if needed <= rate else "parameters"
        rows.append({"ratio": ratio, "samples": rate, "choose": choose})
    return {"multiple": multiple, "needed": needed, "formula": "k = M + (3/R)(M - 1)", "rates": rows}


def training(flops: float, laws: dict[str, Chinchilla] | None = None) -> list[dict[str, Any]]:
    """The compute-optimal model of so many training FLOPs by each law: `law parameters tokens tokens_per_parameter loss`."""
    rows = []
    for name, law in (laws or {"refit": REFIT, "epoch": EPOCH, "published": PUBLISHED}).items():
        parameters, tokens = law.optimal(flops)
        each = {"law": name, "parameters": parameters, "tokens": tokens, "tokens_per_parameter": tokens / parameters}
        rows.append(each | {"loss": law.loss(parameters, tokens)})
    return rows


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and np.isfinite(value)):
            raise InputError(f"`{name}` is {value!r}: give a positive number")
