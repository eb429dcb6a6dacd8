"""GSM8K: grade-school word problems whose answers are whole numbers (Cobbe et al. 2021); 1,319 test problems."""

from ponder.answers import canonical, final_answer
from ponder.errors import InputError
from ponder.tasks import files
from ponder.types import Message, Problem, Task
from ponder.verifiers.math import math

SYSTEM = Message("system", r"Solve the problem. Think step by step, and write the final answer, a number, in \boxed{}.")

EXEMPLARS = (
    (
        "Lena has 3 boxes with 12 pencils each. She gives 9 pencils to her brother. How many pencils does she keep?",
        "The boxes hold 3 * 12 = 36 pencils.\nAfter giving 9 away she keeps 36 - 9 = 27.\n\\boxed{27}",
    ),
    (
        "A baker sells rolls at $2 and cakes at $15. On Monday he sells 40 rolls and 6 cakes. How many dollars does he take in?",
        "The rolls bring 40 * 2 = 80 dollars.\nThe cakes bring 6 * 15 = 90 dollars.\nTogether that is 80 + 90 = 170.\n\\boxed{170}",
    ),
    (
        "Omar is 4 years older than twice the age of Mia. Mia is 7. How old will Omar be in 5 years?",
        "Twice Mia's age is 2 * 7 = 14, so Omar is 14 + 4 = 18.\nIn 5 years he will be 18 + 5 = 23.\n\\boxed{23}",
    ),
    (
        "A tank of 240 litres is a quarter full. A hose adds 12 litres a minute. How many minutes does it take to fill it?",
        "Now it holds 240 / 4 = 60 litres.\n240 - 60 = 180 litres are missing.\nThat takes 180 / 12 = 15 minutes.\n\\boxed{15}",
    ),
    (
        "A coat costs $80. In the sale it is 25% off, and members pay $5 less than that. What does a member pay?",
        "The discount is 80 * 25 / 100 = 20 dollars, so the sale price is 80 - 20 = 60.\nA member pays 60 - 5 = 55.\n\\boxed{55}",
    ),
    (
        "Five friends share 3 pizzas of 10 slices. All eat the same number and 5 are left. How many slices does each one eat?",
        "There are 3 * 10 = 30 slices.\n30 - 5 = 25 are eaten.\nEach friend eats 25 / 5 = 5.\n\\boxed{5}",
    ),
    (
        "Priya reads 20 pages a day on weekdays and 35 pages a day at weekends. How many pages does she read in 2 weeks?",
        "Five weekdays are 5 * 20 = 100, a weekend is 2 * 35 = 70.\nA week is 100 + 70 = 170.\nTwo weeks are 340.\n\\boxed{340}",
    ),
    (
        "A train leaves with 150 people. At each of 3 stops 20 get off and 8 get on. How many are on it after the third stop?",
        "A stop changes the number by 8 - 20 = -12.\nThree stops change it by 3 * -12 = -36.\n150 - 36 = 114 remain.\n\\boxed{114}",
    ),
)


def _load(split: str, limit: int | None) -> list[Problem]:
    if split not in gsm8k.splits:
        raise InputError(f"the task `gsm8k` has no split `{split}`; its splits are {', '.join(gsm8k.splits)}")
    found = files.benchmark(f"bench_gsm8k/{split}.jsonl.gz", "openai/gsm8k", "main", split)
    return [_problem(f"{split}/{number}", row["question"], row["answer"]) for number, row in enumerate(found[:limit])]


def _problem(number: str, question: str, solution: str) -> Problem:
    reference = solution.rpartition("####")[2].strip()
    return Problem(f"gsm8k/{number}", (SYSTEM, Message("user", question)), gsm8k, reference)


def _extract(_problem: Problem, text: str) -> str | None:
    return final_answer(text)


gsm8k = Task(
    name="gsm8k",
    about="grade-school word problems whose answers are whole numbers",
    load=_load,
    extract=_extract,
    canonical=canonical,
    verifier=math,
    splits=("test", "train"),
    exemplars=EXEMPLARS,
    source="https://github.com/openai/grade-school-math",
    licence="MIT",
)
