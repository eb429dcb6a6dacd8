"""A user's own file: columns by their usual names, ids that stay, and errors that name file, line, value and remedy."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from ponder.errors import InputError
from ponder.tasks.rows import rows
from ponder.types import Sample


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def values(path: Path, *texts: str) -> list[float | None]:
    task = rows(path)
    assert task.verifier is not None
    scores = asyncio.run(task.verifier(task.load("all", None)[0], [Sample(text) for text in texts]))
    return [score.value for score in scores]


@pytest.mark.parametrize("question", ["question", "prompt", "Problem", " INPUT "])
@pytest.mark.parametrize("answer", ["answer", "Reference", "target", "solution"])
def test_columns_are_found_by_their_usual_names(tmp_path: Path, question: str, answer: str) -> None:
    row = {"level": 3, question: " What is 2 * 3? ", answer: 6}
    task = rows(written(tmp_path, "sums.jsonl", json.dumps(row)))
    (problem,) = task.load("all", None)
    assert (problem.question, problem.reference) == ("What is 2 * 3?", "6")


def test_csv_and_jsonl_plain_and_packed_give_the_same_problems(tmp_path: Path) -> None:
    csv = '\ufeffquestion,answer\r\n"Two, or\nthree?",3\r\nFour?,4\r\n'
    jsonl = '{"question": "Two, or\\nthree?", "answer": 3}\n\n{"question": "Four?", "answer": "4"}'
    names = {"a.csv": csv, "a.jsonl": jsonl, "a.csv.gz": gzip.compress(csv.encode()), "a.jsonl.gz": gzip.compress(jsonl.encode())}
    loaded = [rows(written(tmp_path, name, text)).load("all", None) for name, text in names.items()]
    assert {tuple((one.question, one.reference, one.id.partition("/")[2]) for one in problems) for problems in loaded} == {
        tuple((one.question, one.reference, one.id.partition("/")[2]) for one in loaded[0])
    }
    assert [one.question for one in loaded[0]] == ["Two, or\nthree?", "Four?"]


def test_ids_do_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    first, second = '{"question": "a", "answer": "1"}\n', '{"question": "b", "answer": "2"}\n'
    ids = [
        {one.id: one.question for one in rows(written(tmp_path, "q.jsonl", text)).load("all", None)}
        for text in (first + second, second + first)
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2


def test_duplicates_and_rows_without_a_question_are_left_out_and_counted(tmp_path: Path) -> None:
    text = '{"question": "a", "answer": "1"}\n' * 3 + '{"question": " ", "answer": "1"}\n{"question": null}\n'
    task = rows(written(tmp_path, "q.jsonl", text))
    assert len(task.load("all", None)) == 1
    assert task.about == "1 questions of q.jsonl (2 duplicates and 2 rows without a question left out)"


def test_limit_takes_the_first(tmp_path: Path) -> None:
    task = rows(written(tmp_path, "q.csv", "question\na\nb\nc\n"))
    assert [one.question for one in task.load("all", 2)] == ["a", "b"]


def test_answers_are_compared_as_mathematics(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "question,answer\nHalf?,1/2\n")
    assert values(path, r"\boxed{0.5}", "the answer is 2", "no idea") == [1.0, 0.0, 0.0]


def test_gold_answers_are_right_whatever_they_are(tmp_path: Path) -> None:
    golds = ["1/2", "1,000", "Paris", r"\frac{3}{4}", "x + 1", "-7", "(1, 2)"]
    text = "\n".join(json.dumps({"question": f"Q{number}", "answer": gold}) for number, gold in enumerate(golds))
    task = rows(written(tmp_path, "q.jsonl", text))
    assert task.verifier is not None
    for problem in task.load("all", None):
        (score,) = asyncio.run(task.verifier(problem, [Sample(f"Therefore \\boxed{{{problem.reference}}}")]))
        assert score.value == 1.0


def test_option_letters_make_it_multiple_choice(tmp_path: Path) -> None:
    path = written(tmp_path, "q.csv", "question,answer\n(A) x (B) y?,B\n(A) z (B) w?,A\n")
    assert values(path, "The answer is (B).", "A", "y") == [1.0, 0.0, 0.0]
    task = rows(path)
    assert task.extract(task.load("all", 1)[0], "I choose option B") == "B"


def test_questions_alone_have_no_verifier(tmp_path: Path) -> None:
    task = rows(written(tmp_path, "q.csv", "question\nWhy?\n"))
    assert task.verifier is None
    assert task.load("all", None)[0].reference is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.txt", "x", r"q\.txt` holds: its name must end in \.jsonl, \.json, \.csv"),
        ("q.jsonl", "", "has no questions; give rows with a column `question`, `prompt`"),
        ("q.jsonl", '{"question": "a"}\n{"question": ', r"q\.jsonl:2: not JSON: '\{\"question\":' .* one object a line"),
        ("q.jsonl", "[1, 2]", r"q\.jsonl:1: not a JSON object: '\[1, 2\]'"),
        ("q.jsonl", "[" * 10**5, r"q\.jsonl:1: not JSON"),
        ("q.jsonl", '{"ask": "a"}', r"q\.jsonl:1: no question column among \['ask'\]; name one of them `question`"),
        ("q.jsonl", '{"question": "a", "answer": ["b"]}', r"q\.jsonl:1: `answer` is not a text or a number: \['b'\]; write it"),
        ("q.jsonl", '{"question": "a", "answer": true}', r"q\.jsonl:1: `answer` is not a text or a number: True"),
        ("q.csv", "question,answer\na,1\nb,2,3\n", r"q\.csv:3: the row \['b', '2', \['3'\]\] does not have the header's 2 columns"),
        ("q.csv", "question,answer\na\n", r"q\.csv:2: the row \['a', None\] does not have the header's 2 columns"),
        ("q.csv", 'question,answer\n"a"b,1\n', r"q\.csv:1: not CSV: .*; check its quotes"),
        ("q.csv", b"question,answer\nna\xefve,1\n", r"q\.csv:2: not UTF-8 \(byte 0xef\); save the file as UTF-8"),
        ("q.csv.gz", "question\na\n", r"cannot read `.*q\.csv\.gz`"),
    ],
)
def test_a_malformed_file_is_an_error_with_place_value_and_remedy(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        rows(written(tmp_path, name, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read `.*none\.csv`.*check the path given with --data"):
        rows(tmp_path / "none.csv")
