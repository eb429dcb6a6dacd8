"""Programs in completions: which block is meant, and when two programs are the same."""

from ponder.tasks.programs import defines, fenced, normal


def test_the_last_block_that_defines_the_name_is_meant() -> None:
    text = "```python\ndef f(): 1\n```\nno:\n```py\ndef f(): 2\n```\nuse:\n```\nf()\n```"
    assert fenced(text, "f") == "def f(): 2\n"
    assert fenced(text, None) == "f()\n"
    assert fenced(text, "g") == "f()\n"


def test_a_cut_block_counts_and_an_empty_one_does_not() -> None:
    assert fenced("```python\ndef f():\n    retu", "f") == "def f():\n    retu"
    assert fenced("```python\nx = 1\n```\n```\n\n```", None) == "x = 1\n"
    assert fenced("no block", "f") is None


def test_what_defines_a_name() -> None:
    assert all(defines(program, "f") for program in ("x = 1\ndef f(a): ...", "async def f(): ...", "class f: ...", "f = max"))
    assert not any(defines(program, "f") for program in ("def ff(): ...", "    def f(): ...", "g = f", "f == 1"))


def test_blank_lines_and_trailing_spaces_make_no_difference() -> None:
    assert normal("a = 1  \r\n\n\nb = 2\n") == normal("a = 1\nb = 2")
    assert normal("if a:\n  b") != normal("if a:\n    b")
