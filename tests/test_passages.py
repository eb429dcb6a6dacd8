"""Passages of a folder's texts: cut by paragraphs, found by their words, indexed once."""

import os
import sys
from math import log

import pytest

from ponder.errors import MissingExtra
from ponder.strategies.passages import MOST_WORDS, _indexed, cut, search


@pytest.fixture
def folder(tmp_path):
    """One text of awards, and one about something else in a folder of its own."""
    (tmp_path / "awards.md").write_text("# Awards\n\nMichio Sugeno received the Rosenblatt Award in 2010.\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "cats.TXT").write_text("Cats sleep all day.\n\nThey were worshipped in Egypt.\n")
    return tmp_path


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


def test_a_score_is_the_sum_of_the_words_idf_by_their_saturated_frequency(tmp_path):
    """ln(1 + (N - df + 1/2) / (df + 1/2)) tf / (tf + k1 (1 - b + b length / mean length)), k1 = 1.5, b = .75, summed over words."""
    texts = {"a": "zebra zebra lion", "b": "zebra tiger", "c": "tiger panther leopard puma"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)

    def term(word, text):
        words, holding = texts[text].split(), sum(word in other for other in texts.values())
        tf, mean = words.count(word), 9 / 3
        return log(1 + (3 - holding + 0.5) / (holding + 0.5)) * tf / (tf + 1.5 * (0.25 + 0.75 * len(words) / mean))

    found = search(tmp_path, "Lion or zebra?", 3, 0.0)
    assert [(one.source, score) for one, score in found] == [
        ("a.txt", pytest.approx(term("zebra", "a") + term("lion", "a"), abs=1e-4)),
        ("b.txt", pytest.approx(term("zebra", "b"), abs=1e-4)),
    ]
    assert search(tmp_path, "Lion or zebra?", 3, found[1][1]) == found[:1]
