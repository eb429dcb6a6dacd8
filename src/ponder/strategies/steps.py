"""Solutions grown step by step: draw the next step of many paths at once, score the prefixes, vote among those that have ended.

A step ends at the task's separator, `Task.step`, which stands on the text again, so that the next draw continues the model's own
words through `Request.prefix`. What beam search, REBASE, particle filters and trees do with the paths is theirs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import exp, prod
from operator import itemgetter
from statistics import fmean

from ponder import answers, budget, trace
from ponder.errors import BudgetExhausted, InputError, ModelError, VerifierError
from ponder.models.sample import claim, draws, most, together
from ponder.separator import pattern
from ponder.strategies import Select
from ponder.strategies.draw import answer, ask, marked, refused, scores, undecided
from ponder.types import Abilities, Answer, Candidate, Model, Problem, Request, Sample, Score, Step, Usage, Verifier

_BLANKS = 3  # separators in a row that a model may write before its path is taken as stuck
_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"last": itemgetter(-1), "min": min, "prod": prod, "mean": fmean}


@dataclass(frozen=True, slots=True)
class Path:
    """A solution so far; `Path()` is the root.

    `steps` add up to `text`. `ended`: the model will not go on, because it stopped by itself, was cut (`truncated`) or failed
    (`error`). `event` is its last draw in the trace, `tokens` what its completion has taken, `likelihood` the geometric mean of
    the probabilities of that draw's tokens, where the model was asked for them.
    """

    text: str = ""
    steps: tuple[str, ...] = ()
    ended: bool = False
    truncated: bool = False
    error: str | None = None
    score: Score | None = None
    event: int | None = None
    tokens: int = 0
    likelihood: float | None = None

    @property
    def value(self) -> float:
        """The score of a path that has one; `Leaves.offer` lets no other go on."""
        assert self.score is not None
        assert self.score.value is not None
        return self.score.value


@dataclass(frozen=True, slots=True)
class Manner:
    """How a round is drawn; without a `temperature`, at the task's."""

    temperature: float | None = None
    whole: bool = False
    logprobs: bool = False


async def draw_steps(
    problem: Problem,
    model: Model,
    paths: Sequence[Path],
    counts: int | Sequence[int] = 1,
    *,
    temperature: float | None = None,
    whole: bool = False,
    logprobs: bool = False,
) -> list[Path]:
    """The next step of each path, `counts` times, all drawn at once; with `whole`, the rest of the solution instead,
    and with `logprobs`, of a model that gives them, how likely each was.

    The children come in the order of the paths, the first path's first, and always as many as asked for: a draw that failed gives
    its path with `error`. Equal prefixes, in one round or in several, never share a draw, except greedy ones. What one ending can
    cost is kept back from the budget; draws that do not fit beside it have failed, and when none fits, the best path is written to
    its end with it. Raises `BudgetExhausted` if not even that fits.
    """
    each = [counts] * len(paths) if isinstance(counts, int) else counts
    wanted = [path for path, count in zip(paths, each, strict=True) for _ in range(count)]
    manner = Manner(temperature, whole, logprobs and model.abilities.logprobs)
    try:
        grown = await _round(problem, model, wanted, manner)
    except BudgetExhausted as refusal:
        return await _ending(problem, model, wanted, refusal)
    for _ in range(_BLANKS):
        blank = [place for place, path in enumerate(grown) if _is_blank(path)]
        try:
            again = await _round(problem, model, [grown[place] for place in blank], manner)
        except BudgetExhausted:
            break
        for place, path in zip(blank, again, strict=True):
            grown[place] = path
    return [replace(path, ended=True, truncated=True) if _is_blank(path) else path for path in grown]


async def roll(problem: Problem, model: Model, paths: Sequence[Path], steps: int) -> list[Path]:
    """Where `steps` greedy steps lead each path, or as many of them as the model and the budget give."""
    ahead = list(paths)
    for _ in range(steps):
        try:
            rolled = iter(await _round(problem, model, [path for path in ahead if not path.ended], Manner(0.0)))
        except BudgetExhausted:
            break
        # a step ahead that failed is no fault of the path: it is judged by how far it came
        ahead = [path if path.ended else replace(next(rolled), error=None) for path in ahead]
    return ahead


async def score_paths(verifier: Verifier, problem: Problem, paths: Sequence[Path], aggregate: str = "last") -> list[Path]:
    """The paths with their scores, judged in one call, each value aggregated from its steps' values.

    Failed paths are not judged.
    """
    sound = [path for path in paths if path.error is None]
    given = await scores(problem, [_sample(path) for path in sound], verifier) if sound else []
    judged = iter([_doubted(path, aggregated(score, aggregate)) for path, score in zip(sound, given, strict=True)])
    return [path if path.error is not None else replace(path, score=next(judged)) for path in paths]


def aggregated(score: Score, how: str) -> Score:
    """The score with the value that its steps have together: `last`, `min`, `prod` or `mean`; unknown if one of them is.

    A score without steps keeps its value.
    """
    read = score.steps[-1:] if how == "last" else score.steps
    known = [value for value in read if value is not None]
    if not read:
        return score
    if len(known) < len(read):
        return replace(score, value=None, error=score.error or "a step has no score")
    return replace(score, value=_AGGREGATES[how](known))


def _doubted(path: Path, score: Score) -> Score:
    """A grader that finds no answer says 0 and why: of a path that has not ended, that tells nothing."""
    return score if path.ended or score.error is None else replace(score, value=None)


def prune(paths: Iterable[Path]) -> None:
    """Say in the trace that these paths are given up."""
    for path in paths:
        trace.current().record("pruned", path.event, value=path.score.value if path.score else None)


class Leaves:
    """The paths that have ended. What `select` chooses of them, their weighted vote, is the anytime answer."""

    def __init__(self, problem: Problem, verifier: Verifier, select: Select = answers.weighted) -> None:
        self._problem, self._verifier, self._select = problem, verifier, select
        self._canonical = functools.cache(problem.task.canonical)
        self._candidates: list[Candidate] = []
        self._failure: str | None = None
        self._doubt: str | None = None

    def __len__(self) -> int:
        return len(self._candidates)

    def offer(self, paths: Iterable[Path]) -> list[Path]:
        """Take in the paths that have ended, let their choice lead, and return those that go on; unscored ones are given up."""
        live = []
        for path in paths:
            if path.error is not None:
                self._failure = self._failure or path.error
            elif path.ended:
                self._candidates.append(solution(self._problem, path, len(self._candidates)))
            elif path.score is not None and path.score.value is not None:
                live.append(path)
            else:
                prune([path])
                self._doubt = self._doubt or (path.score and path.score.error) or "it does not say"
        chosen = self._select(self._candidates, self._canonical)
        if chosen is not None:
            trace.lead(answer(chosen, self._candidates))
        return live

    def answer(self) -> Answer:
        """What is chosen among the leaves.

        Where there are none, raises `BudgetExhausted` if the budget refused a draw, `VerifierError` if the verifier could not judge
        unfinished paths, else `ModelError`.
        """
        refusal = refused()
        if not self._candidates and refusal:
            raise refusal
        if not self._candidates and self._doubt:
            raise VerifierError(
                f"`{self._verifier.name}` cannot judge unfinished solutions: {self._doubt}; "
                f"take one that can, such as a process reward model, or best-of-n"
            )
        if not self._candidates:
            raise ModelError(f"no path came to its end; the first that failed did so because: {self._failure}")
        chosen = self._select(self._candidates, self._canonical)
        return marked(answer(chosen, self._candidates) if chosen else undecided(self._candidates, self._verifier))


def solution(problem: Problem, path: Path, index: int) -> Candidate:
    """The candidate that a path is which has ended."""
    sample = Sample(path.text, index, "length" if path.truncated else "stop", Usage(completion=path.tokens), event=path.event)
    return Candidate(sample, problem.task.extract(problem, path.text), path.score)


def check(aggregate: str, **positive: float) -> None:
    """Raises `InputError` for an unknown `aggregate`, or another parameter that is not above 0: before anything is spent."""
    if aggregate not in _AGGREGATES:
        raise InputError(f"cannot aggregate the scores of steps by {aggregate!r}; take one of {', '.join(_AGGREGATES)}")
    for name, value in positive.items():
        if not value > 0:
            raise InputError(f"`{name}` must be above 0, and is {value!r}")


async def _round(problem: Problem, model: Model, paths: Sequence[Path], manner: Manner) -> list[Path]:
    """One draw for each path, concurrently, within what the budget has beside one ending.

    Which draw of its prefix each path gets is settled before the first begins. Raises `BudgetExhausted` if none fits.
    """
    if not paths:
        return []
    endings = [most(model, _request(problem, model, path, Manner(whole=True))) for path in dict.fromkeys(paths)]
    with budget.spending(budget.current().without(max(endings, key=lambda charge: charge.tokens))):
        return await _draw_all(problem, model, paths, manner)


async def _ending(problem: Problem, model: Model, paths: Sequence[Path], refusal: BudgetExhausted) -> list[Path]:
    """The best of the paths written to its end; the others have failed."""
    values = [-1.0 if path.score is None or path.score.value is None else path.score.value for path in paths]
    best = values.index(max(values))
    trace.current().record("refused", limit=refusal.limit, allowed=refusal.allowed, spent=refusal.spent, needed=refusal.needed)
    [ended] = await _draw_all(problem, model, [paths[best]], Manner(whole=True))
    return [ended if place == best else _failed(path, str(refusal)) for place, path in enumerate(paths)]


async def _draw_all(problem: Problem, model: Model, paths: Sequence[Path], manner: Manner) -> list[Path]:
    siblings: dict[tuple[Request, int | None], list[int]] = {}
    for place, path in enumerate(paths):
        siblings.setdefault((_request(problem, model, path, manner), path.event), []).append(place)
    drawn = await together(
        _draw(model, request, claim(model, request, len(places)), event) for (request, event), places in siblings.items()
    )
    grown, refusals = list(paths), list[BudgetExhausted]()
    for places, results in zip(siblings.values(), drawn, strict=True):
        for place, result in zip(places, results, strict=True):
            grown[place] = _child(problem, paths[place], result)
            refusals += [result] if isinstance(result, BudgetExhausted) else []
    if refusals and len(refusals) == len(paths):
        raise refusals[0]
    return grown


def _request(problem: Problem, model: Model, path: Path, manner: Manner) -> Request:
    asked = ask(problem, path.text)
    asked = replace(
        asked,
        max_tokens=problem.task.max_tokens - path.tokens,
        temperature=asked.temperature if manner.temperature is None else manner.temperature,
        logprobs=manner.logprobs,
    )
    return asked if manner.whole else stopping_at(problem.task.step, asked, model.abilities)


def stopping_at(step: Step, whole: Request, able: Abilities) -> Request:
    """The request for what comes before the next `step` only.

    Of a model that does not say which stop string ended a draw, a step is ended from here, where it is seen why it ends; then
    log-probabilities let its tokens be counted though no final count comes.
    """
    if isinstance(step, int):
        return replace(whole, max_tokens=min(step, whole.max_tokens))
    if isinstance(step, str) and able.stop and able.names_stop:
        return replace(whole, stop=tuple(dict.fromkeys((*whole.stop, step))))
    return replace(whole, until=pattern(step), logprobs=whole.logprobs or able.logprobs)


async def _draw(model: Model, request: Request, indices: list[int], parent: int | None) -> list[Sample | BudgetExhausted]:
    """The draws in order, and the budget's refusal for each that did not fit: its siblings must end before the round can."""
    drawn: dict[int, Sample | BudgetExhausted] = {}
    try:
        async with aclosing(draws(model, request, dict.fromkeys(indices), parent=parent)) as samples:
            async for sample in samples:
                drawn[sample.index] = sample
    except BudgetExhausted as refusal:
        return [drawn.get(index, refusal) for index in indices]
    return [drawn[index] for index in indices]


def _child(problem: Problem, path: Path, drawn: Sample | BudgetExhausted) -> Path:
    if isinstance(drawn, BudgetExhausted):
        return _failed(path, str(drawn))
    if drawn.error is not None:
        return replace(_failed(path, drawn.error), event=drawn.event)
    task, by_count = problem.task, isinstance(problem.task.step, int)
    # the most that a draw can have been would end the path; one of a counted step has been that, or has ended it
    counted = by_count or drawn.usage_source != "reserved"
    tokens = path.tokens + (drawn.usage.completion if counted else 0)
    at_step = drawn.finish_reason == "length" if by_count else drawn.stop is not None and drawn.stop not in task.stop
    ended = tokens >= task.max_tokens or not at_step
    text = path.text + drawn.text + (drawn.stop or "" if at_step else "")
    step = text.removeprefix("".join(path.steps))
    return Path(
        text=text,
        steps=(*path.steps, step) if step.strip() else path.steps,
        ended=ended,
        truncated=ended and (at_step or drawn.finish_reason == "length"),
        event=drawn.event,
        tokens=tokens,
        likelihood=exp(fmean(drawn.logprobs)) if drawn.logprobs else None,
    )


def _failed(path: Path, error: str) -> Path:
    return replace(path, ended=True, error=error, score=None)


def _is_blank(path: Path) -> bool:
    """Whether the path goes on and its last step is only a separator so far."""
    return not path.ended and len("".join(path.steps)) < len(path.text)


def _sample(path: Path) -> Sample:
    """The path as a verifier reads it: the last step, after the steps before."""
    before = "".join(path.steps[:-1])
    return Sample(
        path.text.removeprefix(before), prefix=before, finish_reason="length" if path.truncated else "stop", event=path.event
    )
