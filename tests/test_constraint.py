"""Rules of instructions: each kind with a text that follows it and one that does not, and what is said to be wrong."""

import time

import pytest

from ponder.errors import InputError
from ponder.verifiers.constraint import RULES, Constraint

LONG = "the quick brown fox jumps over the lazy dog and then it runs away into the forest because it is afraid of the people"

CASES = [
    ("keywords:existence", {"keywords": ["land", "C++"]}, "Iceland has c++.", "A land without it.", "it does not mention C++"),
    (
        "keywords:frequency",
        {"keyword": "war", "frequency": 2, "relation": "at least"},
        "War, and a warning.",
        "War.",
        "the number of mentions of 'war' is 1, and must be at least 2",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["can", "ride"]}, "A canyon.", "It Can.", "it uses can, which is forbidden"),
    (
        "keywords:letter_frequency",
        {"letter": "Q", "let_frequency": 2, "let_relation": "less than"},
        "quite",
        "Quite quick",
        "the number of letters 'Q' is 2, and must be less than 2",
    ),
    (
        "language:response_language",
        {"language": "de"},
        "Das ist ein ganz gewöhnlicher Satz über das Wetter und die Leute.",
        LONG,
        "its language is 'en', and must be 'de'",
    ),
    (
        "length_constraints:number_words",
        {"num_words": 4, "relation": "at least"},
        "well-known it's",
        "one two",
        "the number of words is 2, and must be at least 4",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at most"},
        "Dr. Smith left. He was tired at 5 p.m. already.",
        "One. Two. Three.",
        "the number of sentences is 3, and must be at most 2",
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "one\n***\ntwo\n***\n",
        "one\n***\n***\ntwo",
        "there is nothing between two dividers ***",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Weekend"},
        "One.\n\n\"Weekend's best",
        "One.\n\nWeekends",
        "paragraph 2 starts with 'Weekends', and must start with 'Weekend'",
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        "[name], [city]",
        "[name\n] [city]",
        "the number of placeholders [in brackets] is 1, and must be at least 2",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        "p. p.s: hi",
        "P.S. hi",
        "it has no postscript that starts with P.P.S",
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 3},
        "* one\n  - two\n-three",
        "** one\n* two\n* three",
        "the number of bullet points is 2, and must be exactly 3",
    ),
    (
        "detectable_format:constrained_response",
        {},
        "Well: My answer is no.",
        "no",
        "it says none of: My answer is yes. My answer is no. My answer is maybe.",
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*one* and **two**",
        "*one* and * * and **",
        "the number of highlighted sections is 1, and must be at least 2",
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\nSECTION 2",
        "SECTION 1\nSection 2",
        "the number of sections that start with SECTION and a number is 1, and must be at least 2",
    ),
    (
        "detectable_format:json_format",
        {},
        '```json\n{"a": 1}\n```',
        "a: 1",
        "the whole of it is not JSON: Expecting value: line 1 column 1 (char 0)",
    ),
    ("detectable_format:title", {}, "<<A title>> text", "<< >> <a>", "it has no title in <<double angular brackets>>"),
    ("combination:two_responses", {}, "yes ****** no", "yes ****** yes", "its two responses are the same"),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say hi. "},
        " say HI. Hi.",
        "Sure! Say hi. Hi.",
        "it does not begin with the request, repeated word for word",
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The end. "},
        'So it was "the end."',
        "The end. Bye.",
        "it does not end with 'The end.'",
    ),
    ("startend:quotation", {}, ' "all of it" ', '"a" and b', "it does not stand in double quotation marks"),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 3, "capital_relation": "less than"},
        "NASA-TV shows THIS",
        "I DON'T",
        "the number of words in capitals is 3, and must be less than 3",
    ),
    ("change_case:english_capital", {}, LONG.upper(), LONG, "it is not all in capital letters"),
    ("change_case:english_lowercase", {}, LONG, LONG.title(), "it is not all in lowercase letters"),
    ("punctuation:no_comma", {}, "no; none", "a, b, c", "it has 2 commas"),
]


def test_all_25_kinds_are_here():
    assert len(RULES) == 25
    assert [kind for kind, *_ in CASES] == list(RULES)


@pytest.mark.parametrize(("kind", "parameters", "follows", "strays", "fault"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_says_what_is_wrong_or_nothing(kind, parameters, follows, strays, fault):
    constraint = Constraint(kind, parameters)
    assert constraint.fault(follows) is None
    assert constraint.fault(strays) == fault
    assert constraint.fault(" \n") == "it is empty"


@pytest.mark.parametrize(
    ("relation", "below", "at", "above"),
    [
        ("at least", False, True, True),
        ("less than", True, False, False),
        ("at most", True, True, False),
        ("more than", False, False, True),
        ("exactly", False, True, False),
    ],
)
def test_relations_hold_where_they_should(relation, below, at, above):
    constraint = Constraint("length_constraints:number_words", {"num_words": 2, "relation": relation})
    assert [constraint.fault(text) is None for text in ("one", "one two", "one two three")] == [below, at, above]


@pytest.mark.parametrize(
    ("kind", "parameters", "text", "fault"),
    [
        (
            "length_constraints:number_paragraphs",
            {"num_paragraphs": 1},
            "***",
            "the number of paragraphs divided by *** is 0, and must be exactly 1",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "b"},
            "\n\nb",
            "paragraph 1 starts with '', and must start with 'b'",
        ),
        ("combination:two_responses", {}, "one ****** ****** two", "it has 2 responses divided by ******, and must have 2"),
        ("combination:two_responses", {}, "****** one ******", "it has 1 responses divided by ******, and must have 2"),
        ("detectable_format:json_format", {}, "[" * 10**5, "the whole of it is not JSON: "),
        ("startend:quotation", {}, '"', "it does not stand in double quotation marks"),
    ],
)
def test_edges(kind, parameters, text, fault):
    assert Constraint(kind, parameters).fault(text).startswith(fault)


def test_a_text_without_a_language_is_in_the_right_one():
    assert Constraint("language:response_language", {"language": "th"}).fault("1 2 3") is None


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("keywords:absence", {}),
        Constraint("punctuation:no_comma", {"commas": 0}),
        Constraint("length_constraints:number_words", {"num_words": 2, "relation": "around"}),
    ],
)
def test_an_unknown_rule_is_named(constraint):
    with pytest.raises(InputError, match=f"no rule for '{constraint.kind}'"):
        constraint.fault("text")


@pytest.mark.parametrize("text", ["[" * 10**5, "<<" * 10**5, "*" * 10**5, "9" * 10**5, "\ud800\0", "\n" * 10**5])
def test_a_hostile_text_is_judged_in_time(text):
    for kind, parameters, *_ in CASES:
        began = time.perf_counter()
        Constraint(kind, parameters).fault(text)
        assert time.perf_counter() - began < 2
