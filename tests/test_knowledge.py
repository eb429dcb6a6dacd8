"""Questions of fact: recorded gradings, the rule chosen on one half of them, and the guard that follows it."""

import asyncio
import gzip
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ponder
from ponder.errors import BudgetExhausted, EndpointError, InputError, ModelError
from ponder.lab.knowledge import (
    COPIED,
    FACTUAL,
    FAMILY,
    UNGUARDED,
    Graded,
    Ladder,
    Rates,
    Rule,
    Run,
    choose,
    effect,
    held_out,
    ladders,
    prompts,
    read,
    told,
)
from ponder.policy.knowledge import SHARE, factual, supported
from scripted import Scripted, talk

FACT = "Who received the IEEE Frank Rosenblatt Award in 2010?"
SUM = "Tom has 3 apples and buys 4 more, then eats 2. How many apples does he have?"


@cache
def records(folder: Path) -> list[Run]:
    return read(folder / "rec_knowledge" / "gradings.csv.gz", without=[COPIED])


PUBLISHED = """
gpt-5-mini simpleqa low_effort 22.1/40.6/37.2
gpt-5-mini simpleqa medium_effort 22.8/47.9/29.4
gpt-5-mini simpleqa high_effort 25.4/56.9/17.8
gpt-oss-20b simpleqa low_effort 4.2/33.4/62.4
gpt-oss-20b simpleqa medium_effort 5.0/58.5/36.5
gemini-2_5-flash simpleqa no_think 12.6/29.1/58.2
gemini-2_5-flash simpleqa budget2048 28.6/59.2/12.1
claude-sonnet-4 simpleqa no_think 23.0/37.5/39.5
claude-sonnet-4 simpleqa budget4096 27.8/46.0/26.2
qwen3-8b simpleqa no_think 3.8/77.1/19.1
qwen3-8b simpleqa exd0 3.2/30.0/66.8
o3-mini simpleqa low_effort 8.9/14.4/76.8
o3-mini simpleqa high_effort 11.8/26.6/61.6
"""


def test_the_published_table_is_recomputed(data):
    """Right, wrong and not attempted in %, SimpleQA-800: 13 runs; accuracy alone of grok-3-mini and of FRAMES with gpt-5-mini."""
    found = {
        f"{run.model} {run.benchmark} {run.level}": Rates.of(one.grade for one in run.answers.values()) for run in records(data)
    }
    for line in PUBLISHED.split("\n")[1:-1]:
        name, _, shares = line.rpartition(" ")
        rates = found[name]
        assert "/".join(f"{100 * one:.1f}" for one in (rates.accuracy, rates.hallucination, rates.abstention)) == shares
    accuracy = {name: f"{100 * rates.accuracy:.1f}" for name, rates in found.items()}
    assert [accuracy[f"grok-3-mini simpleqa {level}_effort"] for level in ("low", "high")] == ["14.8", "13.8"]
    assert [accuracy[f"gpt-5-mini frames {level}_effort"] for level in ("low", "medium", "high")] == ["47.1", "52.1", "51.9"]


def test_a_run_that_is_a_copy_of_another_benchmarks_is_refused(data):
    """The published SimpleQA file of R1-Distill-Llama-8B has the 824 rows of its FRAMES file."""
    message = "DeepSeek-R1-Distill-Llama-8B_simpleqa_exd0` holds the 824 rows of .*_frames_exd0`.*leave it out with without="
    with pytest.raises(InputError, match=message):
        read(data / "rec_knowledge" / "gradings.csv.gz")
    assert COPIED not in {run.name for run in records(data)}


@pytest.mark.parametrize("rows", ["m/m_frames_low_effort,1,D,,", "m/m_frames_low_effort,1,A,,\nm/m_frames_low_effort,1,B,,"])
def test_a_grade_that_is_none_or_a_second_one_is_an_error_with_its_line(tmp_path, rows):
    path = tmp_path / "gradings.csv.gz"
    path.write_bytes(gzip.compress(f"run,id,grading,thinking_tokens,completion_tokens\n{rows}\n".encode()))
    with pytest.raises(InputError, match=rf"gradings.csv.gz:{2 + rows.count(chr(10))}: .* question 1 of"):
        read(path)


def test_a_run_whose_name_says_no_benchmark_is_an_error():
    with pytest.raises(InputError, match="some/thing"):
        _ = Run("some/thing", {}).benchmark


def test_rates_are_shares_of_all_and_f1_is_their_harmonic_mean():
    """Attempted accuracy A / (A+B); F1 = 2PR / (P+R), P of what was attempted and R of all."""
    rates = Rates.of("AABBBCCCCC")
    assert (rates.accuracy, rates.hallucination, rates.abstention, rates.attempted) == (0.2, 0.3, 0.5, 0.4)
    assert rates.f1 == pytest.approx(2 * 0.4 * 0.2 / (0.4 + 0.2))
    assert Rates.of("CC").attempted is None
    assert Rates.of("CC").f1 == 0


def ladder(*levels: str) -> Ladder:
    """A ladder of levels whose grades are the letters of each text; question q took q tokens of thinking."""
    runs = [Run(f"m/m_simpleqa_exd{i}", {q: Graded(g, float(q)) for q, g in enumerate(level)}) for i, level in enumerate(levels)]
    return ladders(runs)[0]


def usual(questions: int, quantile: float) -> float:
    """That quantile of the lengths 0, 1, 2 … of the questions that the rule may be chosen on."""
    return float(np.quantile([q for q in range(questions) if not held_out(f"simpleqa/{q}")], quantile))


def test_the_rule_answers_with_the_level_of_most_thinking_that_attempts_where_more_than_the_share_do():
    several = ladder("ACBC", "ACAC", "BACC")
    assert UNGUARDED(several) == list("BACC")
    assert Rule(0.5, 1.0)(several) == list("BAAC")  # of the second one of three attempts, but that of most thinking, and quickly
    assert Rule(0.0, 1.0)(ladder("AC", "CC", "CC")) == list("AC")
    assert Rule(1.0, 1.0)(ladder("AC", "CC", "CC")) == list("CC")


def test_an_answer_that_took_long_stands_only_where_others_attempt():
    """Alone, it stands up to the quantile of the tokens on the half for choosing."""
    few, guesses = "C" * 40, "B" * 40
    assert Rule(0.5, 0.5)(ladder(few, few, guesses)) == ["B" if q <= usual(40, 0.5) else "C" for q in range(40)]
    assert Rule(0.5, 0.5)(ladder(few, guesses, guesses)) == list(guesses)


def test_a_length_that_is_not_known_is_not_long():
    runs = [Run(f"m/m_frames_exd{i}", {1: Graded(grade, None), 2: Graded(grade, None)}) for i, grade in enumerate("CCB")]
    assert Rule(0.5, 0.0)(ladders(runs)[0]) == ["B", "B"]


def test_the_rule_that_is_chosen_has_the_fewest_wrong_answers_of_those_that_lose_no_accuracy():
    """Where guesses are wrong it is the strictest; where all of them are right it leaves the answers as they are."""
    few = "C" * 40
    assert choose([ladder(few, few, "B" * 40)]).quick == 0
    assert choose([ladder(few, few, "A" * 40)]) == UNGUARDED
    assert choose([ladder(few, few, "B" * 40)], [Rule(0.5, 0.75), Rule(0.5, 0.25)]) == Rule(0.5, 0.25)


def test_an_effect_counts_every_change_and_keeps_the_answers_to_a_question_together():
    few = "C" * 40
    twice = [ladder(few, few, "B" * 40)] * 2
    once, found = effect(Rule(0.5, 0.0), twice[:1]), effect(Rule(0.5, 0.0), twice)
    quick = sum(held_out(f"simpleqa/{q}") and q <= usual(40, 0.0) for q in range(40))
    assert found.changes == {("B", "C"): found.before.wrong - 2 * quick} | ({("B", "B"): 2 * quick} if quick else {})
    assert found.wrong == pytest.approx(once.wrong)
    assert found.accuracy[0] == 0
    assert found.accuracy[1] == -found.accuracy[2] < 0


def test_the_rule_chosen_on_half_of_the_questions_lowers_wrong_answers_on_the_other_at_equal_accuracy(data):
    """18 models and benchmarks, 7,410 held-out answers: wrong 41.3 → 39.4 %, accuracy 23.3 → 23.2 % (-.04, limits around 0)."""
    recorded = ladders(records(data))
    rule = choose(recorded, FAMILY)
    assert (rule.share, rule.quick) == (SHARE, 0.5)
    found = effect(rule, recorded)
    assert (found.before.n, found.before.right, found.after.right, found.before.wrong, found.after.wrong) == (
        7410,
        1725,
        1722,
        3062,
        2918,
    )
    assert found.accuracy[1] < 0 < found.accuracy[2]
    assert found.wrong[2] < 0
    moved = {f"{old}>{new}": count for (old, new), count in found.changes.items() if old != new}
    assert moved == {"A>C": 42, "B>C": 326, "C>A": 39, "C>B": 182}


def test_which_prompts_ask_for_facts_is_told_on_the_half_that_was_not_looked_at(data):
    """SimpleQA, TruthfulQA and HotpotQA against GSM8K, MATH-500, AIME, IFEval, HumanEval and countdown: each above 95 %."""
    shares = {name: told(texts, name in FACTUAL) for name, texts in prompts(data).items()}
    assert len(shares) == 9
    assert min(shares.values()) > 0.95, shares


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (FACT, True),
        ("In which year, on May 23, 2010, did Inter win?", True),
        ("Name the mission director of the Rohini Satellite 1 launch in 1980.", True),
        ('Who wrote "12 Angry Men and 3 Women or 4"?', True),
        (SUM, False),
        ("What is $x$ if $x^2 = 4$?", False),
        ("Write a poem. Who is it about?", False),
        ("countdown 13 4 2 11 10 to 6", False),
        ("def f(x):\n    '''What is it?'''", False),
        ("The sky is blue.", False),
        ("", False),
    ],
)
def test_a_question_of_fact_has_few_amounts_no_formulas_and_no_orders(text, facts):
    assert factual(text) is facts


def test_an_answer_is_supported_by_more_than_the_share_or_by_being_quick():
    assert [supported(agreeing, 4, False) for agreeing in range(5)] == [False, False, False, True, True]
    assert supported(1, 4, True)
    assert not supported(3, 4, False, share=0.75)


def guarded(*replies: str, question: str = FACT, **settings):
    """A solve in which draw i says reply i, and its model."""
    model = Scripted(lambda request: replies[0])
    said = iter(replies)
    object.__setattr__(model, "say", lambda request: next(said))
    return asyncio.run(ponder.solve(question, model=model, strategy="knowledge-guard", n=len(replies), **settings)), model


def boxed(*words: str) -> list[str]:
    return [rf"\boxed{{{word}}}" for word in words]


def events(answer, kind):
    return [event.data for event in answer.trace.events if event.kind == kind]


def test_a_question_of_fact_is_asked_in_short_and_answered_where_draws_agree():
    answer, model = guarded(*boxed("Sugeno", "unknown", "Sugeno", "sugeno", "Zadeh"))
    assert (answer.answer, answer.stopped) == ("Sugeno", "done")
    assert events(answer, "routed") == [{"knowledge": True, "to": "short"}]
    assert not events(answer, "abstained")
    assert "as few words as possible" in talk(model.requests[0])
    assert "as few words as possible" not in answer.text


@pytest.mark.parametrize(
    "replies", [boxed("Sugeno", "unknown", "Zadeh", "Sugeno"), boxed("A", "B", "C"), ["I do not know.", "It is not known: 1999"]]
)
def test_where_they_do_not_agree_it_says_that_it_is_not_known_and_which_answer_that_replaces(replies):
    answer, _ = guarded(*replies)
    assert answer.answer is None
    assert answer.text.startswith("I do not know: no answer is given by more than 50%")
    [abstained] = events(answer, "abstained")
    assert abstained["before"] == (re.findall(r"{(\w+)}", replies[0]) or [None])[0]
    assert abstained["after"] is None


def test_a_quick_first_draw_stands_and_is_all_that_is_drawn():
    replies = boxed("Sugeno", "A", "B")
    answer, model = guarded(*replies, usual=1)
    assert (answer.answer, len(model.requests)) == ("Sugeno", 1)
    answer, model = guarded("after long thought " + replies[0], *replies[1:], usual=1)
    assert (answer.answer, len(model.requests)) == (None, 3)
    assert [one.answer for one in answer.candidates] == ["Sugeno", "A", "B"]
    answer, model = guarded("\\boxed{unknown}", "thought \\boxed{A}", "thought \\boxed{A}", usual=1)
    assert (answer.answer, len(model.requests)) == ("A", 3)


def test_a_first_draw_that_fails_does_not_end_it_and_all_that_fail_are_an_error():
    def failing(times):
        said = iter([EndpointError("gone")] * times + boxed("A", "A", "A"))

        def say(request):
            if isinstance(found := next(said), str):
                return found
            raise found

        return ponder.solve(FACT, model=Scripted(say), strategy="knowledge-guard(n=3,usual=1)")

    assert asyncio.run(failing(1)).answer == "A"
    with pytest.raises(ModelError, match="all 3 draws"):
        asyncio.run(failing(4))


def test_what_does_not_ask_for_facts_goes_to_the_sampler_untouched():
    plain = Scripted(lambda request: "So \\boxed{5}")
    answer = asyncio.run(ponder.solve(SUM, model=plain, strategy="knowledge-guard(sampler=self-consistency(n=3))"))
    same = asyncio.run(ponder.solve(SUM, model=Scripted(lambda request: "So \\boxed{5}"), strategy="self-consistency(n=3)"))
    assert (answer.answer, answer.text, answer.usage) == (same.answer, same.text, same.usage)
    assert events(answer, "routed") == [{"knowledge": False, "to": "sampler"}]
    assert all(request.messages[-1].content == SUM for request in plain.requests)


def test_with_a_folder_it_retrieves(tmp_path):
    (tmp_path / "awards.md").write_text("Michio Sugeno received the IEEE Frank Rosenblatt Award in 2010.\n")
    answer, _ = guarded('[1] "Michio Sugeno received the IEEE"\n\\boxed{Sugeno}', folder=str(tmp_path))
    assert answer.answer == "Sugeno"
    assert [event["to"] for event in events(answer, "routed")] == ["retrieve"]


def test_at_the_budgets_limit_what_was_agreed_so_far_is_answered():
    answer, _ = guarded(*boxed("Sugeno", "Sugeno", "Sugeno"), budget="2 calls")
    assert (answer.answer, answer.stopped) == ("Sugeno", "budget")
    with pytest.raises(BudgetExhausted):
        guarded(*boxed("Sugeno"), budget="5")


@pytest.mark.parametrize("wrong", [{"share": 1.0}, {"share": -0.1}, {"usual": -1}])
def test_parameters_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InputError, match="knowledge-guard needs"):
        guarded(*boxed("A"), **wrong)
