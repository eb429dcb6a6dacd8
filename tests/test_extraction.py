"""Constraints read from words: a user's phrases, what is no constraint, and IFEval's own prompts, half of them never looked at."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from ponder.tasks import files
from ponder.verifiers.extraction import constraints


def read(text):
    return [(one.kind.partition(":")[2], *one.parameters.values()) for one in constraints(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write at least 300 words.", [("number_words", 300, "at least")]),
        ("a 300+ word essay", [("number_words", 300, "at least")]),
        ("Keep it between 1,000 and 1,200 words", [("number_words", 1000, "at least"), ("number_words", 1201, "less than")]),
        ("Your answer must not exceed 100 words.", [("number_words", 101, "less than")]),
        ("Answer in three sentences or fewer.", [("number_sentences", 4, "less than")]),
        (
            "The number of sentences should be in the range of 4 to 6.",
            [("number_sentences", 4, "at least"), ("number_sentences", 7, "less than")],
        ),
        ("All in all lowercase, no commas.", [("english_lowercase",), ("no_comma",)]),
        ("Use only capital letters.", [("english_capital",)]),
        ("Use words in all capital letters at least twice.", [("capital_word_frequency", 2, "at least")]),
        ("Wrap the whole output in JSON.", [("json_format",)]),
        ("Write exactly 3 paragraphs separated by ***.", [("number_paragraphs", 3)]),
        (
            "Write 2 paragraphs divided by an empty line; the second paragraph must start with the word 'Now'.",
            [("nth_paragraph_first_word", 2, 2, "now")],
        ),
        ('End with the phrase "That is all."', [("end_checker", "That is all.")]),
        ("Mention the word x-ray at least 3 times.", [("frequency", "x-ray", 3, "at least")]),
        ("Use the letter q fewer than 4 times.", [("letter_frequency", "q", 4, "less than")]),
        ("Never use the letter E.", [("letter_frequency", "e", 1, "less than")]),
        ("Put a title in double angular brackets, and answer in German.", [("title",), ("response_language", "de")]),
        (
            "Include the keywords 'rock' and 'roll', but avoid the words jazz and blues.",
            [("existence", ["rock", "roll"]), ("forbidden_words", ["jazz", "blues"])],
        ),
        ('Don\'t forget to mention "the sea".', [("existence", ["the sea"])]),
        ("Give exactly 4 bullet points and a P.S.", [("number_bullet_lists", 4), ("postscript", "P.S.")]),
        ("Use at least 5 placeholders such as [name].", [("number_placeholders", 5)]),
        ("Highlight at least three sections with markdown.", [("number_highlighted_sections", 3)]),
        ("It must have 4 sections, each marked with SECTION X.", [("multiple_sections", "SECTION", 4)]),
        ("Give two different answers, separated by ******.", [("two_responses",)]),
        ("Put your entire reply in double quotation marks.", [("quotation",)]),
        ("What is red?\nFirst repeat the request word for word, then answer.", [("repeat_prompt", "What is red?")]),
        ("Repeat the question below.\n\nWhat is red?", [("repeat_prompt", "What is red?")]),
        ("My answer is yes. My answer is no. My answer is maybe. Choose one.", [("constrained_response",)]),
    ],
)
def test_what_a_user_may_ask(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "What is 17 * 23?",
        "Write a 500-word story about a word processor.",
        "Every line must contain exactly one sentence.",
        "She bought 3 bullets and 2 commas, in a manner of speaking.",
        "Lena has at least 12 pencils in each of 3 boxes. How many does she keep?",
        "Explain what JSON is.",
        "Is English harder than German?",
        "Count the words in this paragraph.",
        "",
    ],
)
def test_what_is_no_constraint(text):
    assert read(text) == []


def test_a_constraint_has_the_words_that_it_came_from():
    [one] = constraints("Tell me about cats, but in no more than fifteen words, please.")
    assert one.words == "no more than fifteen words"
    assert constraints("no commas! I said no commas!") == constraints("no commas!")


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "1" * 20_000, "'" * 20_000, "*" * 20_000, " " * 20_000, "in all the " * 2_000, "not at least " * 2_000]
)
def test_a_hostile_text_is_read_in_time(text):
    began = time.perf_counter()
    constraints(text)
    assert time.perf_counter() - began < 5


def comparable(kind, parameters):
    """Case and the order of words do not count."""
    shown = {
        name: sorted(map(str.lower, value)) if isinstance(value, list) else str(value).strip() for name, value in parameters.items()
    }
    return kind, json.dumps(shown, sort_keys=True, ensure_ascii=False).lower()


@pytest.mark.parametrize(
    ("half", "found", "right", "stated", "recalled"),
    [(0, 433, 418, 427, 414), (1, 392, 367, 407, 363)],
    ids=["developed on", "held out"],
)
def test_ifeval_prompts(data: Path, half: int, found: int, right: int, stated: int, recalled: int) -> None:
    """Kind and parameters as recorded: precision .965 and recall .970 on the half developed on, .936 and .892 on the other."""
    both = Counter[str]()
    for number, (_, row) in enumerate(files.rows(data / "bench_ifeval" / "input_data.jsonl.gz")):
        if number % 2 == half:
            wanted = [comparable(*one) for one in zip(row["instruction_id_list"], row["kwargs"], strict=True)]
            read_off = [comparable(one.kind, one.parameters) for one in constraints(row["prompt"])]
            both += Counter(found=len(read_off), right=sum(one in wanted for one in read_off))
            both += Counter(stated=len(wanted), recalled=sum(one in read_off for one in wanted))
    assert both == {"found": found, "right": right, "stated": stated, "recalled": recalled}


def test_word_problems_have_none(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 questions of GSM8K: nothing is read in any of them."""
    rows = files.rows(data / "bench_gsm8k" / "test.jsonl.gz")
    assert not [row["question"] for _, row in list(rows)[:400] if constraints(row["question"])]
