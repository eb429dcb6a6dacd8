"""What a sampled answer was worth beside the others: the advantages of GRPO and its relatives, in closed form.

Rewards are (prompts, samples): a row is the group of one prompt. Advantages have the same shape, and a group whose rewards are all
equal teaches nothing: zeros, in every one of them but `whitened`.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ponder.errors import InputError

Floats = NDArray[np.float64]


def groups(rewards: ArrayLike) -> Floats:
    """The rewards as (prompts, samples); raises InputError for other shapes, and for a group of one, which has nobody beside it."""
    rows = np.asarray(rewards, float)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InputError(f"rewards have the shape {rows.shape}: give one row a prompt, of at least 2 samples each")
    return rows


def grpo(rewards: ArrayLike, ddof: int = 1, epsilon: float = 1e-4) -> Floats:
    """(r - mean) / (std + epsilon) of the group (Shao et al. 2024, DeepSeekMath).

    `ddof` 1 divides the squares by samples - 1, as TRL and verl do; 0 by samples, as the paper's "std" may be read.
    """
    rows = groups(rewards)
    scaled: Floats = dr_grpo(rows) / (rows.std(1, ddof=ddof, keepdims=True) + epsilon)
    return scaled


def dr_grpo(rewards: ArrayLike) -> Floats:
    """r - mean of the group: without the division, which favours prompts that are nearly always or never solved (Liu et al.
    2025)."""
    rows = groups(rewards)
    centred: Floats = rows - rows.mean(1, keepdims=True)
    return centred


def rloo(rewards: ArrayLike) -> Floats:
    """r - mean of the *other* samples = k / (k - 1) (r - mean): an unbiased baseline (Ahmadian et al. 2024)."""
    rows = groups(rewards)
    lifted: Floats = dr_grpo(rows) * (rows.shape[1] / (rows.shape[1] - 1))
    return lifted


def whitened(values: ArrayLike, mask: ArrayLike | None = None, epsilon: float = 1e-8) -> Floats:
    """(v - mean) / (std + epsilon) over the whole batch, or over its part where `mask`; 0 elsewhere. std divides by the count."""
    numbers = np.asarray(values, float)
    kept = np.ones(numbers.shape, bool) if mask is None else np.asarray(mask, bool)
    scaled = (numbers - numbers[kept].mean()) / (numbers[kept].std() + epsilon)
    return np.where(kept, scaled, 0.0)


def reinforce_pp(rewards: ArrayLike, kl: ArrayLike, mask: ArrayLike, beta: float) -> Floats:
    """REINFORCE++ (Hu 2025): what is still to come at each token, whitened over the batch's tokens.

    `rewards` (samples,) come with the last token; every token pays `beta` times its `kl` (samples, tokens) to the reference.
    `mask` (samples, tokens) is true for the tokens that were drawn.
    """
    drawn = np.asarray(mask, bool)
    paid = np.where(drawn, -beta * np.asarray(kl, float), 0.0)
    coming = paid[:, ::-1].cumsum(1)[:, ::-1] + np.asarray(rewards, float)[:, None]
    return whitened(coming, drawn)


def reinforce_pp_baseline(rewards: ArrayLike) -> Floats:
    """REINFORCE++-baseline: less the group's mean, then whitened over the batch (Hu 2025)."""
    return whitened(dr_grpo(rewards))


def hardness(rewards: ArrayLike, k: int) -> Floats:
    """C(n-1-c, k-1) / C(n-1, k-1) for each prompt, c of its n samples right: the chance that k - 1 others of a wrong one are wrong
    too.

    Raises InputError for rewards that are no verdicts (0 and 1), and for k outside 1..n.
    """
    rows = groups(rewards)
    n, right = rows.shape[1], rows.sum(1, keepdims=True)
    if (k > 1 and not np.isin(rows, (0.0, 1.0)).all()) or not 1 <= k <= n:
        raise InputError(f"pass@k takes verdicts of 0 and 1 and k in 1..{n}: k={k}, rewards {np.unique(rows)[:5].tolist()}")
    place = np.arange(k - 1)
    missed: Floats = (np.maximum(n - 1 - right - place, 0) / (n - 1 - place)).prod(1)
    return missed


def pass_at_k(rewards: ArrayLike, k: int) -> Floats:
    """The rewards of PKPO, less their group's mean, times n / k (Walder & Karkhanis 2025): for verdicts 0 and 1.

    A right sample is worth 1, a wrong one the chance that k - 1 of the others hold a right one, 1 - C(n-1-c, k-1) / C(n-1, k-1),
    for c of n right. So prompts that k samples solve anyway fade, and the policy is not paid for making its favourite answer surer.
    With k = 1 it is `dr_grpo`.
    """
    return dr_grpo(rewards) * hardness(rewards, k)[:, None]


def by_steps(rewards: ArrayLike, chains: Sequence[Sequence[Hashable]]) -> list[Floats]:
    """For each sample of one prompt, an advantage a step: its reward less what the others got that began as it did.

    `rewards` (samples,), `chains` the steps of each. The baseline of a step is the mean over the *other* samples with the same
    steps before it and, counted as one more of them, the baseline of the step before; of the first step, the mean over all others
    (RLOO). It does not depend on what the sample did from there on, so the gradient stays unbiased, and a step after a hopeless
    beginning is not blamed (VinePPO's idea, Kazemnejad et al. 2024, with no draw more than the group's own).
    """
    paid = np.asarray(rewards, float)
    if len(paid) < 2:
        raise InputError("a group of one has nobody beside it: draw at least 2 samples a prompt")
    begun: dict[tuple[Hashable, ...], tuple[float, int]] = {}
    for reward, chain in zip(paid, chains, strict=True):
        for size in range(len(chain) + 1):
            total, count = begun.get(tuple(chain[:size]), (0.0, 0))
            begun[tuple(chain[:size])] = total + reward, count + 1
    found = []
    for reward, chain in zip(paid, chains, strict=True):
        baseline, gains = (paid.sum() - reward) / (len(paid) - 1), np.empty(len(chain))
        for place in range(len(chain)):
            if place:
                total, count = begun[tuple(chain[:place])]
                baseline = (total - reward + baseline) / count
            gains[place] = reward - baseline
        found.append(gains)
    return found


def by_branches(rewards: ArrayLike, chains: Sequence[Sequence[Hashable]]) -> list[Floats]:
    """For each sample of one prompt, an advantage a step: what those got that took it, less what those got that stood before it.

    `rewards` (samples,), `chains` the steps of each; a sample is among its own kind. These are differences of values (VinePPO,
    Kazemnejad et al. 2024) with no draw more than the group's own, and they add up to the reward less the group's mean. Unlike
    `by_steps` it is biased: a beginning that nobody shares is worth what its one sample got, and what follows it earns nothing. In
    return a long chain is blamed for the step where it went wrong alone: not for those before it, nor for those behind it.
    """
    paid = np.asarray(rewards, float)
    worth: dict[tuple[Hashable, ...], list[float]] = {}
    for reward, chain in zip(paid, chains, strict=True):
        for size in range(len(chain) + 1):
            worth.setdefault(tuple(chain[:size]), []).append(float(reward))
    along = ([float(np.mean(worth[tuple(chain[:size])])) for size in range(len(chain) + 1)] for chain in chains)
    return [np.diff(values) for values in along]


def gae(rewards: ArrayLike, values: ArrayLike, discount: float = 1.0, smoothing: float = 0.95) -> Floats:
    """PPO's advantages: sum over l of (discount smoothing)^l delta, delta_t = r_t + discount V_(t+1) - V_t (Schulman et al. 2016).

    `rewards` and `values` are (samples, tokens); behind the last token the value is 0.
    """
    paid, worth = np.asarray(rewards, float), np.asarray(values, float)
    following = np.concatenate([worth[:, 1:], np.zeros((len(worth), 1))], axis=1)
    deltas, sums = paid + discount * following - worth, np.zeros(paid.shape)
    running = np.zeros(len(paid))
    for place in range(paid.shape[1] - 1, -1, -1):
        sums[:, place] = running = deltas[:, place] + discount * smoothing * running
    return sums


def mixed(rewards: ArrayLike) -> NDArray[np.bool_]:
    """Which groups hold different rewards: those that dynamic sampling keeps (Yu et al. 2025, DAPO)."""
    rows = groups(rewards)
    kept: NDArray[np.bool_] = np.ptp(rows, axis=1) > 0
    return kept
