"""Thompson sampling: what the scores seen say about an arm's expected score, and which arm's random draw from that is highest.

A posterior is written as its upper quantile, because quantiles give more than single draws: the highest of many draws comes out
without making them all (see `Arms.pick`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, sqrt
from random import Random


@dataclass(slots=True)
class Moments:
    """How many scores were seen, their mean, and the sum of their squared deviations from it (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    spread: float = 0.0

    def add(self, score: float) -> None:
        self.count += 1
        step = score - self.mean
        self.mean += step / self.count
        self.spread += step * (score - self.mean)


Posterior = Callable[[Moments, float], float]
"""(scores seen, tail) -> what the expected score exceeds with probability `tail`. It must grow with the mean seen, and above its
median with the spread."""


def nix2(seen: Moments) -> tuple[float, float, float, float]:
    """(m, κ, ν, τ²) of the normal-inverse-χ² posterior (Murphy 2023, 3.4.3.3), from the prior (0, 1, 1, 0.1) of AB-MCTS."""
    kappa = nu = 1.0 + seen.count
    shift = seen.count / kappa * seen.mean
    return shift, kappa, nu, (0.1 + seen.spread + shift * seen.mean) / nu


def gaussian() -> Posterior:
    """Normal scores of unknown mean and variance: the mean is m + sqrt(τ²/κ) t, t of Student's law with ν degrees of freedom."""
    from scipy.special import stdtrit

    def quantile(seen: Moments, tail: float) -> float:
        m, kappa, nu, tau2 = nix2(seen)
        return m - sqrt(tau2 / kappa) * float(stdtrit(nu, tail))

    return quantile


def beta() -> Posterior:
    """Scores that are chances: Beta(1/2 + Σ r, 1/2 + Σ (1 - r)), from Jeffreys' prior."""
    from scipy.special import betaincinv

    def quantile(seen: Moments, tail: float) -> float:
        won = seen.count * seen.mean
        return 1 - float(betaincinv(0.5 + seen.count - won, 0.5 + won, tail))

    return quantile


@dataclass(slots=True)
class _Group:
    """Arms with equally many scores. `ceiling`: no member has a greater mean or a greater spread."""

    ceiling: Moments
    members: list[int] = field(default_factory=list)


class Arms:
    """Arms with their scores, grouped by how many these are: in a group, the posteriors differ in mean and spread alone."""

    def __init__(self) -> None:
        self.seen: list[Moments] = []
        self._place: list[int] = []
        self._groups: dict[int, _Group] = {}

    def add(self, score: float) -> int:
        """One more arm, with its first score."""
        self.seen.append(Moments())
        self._place.append(-1)
        self._observe(len(self.seen) - 1, score)
        return len(self.seen) - 1

    def observe(self, arm: int, score: float) -> None:
        members = self._groups[self.seen[arm].count].members
        self._swap(members, self._place[arm], len(members) - 1)
        members.pop()
        if not members:
            del self._groups[self.seen[arm].count]
        self._observe(arm, score)

    def pick(self, posterior: Posterior, rng: Random) -> int:
        """The arm whose draw from its posterior is the highest of one independent draw for each arm.

        The tails u of a group's draws are generated in ascending order, each for a random arm that has none yet: of k uniform
        numbers the least is 1 - V^(1/k). As soon as even the group's ceiling is below the best draw at u, so are all that remain,
        and they are not made. So thousands of arms cost about as much as a few, and the law of the pick is exact.
        """
        best, chosen = -inf, -1
        for group in self._groups.values():
            tail = 0.0
            for left in range(len(group.members), 0, -1):
                tail = 1 - (1 - tail) * rng.random() ** (1 / left)
                if posterior(group.ceiling, min(tail, 0.5)) <= best:
                    break
                self._swap(group.members, rng.randrange(left), left - 1)
                arm = group.members[left - 1]
                draw = posterior(self.seen[arm], tail)
                if draw > best:
                    best, chosen = draw, arm
        return chosen

    def _observe(self, arm: int, score: float) -> None:
        seen = self.seen[arm]
        seen.add(score)
        group = self._groups.setdefault(seen.count, _Group(Moments(seen.count, seen.mean, seen.spread)))
        group.ceiling.mean = max(group.ceiling.mean, seen.mean)
        group.ceiling.spread = max(group.ceiling.spread, seen.spread)
        self._place[arm] = len(group.members)
        group.members.append(arm)

    def _swap(self, members: list[int], one: int, other: int) -> None:
        members[one], members[other] = members[other], members[one]
        self._place[members[one]], self._place[members[other]] = one, other
