"""Hostile programs are contained, and cannot say that they passed; honest programs beside them get right verdicts."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile import BOMBS, DENIED, FORGERIES, READ_ITSELF, READ_JUDGE, SEGMENTS
from ponder.errors import VerifierError
from ponder.verifiers import sandbox
from ponder.verifiers.sandbox import Asserts, Limits, Prints, Verdict, tried, unprotected
from walls import bubblewrap

QUICK = Limits(cpu=1, wall=4.0, memory=1 << 28)
HONEST = "def double(x):\n    return x + x\n"
RIGHT, WRONG = Asserts("assert double(21) == 42"), Asserts("assert double(21) == 43")
SECRET = "zebra-7391"


def verdicts(program: str, *cases: sandbox.Case, limits: Limits = QUICK) -> list[Verdict]:
    return asyncio.run(tried(program, cases, limits))


def kinds(program: str, *cases: sandbox.Case, limits: Limits = QUICK) -> list[str]:
    return [verdict.kind for verdict in verdicts(program, *cases, limits=limits)]


def alive(mark: str) -> bool:
    """Whether a process of this machine has the mark in its command line or environment."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            for name in ("cmdline", "environ"):
                try:
                    if mark.encode() in (process / name).read_bytes():
                        return True
                except OSError:  # it ended in between, or is another user's
                    continue
    return False


@bubblewrap
def test_each_test_has_its_own_verdict() -> None:
    program = """
import os
def double(x):
    if x == 0:
        os._exit(0)
    while x == 2:
        pass
    return x + x if x != 1 else 1 / 0
"""
    cases = (RIGHT, Asserts("double(0)"), Asserts("double(1)"), Asserts("double(2)"), WRONG, Asserts("nothing()"), RIGHT)
    found = verdicts(program, *cases)
    assert [one.kind for one in found] == ["passed", "crash", "crash", "timeout", "failed", "failed", "passed"]
    assert "ZeroDivisionError" in found[2].detail
    assert "nothing" in found[5].detail


@bubblewrap
def test_cases_tried_together_have_the_verdicts_of_cases_tried_apart() -> None:
    program = """
import os
def f(x):
    if x == 1:
        os._exit(0)
    while x == 2:
        pass
    return x if x != 3 else 1 / 0
"""
    cases = [Asserts(f"assert f({x}) == {x % 6}") for x in (0, 1, 4, 3, 5, 2, 0, 7)]
    apart = [one.kind for one in asyncio.run(tried(program, cases, QUICK))]
    assert apart == ["passed", "crash", "passed", "crash", "passed", "timeout", "passed", "failed"]
    assert [one.kind for one in asyncio.run(tried(program, cases, QUICK, together=True))] == apart
    assert [one.kind for one in asyncio.run(tried("def f(x", cases, QUICK, together=True))] == ["crash"] * 8
    endless = asyncio.run(
        tried("def f(x):\n    while x: pass", [Asserts(f"f({x})") for x in (0, 1, 2, 3, 4, 0)], QUICK, together=True)
    )
    assert [one.kind for one in endless] == ["passed"] + ["timeout"] * 5
    assert [one.detail for one in endless[4:]] == ["not tried after 3 timeouts"] * 2
    scripts = [Prints("1", "2"), Prints("2", "5"), Prints("x", ""), Prints("3", "6")]
    found = asyncio.run(tried("print(2 * int(input()))", scripts, QUICK, together=True))
    assert [one.kind for one in found] == ["passed", "failed", "crash", "passed"]


@bubblewrap
def test_a_hostile_test_forges_no_verdict_but_its_own_judges() -> None:
    """Tests may be written by a model too: theirs is the judge's process, and however much they say, a case has one verdict."""
    loud = (
        'import os\nfor fd in range(64):\n    try: os.write(fd, b\'["passed", ""]\\n\' * 99)\n    except OSError: pass\nos._exit(0)'
    )
    mute = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    found = asyncio.run(tried(HONEST, [RIGHT, Asserts(mute), RIGHT, WRONG, Asserts(loud)], QUICK, together=True))
    assert [one.kind for one in found] == ["passed", "crash", "passed", "failed", "passed"]


@bubblewrap
def test_plain_data_come_back_as_they_are() -> None:
    program = (
        "import math, collections\ndef same(x): return x\nclass Node:\n    pass\nroot = Node()\ndef known(x): return x is root\n"
    )
    program += "def counted(x): return collections.Counter(x)\n"
    values = ["(1, [2.5, {3}], {'a': (None, True)}, b'x', 1j, frozenset())", "10**5000", "-0.0", "'\\ud800 é'", "float('inf')"]
    same = [Asserts(f"v = {value}\nr = same(v)\nassert r == v and type(r) is type(v) and repr(r) == repr(v)") for value in values]
    others = [Asserts("assert same(int) is int and same(sum)([1, 2]) == 3")]
    others += [Asserts("assert known(root) and math.pi > 3"), Asserts("assert counted('aab') == {'a': 2, 'b': 1}")]
    assert kinds(program, *same, *others) == ["passed"] * 8


@bubblewrap
def test_scripts_are_judged_by_what_they_print() -> None:
    program = "import sys\nn = int(input())\nprint(n / 3)\nsys.exit(n == 7)\n"
    cases = (
        Prints("2", "0.66666667"),
        Prints("2\n", "0.667"),
        Prints("7", "2.3333333"),
        Prints("x", ""),
        Prints("2", "0.66666667 0"),
    )
    assert kinds(program, *cases) == ["passed", "failed", "crash", "crash", "failed"]
    assert kinds("exit()", Prints("", "")) == ["passed"]
    assert kinds("import sys\nprint(1)\nsys.stdout.close()", Prints("", "1")) == ["passed"]


@bubblewrap
@pytest.mark.parametrize("program", FORGERIES.values(), ids=FORGERIES)
def test_a_pass_cannot_be_forged(program: str) -> None:
    hard = Asserts("assert double(21) == 42 and all([double(21) == 42]) and isinstance(double(21), str) is False")
    assert kinds(program, hard, Prints("", "zebra")).count("passed") == 0
    assert all(one.kind != "passed" for one in asyncio.run(tried(program, [hard, hard], QUICK, together=True)))


@bubblewrap
def test_the_expected_answers_are_out_of_reach() -> None:
    assert kinds(READ_JUDGE, Asserts("assert double(0) == []")) == ["passed"]
    found = verdicts(READ_ITSELF, Asserts(f"assert double(0) == {SECRET!r}"), Asserts(f"{SECRET!r}\nassert double(0) is None"))
    assert [one.kind for one in found] == ["failed", "passed"]


@bubblewrap
@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_program_is_contained_and_the_next_test_is_judged_right(name: str) -> None:
    """The bomb goes off at 0 only, so that the last test, in the same sandbox, shows what is left of it."""
    program = BOMBS[name].replace("def double(x)", "def bomb(x)").replace("return double", "return bomb") + "\n" + HONEST
    began = time.monotonic()
    first, second, third = verdicts(program, Asserts("assert bomb(0) == 42"), RIGHT, WRONG)
    assert first.kind == "denied" if name in DENIED else first.kind in ("failed", "crash", "timeout", "denied")
    assert (second.kind, third.kind) == ("passed", "failed")
    assert time.monotonic() - began < 60.0


@bubblewrap
def test_memory_that_belongs_to_no_process_is_counted() -> None:
    assert kinds(SEGMENTS, RIGHT) == ["denied"]


@bubblewrap
def test_infinite_output_ends_at_its_limit() -> None:
    assert kinds("while True: print('x' * 1000)", Prints("", "x")) == ["denied"]
    assert kinds("import os\nwhile True: os.write(2, b'x' * 1000)", Prints("", "x")) == ["timeout"]


@bubblewrap
def test_no_file_of_ours_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o644)
    targets = [str(tmp_path / "secret"), str(Path.home()), str(Path(__file__)), "/etc/passwd", "/etc/shadow", "/home", "/var"]
    program = f"""
import os
def read():
    seen = []
    for number, target in enumerate({targets!r}):
        os.symlink(target, f"/tmp/link{{number}}")
        for path in (target, f"/tmp/link{{number}}", *(f"/proc/{{at}}{{target}}" for at in ("1/root", "self/root", "self/cwd/.."))):
            try:
                seen.append(open(path).read() if os.path.isfile(path) else str(sorted(os.listdir(path))))
            except OSError:
                pass
    return seen
"""
    listing = Asserts("for one in read():\n    assert one in ('[]', \"['.pyenv']\", \"['.local']\"), one[:150]")
    (found,) = verdicts(program, listing)
    assert found == Verdict("passed")


@bubblewrap
def test_nothing_outlives_the_run() -> None:
    program = f"""
import os, subprocess, sys
def leave():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)", "{SECRET}"], start_new_session=True)
            os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(300)", "{SECRET}"])
        os._exit(0)
    os.wait()
    return 1
"""
    assert kinds(program, Asserts("assert leave() == 1"), Asserts("assert leave() == 1")) == ["passed", "passed"]
    assert not alive(SECRET)


SLEEPER = f"""
import os, sys
os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(300)", "{SECRET}"])
"""


@bubblewrap
def test_cancellation_ends_the_sandbox_and_frees_its_place() -> None:
    async def cancelled() -> None:
        for _ in range((os.cpu_count() or 1) + 1):
            task = asyncio.create_task(tried(SLEEPER, [RIGHT], Limits()))
            while not await asyncio.to_thread(alive, SECRET):
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not alive(SECRET)

    asyncio.run(asyncio.wait_for(cancelled(), 60.0))


@bubblewrap
def test_honest_programs_beside_hostile_ones_are_judged_right() -> None:
    async def together() -> list[list[Verdict]]:
        hostile = [
            program.replace("double", "bomb") for name, program in BOMBS.items() if name in ("fork bomb", "10 GB", "disk filler")
        ]
        programs = [one for bomb in hostile for one in (bomb, HONEST)]
        return await asyncio.gather(*(tried(one, [Asserts("assert double(21) == 42"), WRONG], QUICK) for one in programs))

    found = asyncio.run(together())
    assert [[one.kind for one in each] for each in found[1::2]] == [["passed", "failed"]] * 3


def test_without_bubblewrap_it_refuses_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    with pytest.raises(VerifierError, match=r"`bwrap` is not installed; .*apt install bubblewrap .*--unsafe-code"):
        verdicts(HONEST, RIGHT)


def test_without_bubblewrap_the_unsafe_way_gives_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    with unprotected():
        found = asyncio.run(tried(HONEST, [RIGHT, WRONG, Asserts("double(None)")], QUICK))
    assert [one.kind for one in found] == ["passed", "failed", "crash"]


def test_a_sandbox_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_walls", lambda disk: ["/bin/sh", "-c", "echo no namespaces >&2"])
    with pytest.raises(VerifierError, match="ended without a verdict: no namespaces"):
        verdicts(HONEST, RIGHT)


@bubblewrap
def test_a_killed_owner_takes_its_sandbox_along() -> None:
    code = "import asyncio, sys\nfrom ponder.verifiers.sandbox import *\nasyncio.run(tried(sys.stdin.read(), [Asserts('')]))"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as owner:
        assert owner.stdin
        owner.stdin.write(SLEEPER)
        owner.stdin.close()
        waited(lambda: alive(SECRET))
        owner.kill()
    waited(lambda: not alive(SECRET))


def waited(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
