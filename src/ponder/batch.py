"""One budget for many problems, spent where it pays.

Every problem is a `solve` of its own, with its own trace and bill, whose strategy waits for its turn to draw. When nothing is in
flight, the allocation decides who draws next. So a killed run, run again over the same store, makes the same choices again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal, get_args

from ponder import answers, tasks, trace, verifiers
from ponder import budget as budgets
from ponder.budget import Budget
from ponder.errors import InputError, ModelError, PonderError
from ponder.models.catalog import opened
from ponder.models.sample import together
from ponder.policy.allocation import marginal, solves
from ponder.policy.difficulty import Estimator
from ponder.proportion import ahead
from ponder.solve import solve
from ponder.store import Store
from ponder.strategies import Strategy
from ponder.strategies.draw import choose, plain
from ponder.strategies.parallel import best
from ponder.types import Answer, Candidate, Model, Problem, Verifier

Allocation = Literal["uniform", "elimination", "marginal", "preallocated"]
Outcome = Answer | PonderError
"""What became of a problem: its answer, or why there is none."""

_STRENGTH = 2.0  # how many samples an estimate of the difficulty is worth against those drawn; 0.5 to 8 were alike
_FAILURES = 3  # after so many failed draws a problem is left with what it has


async def batch(
    problems: Sequence[str | Problem],
    *,
    model: str | Model,
    total: str | Budget,
    verifier: str | Verifier | None = None,
    allocation: Allocation = "elimination",
    estimator: Estimator | None = None,
    threshold: float | None = None,
    most: int = 64,
    seed: int = 0,
    store: Store | None = None,
    progress: Callable[[int, Outcome], None] = lambda _place, _outcome: None,
) -> list[Outcome]:
    """Answer all `problems` with at most `total`; what each got is told in their order, and to `progress` as it ends.

    With a verifier (or the task's own, where that reads no reference) a problem's answer is its best-scored sample, and it is
    settled by a score of `threshold`, 1 by default; else the answer is the vote, settled when the leader is `threshold` sure to win
    it, .95 by default (Adaptive-Consistency). A problem gets at most `most` samples. The allocations:

    - `uniform`: rounds over all.
    - `elimination`: rounds over those that are not settled (Zuo & Zhu 2025).
    - `preallocated`: after a first sample of each (an `estimator`'s probe), by what the j-th sample gains if λ = 1 - difficulty is
      the chance that one is right: λ(1-λ)^(j-1), whatever the samples turn out to be (Damani et al. 2024).
    - `marginal`: as well, but settled problems leave and failures lower λ, an estimate worth two samples. Of an unknown difficulty
      λ is 1/2. For a vote the gains are those of having one right sample, not of its majority, and not optimal.

    A problem that fails is told as its error and does not stop the others; `BudgetExhausted` is that of one that never had a turn.
    Raises `InputError` for a total without limits, an unknown allocation, or one without the estimator that it needs.
    """
    limits = Budget.parse(total) if isinstance(total, str) else total
    _check(limits, allocation, estimator, most)
    asked = [tasks.problem(one) if isinstance(one, str) else one for one in problems]
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(opened(model))
        if isinstance(verifier, str) and verifier != "task" and asked:
            verifier = await stack.enter_async_context(verifiers.opened(verifier, asked[0].task))
        turns = _Turns(allocation, estimator, threshold, most, engine.concurrency, len(asked))
        stack.enter_context(budgets.spending(limits))

        async def answered(place: int, problem: Problem) -> Outcome:
            strategy = Strategy(f"batch-{allocation}", _Row(place, problem, turns).run, "Damani 2024; Zuo & Zhu 2025")
            try:
                outcome: Outcome = await solve(problem, model=engine, strategy=strategy, verifier=verifier, seed=seed, store=store)
            except PonderError as error:
                outcome = error
            turns.leave()
            progress(place, outcome)
            return outcome

        return await together(answered(place, problem) for place, problem in enumerate(asked))


def _check(limits: Budget, allocation: str, estimator: Estimator | None, most: int) -> None:
    if allocation not in get_args(Allocation):
        raise InputError(f"there is no allocation {allocation!r}; there are {', '.join(get_args(Allocation))}")
    if allocation in ("marginal", "preallocated") and estimator is None:
        raise InputError(f"the allocation {allocation!r} goes by difficulty: give an estimator, or take elimination")
    if limits == Budget():
        raise InputError("a batch spends one total: give it, such as 100k (tokens), $2, 10m or 5000 calls")
    if most < 1:
        raise InputError(f"{most} samples a problem answer nothing; give 1 or more")


@dataclass(eq=False, slots=True)
class _Row:
    """One problem, and the strategy of its solve. `candidates` are those that did not fail; `difficulty` None is not known."""

    place: int
    problem: Problem
    turns: _Turns
    drawn: int = 0
    candidates: Sequence[Candidate] = ()
    difficulty: float | None = None

    async def run(self, problem: Problem, model: Model, verifier: Verifier | None) -> Answer:
        """Draw when it is this problem's turn, until it is settled or nothing more is given to it."""
        self.problem = problem
        select = best if verifier else answers.majority

        def enough(candidates: Sequence[Candidate]) -> bool:
            self.candidates = candidates
            return self.turns.leaving and _settled(problem, candidates, verifier is not None, self.turns.threshold)

        return await choose(problem, model, self.turns.most, select, verifier, partial(self._draws, verifier), enough)

    async def _draws(self, verifier: Verifier | None, problem: Problem, model: Model, n: int) -> AsyncGenerator[Candidate, None]:
        failed = 0
        async with aclosing(plain(problem, model, n, verifier, abreast=lambda: 1)) as candidates:
            while failed < _FAILURES and (count := await self.turns.turn(self)):
                trace.current().record("turn", drawn=self.drawn, count=count, difficulty=self.difficulty)
                for _ in range(count):
                    self.drawn += 1
                    yield (one := await anext(candidates))
                    failed += one.sample.error is not None
        if failed == self.drawn:
            raise ModelError(f"all {failed} draws from `{model.name}` failed; the last because: {one.sample.error}")


def _settled(problem: Problem, candidates: Sequence[Candidate], scored: bool, threshold: float | None) -> bool:
    """Whether a score reaches the threshold, or the leader of the vote is so sure to win it."""
    if scored:
        return (candidates[-1].value or 0.0) >= (1.0 if threshold is None else threshold)
    votes = sorted(map(len, answers.classes(candidates, problem.task.canonical).values()))
    return bool(votes) and ahead(votes[-1], sum(votes[-2:-1])) >= (0.95 if threshold is None else threshold)


@dataclass(slots=True)
class _Turns:
    """Says who draws how much next, whenever all of the `left` problems wait to be told; `width` draws then, where gains decide."""

    allocation: Allocation
    estimator: Estimator | None
    threshold: float | None
    most: int
    width: int
    left: int
    waiting: dict[_Row, asyncio.Future[int]] = field(default_factory=dict)

    @property
    def leaving(self) -> bool:
        """Whether a problem that is settled leaves."""
        return self.allocation in ("elimination", "marginal")

    async def turn(self, row: _Row) -> int:
        """How many samples `row` shall draw now; 0: no more."""
        self.waiting[row] = told = asyncio.get_running_loop().create_future()
        self._decide()
        count: int = await told
        return count

    def leave(self) -> None:
        """A problem has ended."""
        self.left -= 1
        self._decide()

    def _decide(self) -> None:
        if len(self.waiting) < self.left:
            return
        rows = sorted(self.waiting, key=lambda row: row.place)
        counts = self._counts(rows) if rows else []
        for row, count in zip(rows, counts, strict=True):
            if count or not any(counts):  # told in their order, whoever came last: so a budget ends at the same draw
                asyncio.get_running_loop().call_soon(_tell, self.waiting.pop(row), count)

    def _counts(self, rows: Sequence[_Row]) -> list[int]:
        fewest = min(row.drawn for row in rows)
        if self.estimator is None or self.allocation in ("uniform", "elimination") or fewest < max(1, self.estimator.probe):
            return [int(row.drawn == fewest < self.most) for row in rows]
        return marginal([islice(self._gains(row, self.estimator), self.most - row.drawn) for row in rows], self.width)

    def _gains(self, row: _Row, estimator: Estimator) -> Iterator[float]:
        if row.difficulty is None:
            row.difficulty = estimator(row.problem, row.candidates)
        rate = 0.5 if row.difficulty is None else 1 - row.difficulty
        if self.leaving:
            return solves(rate, row.drawn - estimator.probe, _STRENGTH)
        return islice(solves(rate), row.drawn, None)


def _tell(told: asyncio.Future[int], count: int) -> None:
    if not told.cancelled():
        told.set_result(count)
