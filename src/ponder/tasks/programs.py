"""Programs and tests in a completion: what the code tasks share."""

import ast
import builtins
import re
from collections.abc import Collection

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where the published evaluation ends a bare completion (Chen et al. 2021, section 2.1)."""

_FENCED = re.compile(r"```[ \t]*(?:python|py)?[ \t]*[0-9.]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)

_PAIR = re.compile(r"\bInput\b\W*\n```\w*\n(.*?)```\s*\W*Output\b\W*\n```\w*\n(.*?)```", re.DOTALL | re.IGNORECASE)


def defines(program: str, name: str) -> bool:
    """Whether a line of the program defines the function (or the class, or the variable) `name`."""
    return (
        re.search(rf"^(?:(?:async )?def|class) {re.escape(name)}\b|^{re.escape(name)} *=(?!=)", program, re.MULTILINE) is not None
    )


def hidden(program: str) -> tuple[str, ...]:
    """The builtins that the program defines anew as functions of its own."""
    return tuple(name for name in re.findall(r"^def (\w+)", program, re.MULTILINE) if hasattr(builtins, name))


def fenced(text: str, name: str | None) -> str | None:
    """The last block between ``` fences that defines `name`, else the last one; None if there is no block."""
    blocks = [block for block in _FENCED.findall(text) if block.strip()]
    defining = [block for block in blocks if name is None or defines(block, name)]
    return next(reversed(defining or blocks), None)


def normal(program: str) -> str:
    """Programs are the same if they differ only in blank lines and in spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in program.splitlines() if line.strip())


def assertions(text: str, hidden: Collection[str] = ()) -> list[str]:
    """The assertions in a completion, each a piece of Python that calls something of the program's.

    Each reaches from one `assert` to the next, or to where a bare completion ends (Chen et al. 2022, in CodeT's published code).
    `hidden` are builtins that the program defines anew.
    """
    pieces = re.split(r"\bassert\b", fenced(text, None) or text)[1:]
    cut = (min((piece.find(stop) for stop in STOP if stop in piece), default=len(piece)) for piece in pieces)
    found = [f"assert {piece[:end].strip()}" for piece, end in zip(pieces, cut, strict=True)]
    return [one for one in found if _calls(one) - {name for name in vars(builtins) if name not in hidden}]


def _calls(code: str) -> set[str]:
    """The names that are called; none if it is no Python."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def pairs(text: str) -> list[tuple[str, str]]:
    """The examples in a text that gives each as an `Input` and an `Output`, in blocks between ``` fences."""
    return [(given, expected) for given, expected in _PAIR.findall(text)]
