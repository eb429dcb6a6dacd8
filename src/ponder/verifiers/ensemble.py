"""Several verifiers as one: their mean without their biases, a veto, or the share of them that accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ponder import trace
from ponder.errors import InputError
from ponder.models.sample import together
from ponder.types import Problem, Reads, Sample, Score, Verifier
from ponder.verifiers.evidence import Evidence, weakest

_ROUNDS, _SETTLED = 100, 1e-9  # a fit by turns ends when no bias moves any more, or here
_REACH: tuple[Reads, ...] = ("nothing", "tests", "reference")

Known = Mapping[int, float]  # a sample's values, by the place of the member that gave them


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The joint score of `verifiers`, at once. What a member cannot tell is left out, and the trace says so (`voted`).

    `mean`: each value is taken as the sample's quality plus its member's bias, x[i, j] = q[i] + b[j], fitted by least squares over
    the samples of one call, with biases that add up to 0; the score is q[i], kept within [0, 1]. Where every member knows every
    sample that is the plain mean; where some are left out, a lenient member's absence costs a sample nothing. K members of variance
    s² and correlation r have together the variance s² (r + (1 - r) / K). The members' spreads are left alone, since scores are
    probabilities. `veto`: 0 if a member gives less than `threshold`, else the plain mean. `agreement`: the share of members that
    give `threshold` or more. The score is unknown where no member knows. Raises InputError for an unknown `how`, or no members.
    """

    verifiers: tuple[Verifier, ...]
    how: str = "mean"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.how not in ("mean", "veto", "agreement"):
            raise InputError(f"an ensemble cannot judge by {self.how!r}; take one of mean, veto, agreement")
        if not self.verifiers:
            raise InputError("an ensemble needs at least one verifier")

    @property
    def name(self) -> str:
        return f"{self.how}({'+'.join(verifier.name for verifier in self.verifiers)})"

    @property
    def reads(self) -> Reads:
        """What the member reads that reads most."""
        return max((verifier.reads for verifier in self.verifiers), key=_REACH.index)

    @property
    def evidence(self) -> Evidence:
        """That of the member whose word is the weakest."""
        return weakest(self.verifiers)

    @property
    def logprobs(self) -> bool:
        """Whether a member reads the log-probabilities of the sample's tokens."""
        return any(getattr(verifier, "logprobs", False) for verifier in self.verifiers)

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        given = await together(self._ask(verifier, problem, samples) for verifier in self.verifiers)
        by_sample = list(zip(*given, strict=True))
        known = [_known(scores) for scores in by_sample]
        values = iter(self._judge([one for one in known if one]))
        return [Score(next(values)) if one else self._unknown(scores) for one, scores in zip(known, by_sample, strict=True)]

    async def _ask(self, verifier: Verifier, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        scores = await verifier(problem, samples)
        for sample, score in zip(samples, scores, strict=True):
            trace.current().record("voted", sample.event, verifier=verifier.name, value=score.value, error=score.error)
        return scores

    def _judge(self, known: Sequence[Known]) -> list[float]:
        if self.how == "mean":
            return [min(1.0, max(0.0, value)) for value in qualities(known)]
        if self.how == "veto":
            return [0.0 if min(one.values()) < self.threshold else fmean(one.values()) for one in known]
        return [fmean(value >= self.threshold for value in one.values()) for one in known]

    def _unknown(self, scores: Sequence[Score]) -> Score:
        reasons = (f"{verifier.name}: {score.error}" for verifier, score in zip(self.verifiers, scores, strict=True))
        return Score(None, error=f"no member can tell; {'; '.join(reasons)}")


def qualities(known: Sequence[Known]) -> list[float]:
    """The q[i] of the least-squares fit x[i, j] = q[i] + b[j], sum b = 0, by turns: q given b, then b given q.

    Samples that no chain of common members ties together cannot be told from their members' biases, and keep their levels.
    """
    members = sorted({member for one in known for member in one})
    biases = dict.fromkeys(members, 0.0)
    for _ in range(_ROUNDS):
        found, before = [_mean(one, biases) for one in known], biases
        biases = {member: _bias(member, known, found) for member in members}
        if all(abs(biases[member] - before[member]) < _SETTLED for member in members):
            break
    centre = fmean(biases.values()) if biases else 0.0
    return [_mean(one, biases) + centre for one in known]


def _mean(values: Known, biases: Known) -> float:
    return fmean(value - biases[member] for member, value in values.items())


def _bias(member: int, known: Sequence[Known], found: Sequence[float]) -> float:
    return fmean(one[member] - quality for one, quality in zip(known, found, strict=True) if member in one)


def _known(scores: Sequence[Score]) -> Known:
    return {member: score.value for member, score in enumerate(scores) if score.value is not None}
