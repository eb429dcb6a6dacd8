"""An example plug-in: after `pip install ./examples/ponder-last-line`, `ponder strategies` lists `shortest`.

ponder solve "Use 3 7 8 8 to make 24" --strategy "shortest(n=8)"
ponder solve "Use 3 7 8 8 to make 24" --verifier last-line
"""

from ponder import Answer, Model, Problem, Score, strategy
from ponder.strategies.draw import choose
from ponder.verifiers.check import Check


def fewest_tokens(candidates, canonical):  # noqa: ARG001 - a selection rule may compare answers; this one need not
    """A selection rule: the candidate that said least."""
    return min(candidates, key=lambda candidate: (candidate.sample.usage.completion, candidate.sample.index), default=None)


@strategy("shortest", paper="an example", select=fewest_tokens)
async def shortest(problem: Problem, model: Model, *, n: int = 4) -> Answer:
    """Draw `n` samples and return the shortest."""
    return await choose(problem, model, n, fewest_tokens)


def _has_last_line(_: Problem, text: str) -> Score:
    return Score(float(bool(text.strip()) and text.endswith("\n")))


last_line = Check("last-line", "nothing", _has_last_line)
