"""The problems of the simulated model: nothing to solve, only something to grade, as many as wanted."""

from ponder.models.simulated import QUESTION, final_answer
from ponder.types import Message, Problem, Score, Task
from ponder.verifiers.check import Check


def problems(n: int, seed: int = 0) -> list[Problem]:
    """`simulated problem 0` and so on; each seed has a million numbers of its own."""
    return [_problem(str(seed * 1_000_000 + number)) for number in range(n)]


def _problem(name: str) -> Problem:
    question = f"simulated problem {name}"
    return Problem(f"simulated-{name}", (Message("user", question),), simulated, reference=name)


def _recognise(text: str) -> Problem | None:
    found = QUESTION.fullmatch(text.strip())
    return _problem(found[1]) if found else None


def _grade(problem: Problem, completion: str) -> Score:
    """The right answer is the question's last word, so that a simulated verifier can know it and yet read no reference."""
    answer = final_answer(completion)
    return Score(0.0, error="no line says `answer`") if answer is None else Score(float(answer == problem.question.split()[-1]))


simulated = Task(
    name="simulated",
    about="problems for the simulated model, whose accuracy, errors and lengths are parameters",
    load=lambda split, limit: problems(100 if limit is None else limit, seed=0 if split == "test" else 1),
    extract=lambda _, text: final_answer(text),
    canonical=str.strip,
    verifier=Check("simulated", "reference", _grade),
    recognise=_recognise,
    splits=("test", "train"),
    max_tokens=128,
    model="simulated",
)
