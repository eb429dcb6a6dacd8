"""Mini crosswords: gold answers, the published grading, and how words become a board."""

from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.tasks.crosswords import EMPTY, Marks, crosswords, filled, marks, placed, words
from ponder.types import Problem


@pytest.fixture
def games(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.setenv("PONDER_DATA", str(data))
    return crosswords.load("all", None)


def test_gold_answers_grade_1_as_rows_and_as_words_by_their_clue(games: list[Problem]) -> None:
    assert len(games) == 156
    for game in games:
        solution = (game.reference or "").replace("\n", "")
        rows = "I think that it is:\n" + "\n".join(" ".join(row) for row in words(solution)[:5])
        across = "\n".join(f"h{row}. {word.lower()}" for row, word in enumerate(words(solution)[:5], 1))
        down = "\n".join(f"v{column}. {word}" for column, word in enumerate(words(solution)[5:], 1))
        assert [crosswords.verifier.grade(game, text).value for text in (game.reference, rows, across, down)] == [1.0] * 4
        assert game.reference == crosswords.extract(game, across)


def test_the_20_published_games_are_every_fifth(games: list[Problem]) -> None:
    chosen = crosswords.load("test", None)
    assert [problem.id for problem in chosen] == [games[number].id for number in range(0, 100, 5)]
    assert chosen[0].question.startswith("h1. An agendum; something to be done\nh2. An engine\n")


@pytest.mark.parametrize(
    ("placed_words", "letters", "share"),
    [
        ("h2. motor", 0.2, 0.1),
        ("h2. motor\nv5. drier", 0.32, 0.1),
        ("h2. motor\nv5. drier\nv1. amass", 0.48, 0.2),
        ("h2. motor\nv1. amass\nh4. salon\nh3. artsy", 0.6, 0.3),
    ],
)
def test_recorded_boards_have_their_recorded_marks(games: list[Problem], placed_words: str, letters: float, share: float) -> None:
    """Four states of the first game in the depth-first log of Yao et al. 2023 (`r_letter`, `r_word`)."""
    solution = (games[0].reference or "").replace("\n", "")
    assert marks(filled(placed_words.splitlines()), solution) == Marks(letters, share, game=False)
    score = crosswords.verifier.grade(games[0], placed_words)
    assert score.value == share
    assert sum(score.steps) == round(10 * share)


def test_rows_are_read_as_the_published_evaluation_reads_them(games: list[Problem]) -> None:
    """The last five lines, of each the first five letters that spaces separate; a short row is open at its end."""
    read = [
        crosswords.extract(games[0], text)
        for text in ("A G E\nM O T O R", "one more word\na g e n d x\nMOTOR\n\nR A T", "", " \n", "??")
    ]
    assert read == ["AGE__\nMOTOR\n_____\n_____\n_____", "_____\nAGEND\nMOTOR\nRAT__\n_____", None, None, None]
    assert crosswords.verifier.grade(games[0], "").value == 0.0


def test_a_later_word_overwrites_an_earlier_one() -> None:
    assert words(placed(EMPTY, "v2", "abcde"))[:5] == ["_A___", "_B___", "_C___", "_D___", "_E___"]
    assert filled(["h1. ABCDE", "nothing", "v1: xyzuv (high)"])[:6] == "XBCDEY"


def test_proposals_fill_open_clues_and_change_no_letter(games: list[Problem]) -> None:
    thoughts = crosswords.thoughts
    assert thoughts is not None
    reply = "h1. agend (high)\n v1. AMASS (certain) surely\nv1. xmass (low)\nv1. qqqqq (low)\nh2. motor (certain)\nh3. artsy"
    read = thoughts.read(games[0], "h2. motor\n", reply)
    assert read == [("h1. agend\nh2. motor\n", 0.5), ("h2. motor\nv1. amass\n", 1.0), ("h2. motor\nv1. xmass\n", 0.1)]
    assert "h2. An engine" not in thoughts.propose(games[0], "h2. motor\n")
    assert "v1. To heap: _M___" in thoughts.propose(games[0], "h2. motor\n")


def test_only_clues_of_two_letters_or_more_are_judged(games: list[Problem]) -> None:
    thoughts = crosswords.thoughts
    assert thoughts is not None
    assert [len(thoughts.judge(games[0], text)) for text in ("", "h2. motor\n", "h1. agend\nh2. motor\n")] == [0, 1, 7]
    assert not thoughts.ended(games[0], "h1. agend\nh2. motor\n")
    assert thoughts.ended(games[0], "".join(f"h{row}. motor\n" for row in range(1, 6)))


def test_without_its_file_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_DATA", raising=False)
    with pytest.raises(InputError, match=r"set PONDER_DATA to a folder that holds bench_crosswords/mini0505\.json\.gz"):
        crosswords.load("test", None)
    with pytest.raises(InputError, match="no split `dev`; its splits are test, all"):
        crosswords.load("dev", None)
