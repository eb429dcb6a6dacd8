"""Speculative rejection: what it writes, whom it drops, and when its winner is that of best-of-n."""

from math import sqrt
from statistics import fmean

import pytest

from ponder import tasks
from ponder.errors import AbilityMissing, InputError, VerifierError
from ponder.models.simulated import Simulated, dice
from ponder.solve import solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities, Score, Usage
from ponder.verifiers.check import Check
from ponder.verifiers.simulated import Process
from scripted import Scripted

PROBLEM = problems(1)[0]
EVERY, ROUNDS = 5, 4


def written(right=lambda seed: seed % 1000):
    """A model whose solutions are `EVERY * ROUNDS` tokens long: `q` a quality, fillers, and the quality as the answer.

    The quality comes from the draw's own seed; a continuation keeps that of its prefix.
    """

    def say(request):
        words = request.prefix.split()
        quality = words[1] if words else str(right(request.seed))
        return " ".join(["q", quality, *["so"] * (EVERY * ROUNDS - 4), "answer", quality][len(words) :])

    return Scripted(lambda request: " " * bool(request.prefix) + say(request), block=1)


def rejected(model, judge=None, problem=PROBLEM, **settings):
    verifier = judge or Check("quality", "nothing", lambda problem, text: Score(int(text.split()[1]) / 1000))
    settings = {"n": 16, "every": EVERY, "model": model, "verifier": verifier} | settings
    return solve_sync(problem, strategy="speculative-rejection", **settings)


def drawn(answer):
    return [event.data for event in answer.trace.events if event.kind == "drawn"]


@pytest.mark.parametrize(
    ("n", "alpha", "alive"), [(16, 0.5, [16, 8, 4, 2]), (64, 0.75, [64, 16, 4, 1]), (27, 1 / 3, [27, 18, 12, 8])]
)
def test_the_work_is_the_sum_of_the_survivors(n, alpha, alive):
    """sum over t < T of n (1 - alpha)^t stretches: 30 for n = 16, where best-of-n writes 64. Cached prefixes cost a token each."""
    assert alive == [pytest.approx(n * (1 - alpha) ** turn) for turn in range(ROUNDS)]
    model = written()
    answer = rejected(model, n=n, alpha=alpha)
    assert model.tally.completion == answer.usage["policy"].completion == EVERY * sum(alive)
    assert model.tally.usage.computed == EVERY * sum(alive) + 3 * n + (sum(alive) - n)
    whole = solve_sync(PROBLEM, model=written(), strategy="direct")
    assert whole.usage["policy"].completion == EVERY * ROUNDS


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_where_partial_scores_tell_the_final_ones_the_winner_is_that_of_best_of_n(alpha):
    """Correlation 1: the best of the n that were begun is never dropped."""
    for one in problems(8):
        answer = rejected(written(), problem=one, alpha=alpha)
        begun = [int(data["text"].split()[1]) for data in drawn(answer) if data["text"].startswith("q")]
        assert len(begun) == 16
        assert answer.answer == str(max(begun))


def test_where_partial_scores_tell_nothing_it_is_best_of_n_of_the_survivors():
    """Correlation 0: of 16 solutions of p = .2 the last checkpoint leaves 2: 1 - (1-p)^2, not 1 - (1-p)^16."""
    p, count = 0.2, 200

    def judge(problem, text):
        right = float(text.split()[1] == "1")
        return Score(right if "answer" in text else dice(text, problem.id).random())

    noisy = Check("noise", "nothing", judge)
    models = [written(lambda seed: int(dice(seed).random() < p)) for _ in range(count)]
    found = fmean(rejected(model, noisy, one).answer == "1" for model, one in zip(models, problems(count), strict=True))
    expected = 1 - (1 - p) ** 2
    assert found == pytest.approx(expected, abs=3 * sqrt(expected * (1 - expected) / count))
    assert expected < 1 - (1 - p) ** 16 - 0.5


def test_the_dropped_are_in_the_trace_and_never_better_than_those_that_go_on():
    answer = rejected(written())
    pruned = [event.data["value"] for event in answer.trace.events if event.kind == "pruned"]
    assert len(pruned) == 8 + 4 + 2
    assert [one.value for one in answer.candidates] == sorted((one.value for one in answer.candidates), reverse=True)
    assert max(pruned) <= min(one.value for one in answer.candidates)
    assert len(answer.candidates) == 2


def test_what_ends_early_keeps_its_score():
    """Of two solutions, one ends within the first stretch with .5; it wins if the other is worth less in the end."""

    def say(request):
        if request.prefix:
            return " so so answer 1"
        return "q 500 answer 500" if request.seed % 2 else "q 900 so so so so answer 1"

    def judge(problem, text):
        return Score(0.1 if text.endswith("answer 1") else int(text.split()[1]) / 1000)

    answers = {rejected(Scripted(say), Check("early", "nothing", judge), one, alpha=0.9, n=8).answer for one in problems(4)}
    assert answers == {"500"}


def test_at_equal_n_it_costs_less_than_best_of_n_and_is_nearly_as_good():
    """A process reward model of unit noise, p = .3, 8 steps: three fifths of the tokens."""
    model = Simulated(accuracy=0.3, steps=8, words=8, block=1)
    judge = Process(model.chance)
    settings = {"model": model, "verifier": judge, "n": 16}
    pairs = [
        (one, solve_sync(one, strategy="best-of-n", **settings), rejected(model, judge, one, every=32)) for one in problems(50)
    ]
    all_of_them, some = (fmean(answer.answer == one.reference for one, *row in pairs for answer in [row[at]]) for at in (0, 1))
    spent, less = (sum(row[at].cost.tokens for _, *row in pairs) for at in (0, 1))
    assert less < 0.75 * spent
    assert some > all_of_them - 0.1


def test_it_needs_a_verifier_that_reads_beginnings_and_a_model_that_continues():
    with pytest.raises(AbilityMissing, match="continues"):
        rejected(Simulated(abilities=Abilities()))
    with pytest.raises(InputError, match="needs a verifier"):
        solve_sync(PROBLEM, model=Simulated(), strategy="speculative-rejection")
    with pytest.raises(VerifierError, match="cannot judge unfinished solutions"):
        rejected(written(), Check("late", "nothing", lambda problem, text: Score(0.0, error="it has no answer")))


@pytest.mark.parametrize("settings", [{"alpha": 1.0}, {"alpha": 0.0}, {"every": 0}, {"aggregate": "best"}, {"n": 0}])
def test_settings_that_make_no_sense_are_an_error_before_anything_is_spent(settings):
    model = written()
    with pytest.raises(InputError):
        rejected(model, **settings)
    assert model.tally.usage == Usage()


def test_the_built_in_model_is_judged_on_its_way():
    problem = tasks.problem("countdown 3 5 7 to 22")
    strategy = "speculative-rejection(n=6,every=12)"
    answer = solve_sync(problem, strategy=strategy, verifier="builtin:mini-prm", max_tokens=64)
    assert answer.candidates
    assert any(event.kind == "pruned" for event in answer.trace.events)
    assert not answer.oracle
