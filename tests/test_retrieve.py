"""Passages of a folder: found by BM25, quoted word for word, and no answer without a quote that holds."""

import asyncio

import pytest

import ponder
from ponder.errors import InputError
from ponder.strategies.passages import Passage
from ponder.strategies.retrieve import quoting
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


def test_words_without_a_final_answer_stand_on_their_quote(folder):
    told = '[1] "received the Rosenblatt Award"\nThat was Sugeno.'
    answer, _ = retrieved(folder, told)
    assert (answer.answer, answer.text) == (None, told)  # the number in its quote's brackets is no answer
    assert retrieved(folder, told, GOOD, n=2)[0].answer == "Michio Sugeno"
    assert retrieved(folder, '[1] "received the Rosenblatt Award"\nI do not know.')[0].text.startswith("I do not know: no answer")


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


def test_a_failed_draw_has_no_evidence():
    [score] = asyncio.run(quoting([Passage("a", 1, "a b c d")])(None, [Sample("", error="gone")]))
    assert score.value is None
