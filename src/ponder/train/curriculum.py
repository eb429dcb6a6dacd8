"""What to ask next: enough groups that teach something (DAPO's dynamic sampling), and tasks neither solved nor hopeless."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ponder.train.advantage import Floats, mixed

Asked = TypeVar("Asked")
Band = tuple[float, float]


def enough(rounds: Sequence[Floats], wanted: int) -> bool:
    """Whether `wanted` groups hold different rewards, over rounds of rewards (groups, samples): those of a group that are all equal
    teach nothing, and one that is unknown, NaN, spoils its group (Yu et al. 2025, DAPO)."""
    return sum(int(mixed(rewards).sum()) for rewards in rounds) >= wanted  # a group with NaN has no spread that is above 0


def rates(steps: Sequence[Mapping[str, float]], recent: int = 10) -> dict[str, float]:
    """Each task's mean reward over the last `recent` of the steps that asked it; a task that none did is not in it."""
    seen: dict[str, list[float]] = {}
    for told in steps:
        for name, reward in told.items():
            seen.setdefault(name, []).append(reward)
    return {name: sum(last) / len(last) for name, rewards in seen.items() for last in [rewards[-recent:]]}


def shares(mix: Mapping[str, float], known: Mapping[str, float], band: Band, least: float = 0.1) -> dict[str, float]:
    """The mix, in which a task counts `least` as much while its rate lies outside `band`; adds up to 1.

    It stays in, so that its rate is known when the policy has changed; a task without a rate counts in full.
    """
    low, high = band
    weights = {name: share * (1.0 if low <= known.get(name, low) <= high else least) for name, share in mix.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def counts(parts: Mapping[str, float], total: int) -> dict[str, int]:
    """`total` split by shares that add up to 1, in whole numbers; the largest remainders get what is left, earlier names first."""
    exact = {name: share * total for name, share in parts.items()}
    found = {name: int(part + 1e-9) for name, part in exact.items()}
    left = sorted(exact, key=lambda name: found[name] - exact[name])
    for name in left[: total - sum(found.values())]:
        found[name] += 1
    return found


def asked(pools: Mapping[str, Sequence[Asked]], sizes: Mapping[str, int], first: int) -> list[Asked]:
    """So many of each pool, from the place `first` on: no state but a number, so that a resumed run asks the same."""
    return [one for name, size in sizes.items() for one in pools[name][first : first + size]]
