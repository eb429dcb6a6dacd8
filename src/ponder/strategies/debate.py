"""Agents that answer, read what the others answered, and answer again."""

from __future__ import annotations

from collections.abc import Sequence

from ponder import trace
from ponder.errors import ModelError
from ponder.models.sample import together
from ponder.strategies import strategy
from ponder.strategies.attempts import attempt
from ponder.strategies.consensus import entrants, plurality
from ponder.strategies.steps import check
from ponder.types import Answer, Candidate, Model, Problem

_READ = (
    "{others}\n\nThese are the latest solutions of other agents to the same problem. Take them as advice: check yours against "
    "them, and give your solution again, whole, corrected where that is needed."
)


@strategy("debate", paper="Du 2023")
async def debate(problem: Problem, model: Model, *, agents: int = 3, rounds: int = 2) -> Answer:
    """`agents` answer; in each further one of `rounds` each reads what the others said last and answers again (Du et al. 2023).

    The majority of the last answers wins; that of the newest so far leads. That makes agents * rounds calls: compare it with
    self-consistency at as many samples, which it does not beat on reasoning (Huang et al. 2023). Departs from the paper: an agent
    whose first draw fails takes no part, and one whose later draw fails stands by what it said.
    """
    check("last", agents=agents, rounds=rounds)
    latest = await entrants(problem, model, agents)
    made = list(latest)
    said: list[tuple[str, ...]] = [()] * len(latest)
    for _ in range(1, rounds):
        heard = [_READ.format(others=_others(latest, speaker)) for speaker in range(len(latest))]
        said = [(*before, own.sample.text, others) for before, own, others in zip(said, latest, heard, strict=True)]
        stood = latest
        latest = await together(
            _answer_again(problem, model, words, own, own.sample.index + agents) for words, own in zip(said, stood, strict=True)
        )
        made += [new for new, own in zip(latest, stood, strict=True) if new is not own]
        trace.lead(plurality(problem, latest, made))
    return plurality(problem, latest, made)


async def _answer_again(problem: Problem, model: Model, said: Sequence[str], own: Candidate, number: int) -> Candidate:
    """The agent's next solution, as candidate `number`; its own last one if the draw fails."""
    try:
        return await attempt(problem, model, said, number, parent=own.sample.event)
    except ModelError:
        return own


def _others(latest: Sequence[Candidate], speaker: int) -> str:
    solutions = (one.sample.text for number, one in enumerate(latest) if number != speaker)
    return "\n\n".join(f"One agent's solution:\n\n{solution}" for solution in solutions)
