"""Mixture-of-agents: what each layer reads, what it costs, who proposes, and what is left when some fail."""

from math import sqrt

import pytest

from ponder.errors import InputError, ModelError
from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.tasks.simulated import problems
from ponder.types import Abilities

PROBLEM = problems(1)[0]


def mixed(model, **parameters):
    return solve_sync(PROBLEM, model=model, strategy="mixture-of-agents", **parameters)


class Noting(Simulated):
    """Keeps what it is asked, in order."""

    asked: list = []  # noqa: RUF012 - emptied by each test

    async def stream(self, request):
        self.asked.append(request.messages)
        async for chunk in super().stream(request):
            yield chunk


@pytest.mark.parametrize(("n", "layers", "also"), [(6, 3, ""), (1, 1, ""), (4, 2, "simulated:seed=1"), (5, 4, "simulated:seed=1")])
def test_it_costs_1_plus_layers_minus_one_times_n_calls(n, layers, also):
    """1 + (L - 1) n; the proposals of every layer are candidates beside the answer."""
    model = Simulated(abilities=Abilities())
    answer = mixed(model, n=n, layers=layers, also=also)
    assert [event.kind for event in answer.trace.events].count("drawn") == 1 + (layers - 1) * n == len(answer.candidates)
    assert [one.sample.index for one in answer.candidates] == list(range(len(answer.candidates)))
    assert answer.text == answer.candidates[-1].sample.text
    if not also:
        assert model.tally.calls == 1 + (layers - 1) * n


def test_each_layer_reads_all_of_the_layer_before_and_no_more():
    Noting.asked.clear()
    answer = mixed(Noting(abilities=Abilities()), n=3, layers=3)
    texts = [one.sample.text for one in answer.candidates]
    before = [0, 0, 0, 1, 1, 1, 2]
    for layer, messages in zip(before, Noting.asked, strict=True):
        assert messages[-1] == PROBLEM.messages[-1]
        heard = "\n".join(message.content for message in messages)
        assert [text in heard for text in texts] == [layer > 0 and place // 3 == layer - 1 for place in range(7)]


def test_the_proposers_take_turns_and_the_model_sums_up():
    """A model that is always right beside one that never is: 0, 2, 4 are right, 1, 3 wrong; the model has the last word."""
    answer = mixed(Simulated(accuracy=1.0), n=5, layers=2, also="simulated:accuracy=0.0")
    assert [one.answer == PROBLEM.reference for one in answer.candidates] == [True, False, True, False, True, True]
    answer = mixed(Simulated(accuracy=0.0), n=3, layers=3, also="simulated:accuracy=1.0+simulated:accuracy=1.0,seed=2")
    assert [one.answer == PROBLEM.reference for one in answer.candidates] == [False, True, True, False, True, True, False]


def test_a_model_that_does_not_read_gains_nothing():
    """The simulated model starts anew whatever it is shown: the last layer is one draw, right with p; 120 problems."""
    model = Simulated(accuracy=0.4, steps=1, words=1)
    right = [
        solve_sync(one, model=model, strategy="mixture-of-agents", n=2, layers=2).answer == one.reference for one in problems(120)
    ]
    assert sum(right) / 120 == pytest.approx(0.4, abs=4 * sqrt(0.24 / 120))


def test_what_fails_is_left_out():
    answer = mixed(Simulated(), n=4, layers=3, also="simulated:faults={'refuse':1.0}")
    assert len(answer.candidates) == 2 + 2 + 1
    with pytest.raises(ModelError, match="all 2 draws from `simulated` failed"):
        mixed(Simulated(faults={"refuse": 1.0}), n=2)


def test_a_last_layer_that_fails_leaves_the_vote_of_the_one_before():
    class Speechless(Simulated):
        async def stream(self, request):
            if len(request.messages) > 1:
                raise InputError("the prompt exceeds the context")
            async for chunk in super().stream(request):
                yield chunk

    model = Speechless(accuracy=0.7, steps=1, attractor=1)
    vote = solve_sync(PROBLEM, model=model, strategy="self-consistency", n=5)
    assert mixed(model, n=5).answer == vote.answer


def test_cut_by_the_budget_the_vote_of_the_newest_layer_stands():
    model = Simulated(accuracy=0.7, steps=1, attractor=1, abilities=Abilities())
    vote = solve_sync(PROBLEM, model=model, strategy="self-consistency", n=5)
    cut = mixed(model, n=5, budget="5 calls")
    assert (cut.answer, cut.stopped) == (vote.answer, "budget")


def test_names_and_numbers_are_checked_before_anything_is_spent():
    model = Simulated()
    for wrong, match in (({"also": "nonesuch"}, "no model called `nonesuch`"), ({"layers": 0}, "`layers` must be above 0")):
        with pytest.raises(InputError, match=match):
            mixed(model, **wrong)
    assert model.tally.calls == 0
