"""Arithmetic puzzles' answers: expressions and steps, read and checked by exact rational arithmetic.

Countdown and Game of 24 share this. A completion ends either with steps, one a line (`8-7=1 left 3 8 1`, or `8-7=1 3 8`), or with
one expression (`Answer: (8-7)*8*3 = 24`). What a model wrote is parsed, never executed; its length is bounded, and there are no
powers.
"""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from ponder.types import Problem, Score

LONGEST = 200
"""Characters of an expression; a longer one is not an answer."""

Hand = list[tuple[Fraction, str]]
"""Numbers at hand, each with the expression that made it."""

_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_RATIONAL = r"\(?(-?[0-9]{1,12}(?:/[0-9]{1,12})??)\)?"
STEP = re.compile(rf"\s*{_RATIONAL}\s*([-+*/])\s*{_RATIONAL}\s*=\s*{_RATIONAL}(?:\s+\(?left\b.*|(?:\s+[0-9]+)+)?\s*")
_REACHED = re.compile(r"\s*([0-9]+)-\1=0 yes\s*")
_FINAL = re.compile(r"[-+*/() 0-9]*$")


def parse(text: str) -> ast.expr:
    """The tree of an expression over integers, + - * / and brackets; raises ValueError for other text, and for division by 0."""
    if len(text) > LONGEST or not re.fullmatch(r"[-+*/() 0-9]+", text):
        raise ValueError(f"not an expression of at most {LONGEST} characters over integers, + - * / and brackets: {text[:40]!r}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        value(tree)
    except (SyntaxError, ZeroDivisionError, MemoryError, RecursionError) as error:
        raise ValueError(f"not an expression: {text!r} ({error})") from error
    return tree


def value(tree: ast.expr) -> Fraction:
    """The exact value of a tree; raises ZeroDivisionError, and ValueError for anything but integers, + - * /."""
    match tree:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](value(left), value(right))
    raise ValueError(f"only integers and + - * / count: {ast.unparse(tree)!r}")


def canonical(answer: str) -> str:
    """The expression without needless brackets and spaces, the larger side of each sum and product first; other text as it is.

    `3*(8-7)` and `(8 - 7) * 3` are equal; `(a+b)+c` and `a+(b+c)` are not: only commuted expressions are taken as the same.
    """
    try:
        tree = parse(answer)
    except ValueError:
        return answer.strip()
    return ast.unparse(_commuted(tree)).replace(" ", "")


def hand(numbers: Sequence[int], lines: Sequence[str]) -> Hand | None:
    """What is at hand after the steps, which start from `numbers`; None if one is wrong, or takes a number that is not at hand.

    The numbers that a line has behind its result are not read: those at hand follow from the steps.
    """
    held = [(Fraction(number), str(number)) for number in numbers]
    for line in lines:
        found = STEP.fullmatch(line)
        if found is None or (built := _taken(held, found)) is None:
            return None
        held = built
    return held


def from_steps(numbers: Sequence[int], lines: Sequence[str]) -> str | None:
    """The expression that steps build from `numbers`, or None if one is wrong (see `hand`), or some numbers are left over."""
    held = hand(numbers, lines)
    return held[0][1] if held is not None and len(held) == 1 else None


def extract(problem: Problem, text: str) -> str | None:
    """The canonical expression that a completion ends with: from its last run of step lines, else from its last line.

    None when the steps do not build one from the problem's numbers, or the last line is no expression. A right-hand side is not
    read: `(13-9)*(12-6) = 48` is its left side; nor is a closing line that says that the goal is reached, `24-24=0 yes`.
    Whether the value and the numbers are the asked ones is for `grade` to say.
    """
    lines = [line for line in text[-4000:].translate(SIGNS).splitlines() if line.strip()]
    if lines and _REACHED.fullmatch(lines[-1]):
        lines.pop()
    steps: list[str] = []
    while lines and STEP.fullmatch(lines[-1]):
        steps.insert(0, lines.pop())
    if steps:
        built = from_steps(problem.data["numbers"], steps)
        return None if built is None else canonical(built)
    last = lines[-1].partition("=")[0].strip(" .$*") if lines else ""
    final = _FINAL.search(last)
    return _readable(final[0].lstrip(" *")) if final else None


def grade(problem: Problem, completion: str) -> Score:
    """1 if the expression uses each of `data["numbers"]` once and equals `data["target"]` exactly, else 0: a true verifier."""
    answer = extract(problem, completion)
    if answer is None:
        return Score(0.0, error="no steps and no expression to read at the end")
    used = sorted(int(number) for number in re.findall("[0-9]+", answer))
    return Score(float(used == sorted(problem.data["numbers"]) and value(parse(answer)) == problem.data["target"]))


def _taken(held: Hand, step: re.Match[str]) -> Hand | None:
    """The hand after a step: its operands gone, its result at the end; None if the step is not right."""
    left, sign, right, claimed = step[1], step[2], step[3], step[4]
    rest, spelled = list(held), []
    try:
        for operand in (Fraction(left), Fraction(right)):
            found = next(one for one in rest if one[0] == operand)
            rest.remove(found)
            spelled.append(found[1])
        text = f"({spelled[0]}{sign}{spelled[1]})"
        result = value(parse(text))
        right_so_far = result == Fraction(claimed)
    except (StopIteration, ValueError, ZeroDivisionError):
        return None
    return [*rest, (result, text)] if right_so_far else None


def _readable(text: str) -> str | None:
    """The canonical expression, or None: a bare number, as in `cannot make 24`, is none."""
    try:
        tree = parse(text)
    except ValueError:
        return None
    return None if isinstance(tree, ast.Constant) else canonical(text)


def _commuted(tree: ast.expr) -> ast.expr:
    match tree:
        case ast.UnaryOp(op=op, operand=operand):
            return ast.UnaryOp(op, _commuted(operand))
        case ast.BinOp(left=left, op=op, right=right):
            sides = [_commuted(left), _commuted(right)]
            if isinstance(op, ast.Add | ast.Mult):
                sides.sort(key=lambda side: (-value(side), ast.unparse(side)))
            return ast.BinOp(sides[0], op, sides[1])
    return tree
