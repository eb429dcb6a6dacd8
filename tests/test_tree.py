"""The search tree: what selection, expansion and backing up keep true, and the formulas of UCT and PUCT."""

from functools import partial
from math import log, sqrt
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.tree import Tree, back_up, back_up_best, expand, hold, lineage, puct, quality, redraw, release, room, select, uct


def bandit(rates, pulls, rule, seed=0):
    """A tree of one level: a root and an arm a rate, each of which pays 1 with its rate."""
    rng, tree = Random(seed), Tree()
    for _ in rates:
        expand(tree, 0)
    for _ in range(pulls):
        arm = select(tree, rule, lambda _: False)
        back_up(tree, arm, float(rng.random() < rates[arm - 1]))
    return tree


def grown(simulations, width=3, at_once=1, seed=0):
    """A tree grown by simulations with random values, `at_once` of them chosen before the first is backed up."""
    rng, tree, asked = Random(seed), Tree(), [0]
    for _ in range(simulations // at_once):
        children = []
        for _ in range(at_once):
            node = select(tree, uct, lambda node: asked[node] < width)
            children.append(expand(tree, node))
            asked[node] += 1
            asked.append(0)
            hold(tree, children[-1])
        for child in children:
            release(tree, child)
            back_up(tree, child, rng.random())
    return tree


def test_the_roots_visits_are_the_simulations_and_a_nodes_are_its_childrens_and_its_own():
    """N(root) = iterations; N(node) = 1 + Σ N(children), since each simulation ends at a new node."""
    tree = grown(200)
    assert tree.visits[0] == 200 == sum(tree.visits[child] for child in tree.children[0])
    assert all(tree.visits[node] == 1 + sum(tree.visits[c] for c in tree.children[node]) for node in range(1, len(tree)))


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), max_size=30), st.integers(0, 99))
def test_a_value_reaches_every_ancestor_exactly_once(backed, seed):
    """W(node) = Σ of the values backed up at or below it."""
    rng, tree = Random(seed), Tree()
    for size in range(1, 31):
        expand(tree, rng.randrange(size))
    for node, value in backed:
        back_up(tree, node, value)
    for node in range(len(tree)):
        below = [value for end, value in backed if node in lineage(tree, end)]
        assert tree.visits[node] == len(below)
        assert tree.value[node] == pytest.approx(sum(below))


def test_uct_is_q_plus_c_sqrt_ln_parent_over_n_with_the_unvisited_first():
    tree = Tree()
    one, two = expand(tree, 0), expand(tree, 0)
    back_up(tree, one, 0.5)
    back_up(tree, one, 1.0)
    assert uct(tree, one, c=2.0) == pytest.approx(0.75 + 2 * sqrt(log(2) / 2))
    assert select(tree, uct, lambda _: False) == two


def test_puct_is_q_plus_c_p_sqrt_parent_over_1_plus_n_with_the_prior_in_the_exploration_alone():
    """P is the share of the draws: 3 of 4 here. An unvisited child has its parent's Q."""
    tree = Tree()
    one, two = expand(tree, 0), expand(tree, 0)
    redraw(tree, redraw(tree, one))
    back_up(tree, two, 0.4)
    assert puct(tree, one, c=1.5) == pytest.approx(0.4 + 1.5 * 3 / 4 * sqrt(1) / 1)
    assert puct(tree, two, c=1.5) == pytest.approx(0.4 + 1.5 * 1 / 4 * sqrt(1) / 2)


@pytest.mark.parametrize("rule", [uct, puct])
def test_c_0_is_greedy_and_a_great_c_goes_round(rule):
    greedy = bandit([1.0, 0.0, 0.0], 50, partial(rule, c=0.0))
    assert max(greedy.visits[2:]) <= 1
    round_robin = bandit([1.0, 0.5, 0.0], 60, partial(rule, c=1e9))
    assert round_robin.visits[1:] == [20, 20, 20]


def test_ucts_regret_on_a_bandit_is_logarithmic_and_the_best_arms_share_tends_to_1():
    """A suboptimal arm with gap d gets at most about 4 c² ln n / d² visits; with c = 1/√2 and d = .3 that is 22 ln n."""
    trees = [bandit([0.8, 0.5, 0.5], pulls, partial(uct, c=sqrt(0.5))) for pulls in (300, 3000)]
    shares = [tree.visits[1] / tree.visits[0] for tree in trees]
    assert shares[0] < shares[1]
    assert shares[1] > 0.9
    assert all(max(tree.visits[2:]) < 22 * log(tree.visits[0]) for tree in trees)


def test_what_is_held_counts_as_lost_until_it_is_released():
    tree = Tree()
    one = expand(tree, 0)
    back_up(tree, one, 1.0)
    hold(tree, one)
    assert quality(tree, one) == 1 / 2
    assert uct(tree, one, c=1.0) == pytest.approx(1 / 2 + sqrt(log(2) / 2))
    release(tree, one)
    assert quality(tree, one) == 1.0


def test_with_virtual_loss_removed_the_totals_are_those_of_a_sequential_run():
    """N(root) and W(root) = Σ values do not depend on how many simulations run at once, and nothing stays held."""
    alone, together = grown(96, at_once=1), grown(96, at_once=8)
    assert (alone.visits[0], alone.value[0]) == (together.visits[0], pytest.approx(together.value[0]))
    assert set(together.held) == {0}


def test_virtual_loss_keeps_simulations_apart():
    tree = Tree()
    for _ in range(4):
        back_up(tree, expand(tree, 0), 0.5)
    chosen = []
    for _ in range(4):
        chosen.append(select(tree, uct, lambda _: False))
        hold(tree, chosen[-1])
    assert sorted(chosen) == [1, 2, 3, 4]


def test_a_node_that_cannot_grow_and_has_no_children_is_selected_as_it_is():
    tree = Tree()
    end = expand(tree, 0)
    assert select(tree, uct, lambda _: False) == end


@pytest.mark.parametrize(
    ("visits", "width", "widening", "children"), [(0, 4, 0.0, 4), (99, 4, 0.0, 4), (16, 1, 0.5, 4), (17, 2, 0.5, 9), (0, 1, 0.5, 1)]
)
def test_progressive_widening_gives_room_for_k_n_to_the_alpha_children(visits, width, widening, children):
    assert room(visits, width, widening) == children


def test_the_best_future_is_the_best_mean_reward_of_a_way_on():
    """RAP: Q(s) = max over the ends d of simulations at or below s of the mean reward from s to d; the root has no reward."""
    rng, tree, rewards = Random(3), Tree(), [None]
    ends = []
    for _ in range(40):
        ends.append(expand(tree, rng.randrange(len(tree))))
        rewards.append(rng.random())
        back_up_best(tree, ends[-1], rewards.__getitem__)
    assert tree.visits[0] == 40
    for node in range(1, len(tree)):
        ways = [list(lineage(tree, end)) for end in ends if node in lineage(tree, end)]
        means = [fmean(rewards[one] for one in way[: way.index(node) + 1]) for way in ways]
        assert tree.visits[node] == len(ways)
        assert quality(tree, node) == pytest.approx(max(means))


def test_a_likelihood_that_the_model_gives_is_the_prior():
    """Q + c P sqrt(N_p) / (1 + N) with P = exp(mean log-probability), which need not add up to 1 (AlphaMath)."""
    tree = Tree()
    for likelihood in (0.9, 0.2, None):
        back_up(tree, expand(tree, 0, likelihood), 0.5)
    assert [puct(tree, child, c=2) for child in (1, 2, 3)] == pytest.approx([0.5 + prior * sqrt(3) for prior in (0.9, 0.2, 1 / 3)])
