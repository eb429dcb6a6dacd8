"""Which of two samples is the better one, whoever is asked."""

from typing import Protocol, runtime_checkable

from ponder.types import Problem, Sample, Verifier


@runtime_checkable
class Compares(Protocol):
    """A verifier that sees both samples at once. Its verdicts may be noisy, and depend on which sample comes first."""

    async def compare(self, problem: Problem, first: Sample, second: Sample, votes: int = 1) -> float | None:
        """The share of `votes` verdicts, half of them in the other order, that prefer `first`; None if none could be read."""
        ...


async def compare(verifier: Verifier, problem: Problem, first: Sample, second: Sample, votes: int = 1) -> float | None:
    """The probability that `first` is the better one, from `votes` comparisons; None where that is not known.

    A verifier that compares (`Compares`) is asked to. Of another one the scores are compared, once, since they say the same every
    time: 1, 0, or .5 if they are equal; None if either is unknown.
    """
    if isinstance(verifier, Compares):
        return await verifier.compare(problem, first, second, votes)
    one, other = (score.value for score in await verifier(problem, [first, second]))
    if one is None or other is None:
        return None
    return 0.5 if one == other else float(one > other)
