"""Programs in a completion: what the code tasks share."""

import re

_FENCED = re.compile(r"```[ \t]*(?:python|py)?[ \t]*[0-9.]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def defines(program: str, name: str) -> bool:
    """Whether a line of the program defines the function (or the class, or the variable) `name`."""
    return (
        re.search(rf"^(?:(?:async )?def|class) {re.escape(name)}\b|^{re.escape(name)} *=(?!=)", program, re.MULTILINE) is not None
    )


def fenced(text: str, name: str | None) -> str | None:
    """The last block between ``` fences that defines `name`, else the last one; None if there is no block."""
    blocks = [block for block in _FENCED.findall(text) if block.strip()]
    defining = [block for block in blocks if name is None or defines(block, name)]
    return next(reversed(defining or blocks), None)


def normal(program: str) -> str:
    """Programs are the same if they differ only in blank lines and in spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in program.splitlines() if line.strip())
