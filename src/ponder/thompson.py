"""Thompson sampling: what the scores seen say about an arm's expected score, and which arm's random draw from that is highest.

A posterior is written as its upper quantile, because quantiles give more than single draws: the highest of many draws comes out
without making them all (see `Arms.pick`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
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
    """Arms that are alike. The heaps hold (-mean, arm) and (-spread, arm), also of arms that have left."""

    members: list[int] = field(default_factory=list)
    means: list[tuple[float, int]] = field(default_factory=list)
    spreads: list[tuple[float, int]] = field(default_factory=list)


class Arms:
    """Arms with their scores, in groups: those that have equally many scores, with their means in the same quarter of [0, 1]."""

    def __init__(self) -> None:
        self.seen: list[Moments] = []
        self._place: list[int] = []
        self._groups: dict[tuple[int, int], _Group] = {}

    def add(self, score: float) -> int:
        """One more arm, with its first score."""
        self.seen.append(Moments())
        self._place.append(-1)
        self._enter(len(self.seen) - 1, score)
        return len(self.seen) - 1

    def observe(self, arm: int, score: float) -> None:
        alike = _alike(self.seen[arm])
        members = self._groups[alike].members
        self._swap(members, self._place[arm], len(members) - 1)
        members.pop()
        if not members:
            del self._groups[alike]
        self._enter(arm, score)

    def pick(self, posterior: Posterior, rng: Random) -> int:
        """The arm whose draw from its posterior is the highest of one independent draw for each arm.

        The tails u of a group's draws are generated in ascending order, each for a random arm that has none yet: of k uniform
        numbers the least is 1 - V^(1/k). As soon as not even the group's ceiling is above the best draw at u, nor are any that
        remain, and they are not made. So thousands of arms cost about as much as a few, and the law of the pick is exact.
        """
        best, chosen = -inf, -1
        for alike, group in self._groups.items():
            tail, ceiling = 0.0, self._ceiling(alike)
            for left in range(len(group.members), 0, -1):
                tail = 1 - (1 - tail) * rng.random() ** (1 / left)
                if posterior(ceiling, min(tail, 0.5)) <= best:
                    break
                self._swap(group.members, rng.randrange(left), left - 1)
                arm = group.members[left - 1]
                draw = posterior(self.seen[arm], tail)
                if draw > best:
                    best, chosen = draw, arm
        return chosen

    def _enter(self, arm: int, score: float) -> None:
        seen = self.seen[arm]
        seen.add(score)
        group = self._groups.setdefault(_alike(seen), _Group())
        self._place[arm] = len(group.members)
        group.members.append(arm)
        heappush(group.means, (-seen.mean, arm))
        heappush(group.spreads, (-seen.spread, arm))

    def _ceiling(self, alike: tuple[int, int]) -> Moments:
        """No arm of the group has a greater mean, or a greater spread."""
        group = self._groups[alike]
        for heap in (group.means, group.spreads):
            while _alike(self.seen[heap[0][1]]) != alike:
                heappop(heap)
        return Moments(alike[0], -group.means[0][0], -group.spreads[0][0])

    def _swap(self, members: list[int], one: int, other: int) -> None:
        members[one], members[other] = members[other], members[one]
        self._place[members[one]], self._place[members[other]] = one, other


def _alike(seen: Moments) -> tuple[int, int]:
    return seen.count, int(4 * seen.mean)
