"""Tree of Thoughts: a search over partial solutions which the model proposes and judges itself, breadth first or depth first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ponder import trace
from ponder.errors import InputError, ModelError
from ponder.search import multinomial, top
from ponder.strategies import strategy
from ponder.strategies.draw import answer, marked
from ponder.strategies.mind import Mind
from ponder.strategies.steps import Path, check, prune, solution
from ponder.types import Answer, Candidate, Model, Problem, Verifier


@strategy("tree-of-thoughts", paper="Yao 2023")
async def tree_of_thoughts(
    problem: Problem,
    model: Model,
    verifier: Verifier | None,
    *,
    search: str = "bfs",
    generate: str = "propose",
    evaluate: str = "value",
    select: str = "greedy",
    beam: int = 5,
    width: int = 5,
    proposals: int = 1,
    judgements: int = 3,
    depth: int = 10,
    states: int = 100,
    hopeless: float = 0.001,
) -> Answer:
    """Grow solutions thought by thought, and let the model itself judge which deserve to go on (Yao et al. 2023).

    `generate`: the model is asked `proposals` times to list next thoughts ("propose"), or goes on by itself by one step, `width`
    times ("sample"). `evaluate`: by the mean of `judgements` labels ("value"), by as many votes ("vote"), by the "verifier", or by
    the "task", where that can judge exactly. `search`: "bfs" keeps the `beam` best of each round, `select` "greedy" or "sampled" in
    proportion to their values; "dfs" tries of each state the `width` thoughts of most weight, gives up those of a value up to
    `hopeless`, judges up to `states` in all, and backtracks. The answer is the finished solution with the highest score, of the
    verifier if there is one; if none has finished after `depth` thoughts, the longest, and of these the first.

    Departs: equal texts are one thought, judged once (the reference implementation values later ones at 0); a value is the mean of
    the labels that can be read, and unknown if there are none (there: a sum, 0); what is finished leaves the beam, and the search
    is over when nothing better can come; draws of "sampled" that fall on the same thought keep it once.
    """
    check("last", beam=beam, width=width, proposals=proposals, judgements=judgements, depth=depth, states=states)
    if search not in ("bfs", "dfs") or select not in _SELECT:
        raise InputError(f"`search` is bfs or dfs, and `select` one of {', '.join(_SELECT)}; they are {search!r} and {select!r}")
    mind = Mind(problem, model, verifier, generate, evaluate, width if generate == "sample" else proposals, judgements)
    found = Found(problem)
    if search == "bfs":
        await _bfs(mind, found, depth, beam, _SELECT[select])
    else:
        await _dfs(mind, found, depth, width, states, hopeless)
    return found.answer(mind.error)


async def _bfs(mind: Mind, found: Found, depth: int, beam: int, select: Select) -> None:
    paths, rng = [Path()], Random(trace.current().seed)
    for turn in range(1, depth + 1):
        thoughts = await mind.judged([path for path, _ in await mind.grown(paths, last=turn == depth)])
        found.offer([thoughts[place] for place in top(list(map(value, thoughts)), len(thoughts))])
        live = [path for path in thoughts if not path.ended]
        kept = select(list(map(value, live)), beam, rng)
        prune(path for place, path in enumerate(live) if place not in kept)
        paths = [live[place] for place in kept]
        if not paths or found.settled or len(found.finished) >= beam:
            break


async def _dfs(mind: Mind, found: Found, depth: int, width: int, states: int, hopeless: float) -> None:
    stack, seen = [Path()], set[str]()
    while stack and states > 0 and not found.settled:
        path = stack.pop()
        grown = [one for one in await mind.grown([path], last=len(path.steps) == depth - 1) if one[0].text not in seen]
        chosen = [grown[place] for place in top([weight for _, weight in grown], min(width, states))]
        thoughts = await mind.judged([path for path, _ in chosen])
        states -= len(thoughts)
        seen.update(path.text for path in thoughts)
        ranks = [(weight, value(path)) for (_, weight), path in zip(chosen, thoughts, strict=True)]
        ordered = [thoughts[place] for place in top(ranks, width)]
        found.offer(ordered)
        live = [path for path in ordered if not path.ended and len(path.steps) < depth]
        prune(path for path in live if given_up(path, hopeless))
        stack += [path for path in reversed(live) if not given_up(path, hopeless)]


def value(path: Path) -> float:
    """By which thoughts are compared: the score, and -1 where it is unknown."""
    return -1.0 if path.score is None or path.score.value is None else path.score.value


def given_up(path: Path, hopeless: float) -> bool:
    """Whether depth-first search backtracks here: the value is known, and no more than `hopeless`."""
    return 0 <= value(path) <= hopeless


def rank(path: Path) -> tuple[bool, float]:
    """By which the answer is chosen: a finished solution before any other, of these the best, of unfinished ones the longest."""
    return path.ended, value(path) if path.ended else len(path.steps)


Select = Callable[[list[float], int, Random], list[int]]
"""Values, how many to keep and a source of chance -> the places of those kept."""


def greedy(values: list[float], beam: int, rng: Random) -> list[int]:  # noqa: ARG001 - a `Select`
    """The best, the best first; ties go to the earlier."""
    return top(values, beam)


def sampled(values: list[float], beam: int, rng: Random) -> list[int]:
    """Those on which `beam` independent draws fall, in proportion to their values."""
    copies = multinomial(beam, [max(0.0, one) for one in values], rng) if values else []
    return [place for place, count in enumerate(copies) if count]


_SELECT: Mapping[str, Select] = {"greedy": greedy, "sampled": sampled}


@dataclass(slots=True)
class Found:
    """The thoughts so far that could be the answer; the foremost, with its path, is the anytime answer."""

    problem: Problem
    finished: list[Candidate] = field(default_factory=list)
    foremost: tuple[Path, Candidate] | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing can come that is better: a finished solution has the value 1."""
        return self.foremost is not None and rank(self.foremost[0]) == (True, 1.0)

    def offer(self, paths: Sequence[Path]) -> None:
        """Take in judged thoughts, of which the earlier wins a tie."""
        for path in paths:
            candidate = solution(self.problem, path, len(self.finished))
            if path.ended:
                self.finished.append(candidate)
            if self.foremost is None or rank(path) > rank(self.foremost[0]):
                self.foremost = path, candidate
        if self.foremost and self.foremost[1].answer is not None:
            trace.lead(self._answer(*self.foremost))

    def answer(self, error: str | None) -> Answer:
        """The foremost as the answer. Raises `ModelError` if there is no thought at all, because of `error`."""
        if self.foremost is None:
            raise ModelError(f"there is no thought to choose; what went wrong first: {error}")
        return marked(trace.lead(self._answer(*self.foremost)))

    def _answer(self, path: Path, chosen: Candidate) -> Answer:
        return answer(chosen, self.finished if path.ended else [chosen])
