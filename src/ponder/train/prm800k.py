"""Steps labelled by people: PRM800K's files (Lightman et al. 2023, https://github.com/openai/prm800k) as rows for `sets.write`.

People went through a solution step by step; of several next steps each was rated -1 (wrong), 0 (neutral) or 1 (good), and one was
gone on with. So a line is a chain of chosen steps, and beside each the alternatives.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ponder.errors import InputError
from ponder.tasks import files

Row = dict[str, Any]


def read(path: Path, neutral: bool = True) -> list[Row]:
    """Rows of prompt, completions and labels (`sets.stepwise`): a line's chain, and each rated alternative behind what came before.

    A `neutral` step counts as right, as in the paper's scores. Behind a step that was rated wrong, or not at all, nothing follows;
    what people wrote themselves (`human_completion`) is right. Lines whose problem was reported as broken are left out. Raises
    InputError that names the line.
    """
    found = []
    for number, line in files.rows(path):
        try:
            if line["label"]["finish_reason"] != "bad_problem":
                found += list(_chains(line["question"]["problem"], line["label"]["steps"], neutral))
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise InputError(f"{path}:{number}: no line of PRM800K ({error!r}): give question.problem and label.steps") from error
    return found


def _chains(problem: str, steps: list[Row], neutral: bool) -> Iterator[Row]:
    """The chains of one line: at each place the alternatives that were rated, then what was gone on with."""
    begun: list[str] = []
    for step in steps:
        rated = [(one["text"], one["rating"]) for one in step["completions"] or () if one["rating"] in (-1, 0, 1)]
        on = _chosen(step)
        for text, rating in rated:
            if text != on:
                yield _row(problem, begun, text, right=rating >= (0 if neutral else 1))
        rating = 1 if step["chosen_completion"] is None else dict(rated).get(on)
        if on is None or rating is None:
            break
        begun, right = [*begun, on], rating >= (0 if neutral else 1)
        if not right:
            yield _row(problem, begun[:-1], on, right=False)
            return
    if begun:
        yield _row(problem, begun[:-1], begun[-1], right=True)


def _chosen(step: Row) -> str | None:
    """What the solution went on with: a completion, or what a person wrote; None if it ended here."""
    if step["chosen_completion"] is not None:
        return str(step["completions"][step["chosen_completion"]]["text"])
    written = step.get("human_completion")
    return written["text"] if isinstance(written, dict) else written


def _row(problem: str, begun: list[str], text: str, *, right: bool) -> Row:
    return {"prompt": problem, "completions": [*begun, text], "labels": [True] * len(begun) + [right]}
