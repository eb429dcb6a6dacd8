"""Confidence as a filter: traces that the model doubts do not vote, and are cut while they stream (DeepConf, Fu et al. 2025).

The values of tokens and their windows are `verifiers.confidence`'s; what is here decides by them.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from math import exp, fsum

from ponder import answers, trace
from ponder.errors import InputError
from ponder.strategies import strategy
from ponder.strategies.draw import answer, ask, draw, marked, solutions, undecided
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Chunk, Model, Problem, Sample
from ponder.verifiers.confidence import HOWS, WINDOW, pooled, token_confidence

TOP = 20  # the likeliest tokens whose mean log-probability is a token's confidence


@dataclass(frozen=True, slots=True)
class Trusted:
    """A candidate and how sure its model was of it, in nats; None where no token came with a log-probability."""

    candidate: Candidate
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Below:
    """A watch (`Request.watch`) that cuts a draw when the mean confidence of its last `window` tokens falls below `threshold`."""

    threshold: float
    window: int

    def __call__(self) -> Callable[[Chunk], bool]:
        recent, total = deque[float](), 0.0

        def falls(chunk: Chunk) -> bool:
            nonlocal total
            for value in confidences(chunk):
                recent.append(value)
                total += value - (recent.popleft() if len(recent) > self.window else 0.0)
                if len(recent) == self.window and total / self.window < self.threshold:
                    return True
            return False

        return falls


@strategy("deepconf", paper="Fu 2025 (DeepConf)")
async def deepconf(
    problem: Problem,
    model: Model,
    *,
    n: int = 64,
    warmup: int = 16,
    keep: float = 0.1,
    consensus: float = 0.95,
    window: int = WINDOW,
    how: str = "lowest",
    width: int = 8,
) -> Answer:
    """Vote by confidence among the `keep` surest traces, and cut others as soon as they fall behind (DeepConf, Fu et al. 2025).

    `warmup` traces are written to their end; the threshold is the quantile of their confidence that lets the share `keep` of them
    through (0.1 is the paper's DeepConf-low, 0.9 its DeepConf-high). Each further one, up to `n` in all, is cut when its last
    `window` tokens are below it, and neither it nor a finished trace below it votes. A vote weighs its confidence; when the first
    answer has the share `consensus` of all weights, it is over. With `n` <= `warmup` nothing is cut: the offline method, which may
    also pool otherwise than by the `lowest` window (`how`: mean, bottom, tail). `width` further traces are in flight at a time.

    A token's confidence is minus the mean log-probability of the 20 likeliest; of a model that does not tell those, the drawn
    token's log-probability, and a vote weighs e to its mean: the trace's `threshold` event says which. Departs from the paper: the
    consensus is looked at after the warm-up already; where no trace that is kept has an answer, the majority of all whole ones
    answers. The event `filtered` says what the filter changed: that majority before, the answer after.
    """
    if how not in HOWS or (how != "lowest" and n > warmup):
        raise InputError(f"deepconf cannot pool by {how!r}: while traces stream by lowest, with n <= warmup by {', '.join(HOWS)}")
    check("last", warmup=warmup, keep=keep, consensus=consensus, window=window, width=width)
    top = TOP if model.abilities.top_logprobs else 0
    request = replace(ask(problem), logprobs=True, top_logprobs=top)
    poll = Poll(problem, keep, window, how)
    warm = draw(problem, model, min(n, warmup), sampler=lambda problem, model, n: solutions(problem, model, request, range(n)))
    async with aclosing(warm) as traces:
        async for one in traces:
            poll.add(one)
    threshold = poll.settle("top_logprobs" if top else "logprobs")
    if poll.share < consensus:
        watched = replace(request, watch=Below(threshold, window))
        async with aclosing(solutions(problem, model, watched, range(warmup, n), lambda: width)) as traces:
            async for one in traces:
                if one.sample.error is None:
                    poll.add(one)
                if poll.share >= consensus:
                    break
    return poll.answer()


class Poll:
    """The traces so far, of which those that the threshold lets through vote; what they choose is the anytime answer.

    Until it is settled, the threshold is that of the traces so far. `share` is the first answer's part of all weights.
    """

    def __init__(self, problem: Problem, keep: float, window: int, how: str) -> None:
        self.share = 0.0
        self._pooled = partial(confidence, how=how, window=window)
        self._keep, self._canonical = keep, functools.cache(problem.task.canonical)
        self._traces: list[Trusted] = []
        self._chosen: Candidate | None = None
        self._threshold: float | None = None

    def add(self, candidate: Candidate) -> None:
        """Take in a trace, and vote again."""
        one = Trusted(candidate, self._pooled(candidate.sample))
        self._traces.append(one)
        if self._threshold is not None:
            self._prune([one], self._threshold)
        threshold = quantile(self._traces, 1 - self._keep) if self._threshold is None else self._threshold
        self._chosen, self.share = vote([each for each in self._traces if passes(each, threshold)], self._canonical)
        self._chosen = self._chosen or self._majority()
        if self._chosen is not None:
            trace.lead(answer(self._chosen, self._candidates))

    def settle(self, by: str) -> float:
        """The threshold, which stays as it is from now on; `by` says what the confidence of a token was read from."""
        self._threshold = quantile(self._traces, 1 - self._keep)
        trace.current().record("threshold", value=self._threshold, keep=self._keep, of=len(self._traces), by=by)
        self._prune(self._traces, self._threshold)
        return self._threshold

    def answer(self) -> Answer:
        """The answer of the vote; where there is none to vote for, the first trace's text."""
        before, after = self._majority(), self._chosen
        trace.current().record("filtered", before=before and before.answer, after=after and after.answer, share=self.share)
        return marked(answer(after, self._candidates) if after else undecided(self._candidates, None))

    @property
    def _candidates(self) -> list[Candidate]:
        return [one.candidate for one in self._traces]

    def _majority(self) -> Candidate | None:
        """What all whole traces would choose, each with one vote."""
        return answers.majority(self._candidates, self._canonical)

    def _prune(self, traces: Sequence[Trusted], threshold: float) -> None:
        """Say in the trace which of these do not vote."""
        for one in traces:
            if not passes(one, threshold):
                trace.current().record("pruned", one.candidate.sample.event, value=one.confidence)


def confidences(of: Chunk | Sample) -> list[float]:
    """The confidence of each token: by the likeliest at its place where they are known, else its own log-probability."""
    return [token_confidence(row) for row in of.top_logprobs or () if row] or list(of.logprobs or ())


def confidence(sample: Sample, how: str, window: int) -> float | None:
    """The sample's confidence, pooled as `how` says."""
    values = confidences(sample)
    return pooled(values, how, window) if values else None


def quantile(traces: Sequence[Trusted], share: float) -> float:
    """The confidence that the `share` of all traces are below, interpolated linearly; -inf where none is known.

    It is lowered by a hair, so that rounding drops no trace that stands at it.
    """
    known = sorted(one.confidence for one in traces if one.confidence is not None)
    if not known:
        return float("-inf")
    place = share * (len(known) - 1)
    lower, upper = known[int(place)], known[min(int(place) + 1, len(known) - 1)]
    return lower + (place - int(place)) * (upper - lower) - 1e-9


def passes(one: Trusted, threshold: float) -> bool:
    """Whether a trace votes: it is whole, and as sure as the threshold."""
    return not one.candidate.sample.cut and one.confidence is not None and one.confidence >= threshold


def vote(traces: Sequence[Trusted], canonical: Callable[[str], str]) -> tuple[Candidate | None, float]:
    """The first candidate of the answer with the greatest sum of weights, and its share of all; ties as in `answers.majority`."""
    weights = {one.candidate.sample.index: _weight(one.confidence) for one in traces}
    classes = answers.classes([one.candidate for one in traces], canonical)
    totals = {name: fsum(weights[one.sample.index] for one in members) for name, members in classes.items()}
    if not totals:
        return None, 0.0
    first = max(totals, key=totals.__getitem__)
    return classes[first][0], totals[first] / fsum(totals.values())


def _weight(confidence: float | None) -> float:
    """DeepConf's own is above 0, and a weight as it is; a mean log-probability is below, and its exponential a probability."""
    return 0.0 if confidence is None else confidence if confidence > 0 else exp(confidence)
