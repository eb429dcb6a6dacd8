"""Passages of a folder: found by BM25, quoted word for word, and no answer without a quote that holds."""

import asyncio
import os
import sys

import pytest

import ponder
from ponder.errors import InputError, MissingExtra
from ponder.strategies.retrieve import MOST_WORDS, Passage, _indexed, cut, quoting, search
from ponder.types import Sample
from scripted import Scripted, talk

ASKED = "Who received the Rosenblatt Award in 2010?"
AWARD = "Michio Sugeno received the Rosenblatt Award in 2010."
GOOD = '[1] "received the Rosenblatt Award in 2010"\n\\boxed{Michio Sugeno}'


@pytest.fixture
def folder(tmp_path):
    """One text of awards, and one about something else in a folder of its own."""
    (tmp_path / "awards.md").write_text(f"# Awards\n\n{AWARD}\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "cats.TXT").write_text("Cats sleep all day.\n\nThey were worshipped in Egypt.\n")
    return tmp_path


def retrieved(folder, *replies, question=ASKED, **settings):
    """A solve in which draw i says reply i, and its model."""
    said = iter(replies)
    model = Scripted(lambda request: next(said))
    strategy = settings.pop("strategy", "retrieve")
    return asyncio.run(ponder.solve(question, model=model, strategy=strategy, folder=str(folder), **settings)), model


def events(answer, kind):
    return [event.data for event in answer.trace.events if event.kind == kind]


def test_the_model_is_shown_the_passages_with_file_and_line_before_the_question(folder):
    answer, model = retrieved(folder, GOOD)
    assert answer.answer == "Michio Sugeno"
    shown = talk(model.requests[0])
    assert f"[1] awards.md:1\n# Awards\n{AWARD}" in shown
    assert model.requests[0].messages[-1].content.endswith(ASKED)
    assert "Cats" not in shown
    [event] = events(answer, "retrieved")
    assert [(one["source"], one["line"]) for one in event["passages"]] == [("awards.md", 1)]
    assert event["passages"][0]["score"] > 0


@pytest.mark.parametrize(
    "reply",
    [
        "\\boxed{Michio Sugeno}",
        '[1] "Lotfi Zadeh received the Rosenblatt Award in 2010"\n\\boxed{Lotfi Zadeh}',
        '[2] "received the Rosenblatt Award in 2010"\n\\boxed{Michio Sugeno}',
        '[0] "received the Rosenblatt Award in 2010"\n\\boxed{Michio Sugeno}',
        '[1] "Michio Sugeno"\n\\boxed{Michio Sugeno}',
        '[1] "received the Rosenblatt Award in 2010"\n\\boxed{unknown}',
    ],
    ids=["no quote", "other words", "no such passage", "passage 0", "two words", "unknown"],
)
def test_without_a_quote_that_holds_it_says_that_it_does_not_know(folder, reply):
    answer, _ = retrieved(folder, reply)
    assert answer.answer is None
    assert answer.text == "I do not know: no answer stands on a quote from the passages."
    [abstained] = events(answer, "abstained")
    assert abstained["reason"] == "no answer stands on a quote from the passages"
    assert (abstained["before"], abstained["after"]) == (None if "unknown" in reply else reply.split("{")[1][:-1], None)
    assert answer.candidates[0].sample.text == reply


def test_quotes_are_checked_word_for_word_but_for_spacing_and_each_leaves_an_event(folder):
    answer, _ = retrieved(folder, '[1] "Awards Michio   Sugeno received"\n[1]: “Zadeh received it all”\n\\boxed{Michio Sugeno}')
    assert [(event["quote"], event["verified"]) for event in events(answer, "quoted")] == [
        ("Awards Michio Sugeno received", True),
        ("Zadeh received it all", False),
    ]
    assert answer.candidates[0].value == 0.5
    assert answer.answer == "Michio Sugeno"


def test_the_votes_of_draws_with_quotes_are_weighed_by_how_many_of_them_hold(folder):
    half = GOOD.replace("Michio Sugeno", "Zadeh").replace("\n", '\n[1] "he got it twice"\n')
    bare = "\\boxed{Zadeh}"
    assert retrieved(folder, GOOD, half, bare, bare, n=4)[0].answer == "Michio Sugeno"
    assert retrieved(folder, GOOD, half, half, half, n=4)[0].answer == "Zadeh"


def test_without_a_passage_nothing_is_drawn(folder):
    for settings in ({"question": "Quantum chromodynamics?"}, {"least": 1e9}):
        answer, model = retrieved(folder, **settings)
        assert (answer.answer, answer.candidates[0].answer if answer.candidates else None, model.requests) == (None, None, [])
        assert events(answer, "abstained")[0]["reason"] == "no passage of the folder suits the question"


def test_another_strategy_is_asked_with_the_passages(folder):
    answer, model = retrieved(folder, *[GOOD] * 3, strategy="retrieve(sampler=self-consistency(n=3))")
    assert answer.answer == "Michio Sugeno"
    assert len(model.requests) == 3
    assert all("[1] awards.md:1" in talk(request) for request in model.requests)


def test_it_can_be_the_sampler_of_another(folder):
    answer, _ = retrieved(folder, GOOD, GOOD)
    spec = f"self-consistency(n=1,sampler=retrieve(folder={folder}))"
    same = asyncio.run(ponder.solve(ASKED, model=Scripted(lambda request: GOOD), strategy=spec))
    assert (same.answer, same.text) == (answer.answer, answer.text)


def test_passages_come_best_first_and_at_most_k(folder):
    (folder / "list.txt").write_text("\n\n".join("word " * 70 + f"award number {i}" for i in range(9)))
    found = search(folder, "Rosenblatt award", 3, 0.0)
    assert len(found) == 3
    assert found[0][0].source == "awards.md"
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_the_index_is_built_once_until_a_file_changes(folder):
    _indexed.cache_clear()
    for _ in range(3):
        search(folder, "cats", 1, 0.0)
    assert (_indexed.cache_info().misses, _indexed.cache_info().hits) == (1, 2)
    path = folder / "awards.md"
    path.write_text("Nothing about prizes.")
    os.utime(path, ns=(1, 1))
    assert search(folder, "Rosenblatt", 1, 0.0) == []
    assert _indexed.cache_info().misses == 2


def test_hidden_folders_and_other_kinds_of_file_are_left_out(folder):
    (folder / ".git").mkdir()
    for name in (".git/a.md", ".b.md", "c.py"):
        (folder / name).write_text("zebra zebra")
    assert search(folder, "zebra", 3, 0.0) == []


def test_a_missing_or_empty_folder_is_an_error_that_names_it(folder):
    (folder / "empty").mkdir()
    (folder / "blank").mkdir()
    (folder / "blank" / "a.txt").write_text("\n")
    for name, message in (("none", "there is no folder .*none"), ("empty", "holds no texts"), ("blank", "hold no words")):
        with pytest.raises(InputError, match=message):
            retrieved(folder / name)
    with pytest.raises(InputError, match="needs a folder of texts"):
        asyncio.run(ponder.solve(ASKED, model=Scripted(lambda request: GOOD), strategy="retrieve"))
    with pytest.raises(InputError, match="k >= 1"):
        retrieved(folder, k=0)


def test_without_the_package_the_error_gives_the_line_that_installs_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    _indexed.cache_clear()
    with pytest.raises(MissingExtra, match=r'`bm25s`: pip install "ponder\[retrieve\]"'):
        search(folder, "cats", 1, 0.0)


def test_a_passage_ends_with_a_paragraph_and_says_its_line():
    text = "# Title\n\n" + "one " * 70 + "\n\n" + "two " * 70 + "\nthree\n\nfour\n"
    ends = [(one.line, one.text.split()[0], one.text.split()[-1]) for one in cut("a", text)]
    assert ends == [(1, "#", "one"), (5, "two", "three"), (8, "four", "four")]


@pytest.mark.parametrize("text", ["word " * 1_000, "word\n" * 1_000, "a b\n\n" * 400])
def test_no_passage_is_longer_than_it_may_be_and_no_word_is_lost(text):
    found = cut("a", text)
    assert max(len(one.text.split()) for one in found) <= MOST_WORDS
    assert " ".join(one.text for one in found).split() == text.split()
    assert cut("a", "") == []


def test_a_failed_draw_has_no_evidence():
    [score] = asyncio.run(quoting([Passage("a", 1, "a b c d")])(None, [Sample("", error="gone")]))
    assert score.value is None
