"""What thinking longer does to questions of fact, and what the knowledge guard's rule gains and loses: from recorded gradings.

Prints the table of accuracy, hallucination and abstention by model and level of thinking; which prompts are told to ask for facts;
and the rule, chosen on one half of the questions and measured on the other, with every change of an answer counted.

    PONDER_DATA=… python benchmarks/knowledge.py
"""

from collections.abc import Sequence

from ponder.errors import InputError
from ponder.lab.knowledge import (
    ABSTAINED,
    COPIED,
    FACTUAL,
    RIGHT,
    WRONG,
    Effect,
    Rates,
    choose,
    effect,
    held_out,
    ladders,
    prompts,
    read,
    told,
)
from ponder.tasks import files


def main() -> None:
    path = files.local("rec_knowledge/gradings.csv.gz")
    if path is None:
        raise InputError("the recorded data are missing: set PONDER_DATA to a folder that holds rec_knowledge")
    runs = read(path, without=[COPIED])
    print("| model | benchmark | thinking | n | A % | B % | C % | A / (A+B) % | F1 % |\n|---|---|---|---|---|---|---|---|---|")
    for run in runs:
        rates = Rates.of(one.grade for one in run.answers.values())
        shares = rates.accuracy, rates.hallucination, rates.abstention, rates.attempted, rates.f1
        cells = [run.model, run.benchmark, run.level, rates.n, *("-" if one is None else f"{100 * one:.1f}" for one in shares)]
        print(f"| {' | '.join(map(str, cells))} |")
    print("\n| prompts | held out | told rightly % |\n|---|---|---|")
    for name, texts in prompts(path.parent.parent).items():
        print(f"| {name} | {sum(map(held_out, texts))} | {100 * told(texts, name in FACTUAL):.1f} |")
    climbed = ladders(runs)
    rule = choose(climbed)
    print(
        f"\nchosen: more than {rule.share:.2f} of the levels attempt, or that of most thinking within its quantile {rule.quick}\n"
    )
    print("| | answers | accuracy % | change | wrong % | change | A>C | A>B | B>A | B>C | C>A | C>B |\n" + "|---" * 12 + "|")
    row("all, half for choosing", effect(rule, climbed, lambda key: not held_out(key)))
    row("**all, held out**", effect(rule, climbed))
    for ladder in climbed:
        row(f"{ladder.name}, held out", effect(rule, [ladder]))


def row(name: str, found: Effect) -> None:
    moves = [(RIGHT, ABSTAINED), (RIGHT, WRONG), (WRONG, RIGHT), (WRONG, ABSTAINED), (ABSTAINED, RIGHT), (ABSTAINED, WRONG)]
    sides = (
        (found.before.accuracy, found.after.accuracy, found.accuracy),
        (found.before.hallucination, found.after.hallucination, found.wrong),
    )
    cells = [f"{100 * old:.1f} → {100 * new:.1f} | {span([100 * one for one in change])}" for old, new, change in sides]
    print(f"| {name} | {found.before.n} | {' | '.join(cells)} | {' | '.join(str(found.changes.get(move, 0)) for move in moves)} |")


def span(change: Sequence[float]) -> str:
    mean, low, high = change
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()
