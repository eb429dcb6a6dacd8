"""Words, capitals, sentences and languages, counted without anything that is downloaded."""

import random

from ponder.verifiers.prose import capitals, language, sentences, words


def test_words_are_runs_of_letters():
    assert words("It's a well-known fact: 3.5 à_b!") == ["It", "s", "a", "well", "known", "fact", "3", "5", "à_b"]


def test_capitals_are_treebank_tokens():
    assert capitals("I'm NOT sure. “WE CANNOT—DON'T”, A,B 1,000 **BOLD** ÄÖ") == [
        "I", "NOT", "WE", "CANNOT—DO", "N'T", "A", "B", "BOLD", "ÄÖ",
    ]  # fmt: skip
    assert capitals("CANNOT WE'LL IT'S") == ["CAN", "NOT", "WE", "'LL", "IT", "'S"]


def test_sentences_do_not_end_at_abbreviations():
    assert sentences('Dr. Smith of the U.S. Navy came at 5 p.m. to see us. "Why?"  Well.\n\nNo!') == [
        "Dr. Smith of the U.S. Navy came at 5 p.m. to see us.",
        '"Why?"',
        "Well.",
        "No!",
    ]
    assert sentences("") == []


def test_a_language_is_the_same_every_time_whatever_the_process_draws():
    text = "no estoy seguro de que this is one language"
    random.seed(1)
    first = [language(text) for _ in range(5)]
    random.seed(2)
    assert {language(text) for _ in range(5)} == set(first)
    assert [language(one) for one in ("Wie geht es dir heute, mein Freund?", "今天天气很好，我们去公园吧", "12")] == [
        "de",
        "zh",
        None,
    ]
