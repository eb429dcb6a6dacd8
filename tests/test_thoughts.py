"""Inline thinking, told apart wherever the pieces end."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ponder.models.thoughts import Thoughts

PARTS = st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "think", ">", " ", "\n", "a", "b"]), max_size=6).map("".join)
CUTS = st.lists(st.integers(0, 60), max_size=6)


def split(written: str, cuts: list[int]) -> tuple[str, str]:
    """(reasoning, text) of `written`, fed in pieces."""
    places, parts = sorted(cut for cut in cuts if cut < len(written)), Thoughts()
    pieces = [parts.feed(written[begin:end]) for begin, end in zip([0, *places], [*places, len(written)], strict=True)]
    pieces.append(parts.end())
    return "".join(one for one, _ in pieces), "".join(one for _, one in pieces)


@settings(deadline=None, max_examples=100)
@given(PARTS, CUTS)
def test_however_it_is_cut_the_same_comes_out(written: str, cuts: list[int]) -> None:
    assert split(written, cuts) == split(written, [])


@settings(deadline=None, max_examples=60)
@given(PARTS, PARTS, CUTS)
def test_a_tag_at_the_beginning_opens_and_the_next_closing_tag_ends(thought: str, said: str, cuts: list[int]) -> None:
    assume("</think>" not in thought)
    assert split(f" \n<think>{thought}</think>\n{said}", cuts) == (thought, said.lstrip())


@pytest.mark.parametrize("written", ["", "hi", " <b>", "<thin", "so <think>no</think>", "<Think>a</Think>", "</think>a"])
def test_what_opens_with_no_tag_is_all_text(written: str) -> None:
    assert split(written, []) == ("", written)


def test_a_thought_that_is_never_closed_is_all_reasoning() -> None:
    assert split("<think>if </thin", []) == ("if </thin", "")
