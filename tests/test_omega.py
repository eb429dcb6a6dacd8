"""OmegaPRM on a simulated model whose errors are planted: what is found, and how many endings it takes."""

import asyncio
from math import ceil, log2

import pytest

from ponder.train.omega import Plan, Tree, chains, first_wrong, search


def planted(steps, wrong, k=4):
    """A chain of so many steps, and k endings from any beginning: right only from one that ends before step `wrong`, from 0."""
    chain = tuple(f"step {number}" for number in range(steps))

    async def draw(begun):
        sound = begun == chain[: len(begun)] and len(begun) <= wrong
        mended = (*begun, *(f"well {number}" for number in range(len(begun), steps)))
        return [(mended, True), *[(chain, False)] * (k - 1)] if sound else [(chain, False)] * k

    return chain, draw


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 16, 33, 100])
def test_the_first_error_is_found_by_halves(steps):
    """k ceil(log2 S) endings, whatever the place of the error, where trying every beginning takes k (S - 1)."""
    for wrong in range(steps):
        chain, draw = planted(steps, wrong, k=4)
        tree = Tree()
        assert asyncio.run(first_wrong((), chain, lambda begun, tree=tree, draw=draw: tree.value(begun, draw))) == wrong
        assert tree.drawn <= 4 * ceil(log2(steps)) <= 4 * max(steps - 1, 0)
        assert tree.drawn >= 4 * (ceil(log2(steps)) - 1)


def test_behind_a_sound_beginning_only_the_rest_is_searched():
    chain, draw = planted(40, 37)
    tree = Tree()
    assert asyncio.run(first_wrong(chain[:32], chain, lambda begun: tree.value(begun, draw))) == 37
    assert tree.drawn == 4 * 3


def test_a_tree_keeps_every_value_and_draws_no_beginning_twice():
    chain, draw = planted(8, 5)
    asked = []

    async def noted(begun):
        asked.append(begun)
        return await draw(begun)

    tree = asyncio.run(search(noted, Plan(rollouts=1000)))
    assert len(asked) == len(set(asked))
    assert tree.drawn == 4 * len(asked)
    assert {len(begun): value for begun, value in tree.values.items() if begun == chain[: len(begun)]} == {
        0: 0.25,
        4: 0.25,
        5: 0.25,
        6: 0.0,
    }
    found = {one.steps: one.values for one in chains(tree)}
    assert found[chain] == (None, None, None, 0.25, 0.25, 0.0, None, 0.0)
    assert sum(values[-1] for values in found.values()) == len(found) - 1  # the others were mended


def test_no_search_begins_after_so_many_endings():
    _, draw = planted(64, 40)
    assert asyncio.run(search(draw, Plan(rollouts=4))).drawn == 4
    assert asyncio.run(search(draw, Plan(rollouts=5))).drawn == 4 + 4 * 6


def test_the_next_solution_has_the_highest_sum_of_value_and_rarity():
    """Q = .5^(1 - value) .9^(words / 500), U = .125 sqrt(all visits) / (1 + visits), by hand."""
    often, rare, poor = ("a",), ("b",), ("c",)
    long = " ".join(["word"] * 500)
    tree = Tree(values={often: 0.5, rare: 0.5, poor: 0.0}, visits={often: 3, rare: 1})
    tree.wrong = {(begun, (*begun, "x")): None for begun in (poor, often, rare)} | {(rare, (*rare, long)): None}
    picked = [tree.chosen(Plan())[0] for _ in range(3)]
    # often: .7070 + .0625; rare: .7070 + .125; rare and long: .6364 + .125; poor: .4999 + .25
    assert picked == [rare, often, rare]
    assert list(tree.wrong) == [(poor, (*poor, "x"))]
