"""Mathematical equivalence, by math-verify in a process of its own.

Its comparison can run for ever or eat all memory on a hostile answer (`10^10^10`), and its own time-out needs the main thread. So
the worker is killed when it is late, and started again for the next answer. Most grades never reach it: equal canonical forms are
right, and numbers that are far apart are wrong.
"""

import asyncio
import json
import re
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Timer

from ponder.errors import VerifierError
from ponder.types import Problem, Reads, Sample, Score
from ponder.verifiers import exact

LONGEST_ANSWER = 2000
SECONDS_TO_START = 120.0

_RATIO = re.compile(r"-?[0-9]{1,400}(?:/[1-9][0-9]{0,399})?")


EQUIVALENCE = Path(__file__).with_name("equivalence.py")


class Worker:
    """One process that compares, started when it is first needed; `seconds` is the wall-clock limit of a comparison.

    It runs `script`, which gets twice that limit as its argument, writes an empty line when it is ready, and answers each JSON line
    `[reference, answer]` with one: a number or truth value, or a text that says what failed. Requests wait for each other in a
    thread of their own, so that any event loop, or several, may ask.
    """

    def __init__(self, seconds: float, script: Path = EQUIVALENCE) -> None:
        self.seconds, self.script = seconds, script
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ponder-math")
        self._process: subprocess.Popen[str] | None = None
        self._end: Callable[[], object] = lambda: None

    async def compare(self, reference: str, answer: str) -> Score:
        """1 if equal, 0 if not, None if it fails or does not decide in time. Raises VerifierError if it can't start."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._compare, reference, answer)

    def close(self) -> None:
        """End the process; the next request starts another one."""
        self._end()

    def _compare(self, reference: str, answer: str) -> Score:
        process = self._process if self._process and self._process.poll() is None else self._start()
        reply = _exchange(process, json.dumps([reference, answer]), self.seconds)
        if reply is None:
            self.close()
            return Score(None, error=f"no verdict within {self.seconds:g} s, or {answer[:60]!r} crashed `{self.script.stem}`")
        verdict = json.loads(reply)
        return Score(None, error=verdict) if isinstance(verdict, str) else Score(float(verdict))

    def _start(self) -> subprocess.Popen[str]:
        self.close()
        command = [sys.executable, "-P", str(self.script), str(2 * self.seconds)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="ascii"
        )
        self._process, self._end = process, weakref.finalize(self, _stop, process)
        if _exchange(process, None, SECONDS_TO_START) is None:
            self.close()
            raise VerifierError(f"the process `{self.script.stem}` did not start; see why with: {' '.join(command)}")
        return process


def _exchange(process: subprocess.Popen[str], request: str | None, seconds: float) -> str | None:
    """Send a line and read one; None if the process dies, or is killed because `seconds` have passed."""
    assert process.stdin is not None
    assert process.stdout is not None
    limit = Timer(seconds, process.kill)
    limit.start()
    try:
        if request is not None:
            process.stdin.write(request + "\n")
            process.stdin.flush()
        return process.stdout.readline() or None
    except BrokenPipeError:
        return None
    finally:
        limit.cancel()


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@dataclass(frozen=True, slots=True)
class Math:
    """Grades the extracted answer against the reference; each distinct answer of a call is compared once."""

    worker: Worker = field(default_factory=lambda: Worker(5.0))
    name: str = "math"
    reads: Reads = "reference"

    async def __call__(self, problem: Problem, samples: Sequence[Sample]) -> list[Score]:
        quick = await exact.exact(problem, samples)
        compared: dict[str, Score] = {}
        for position, (sample, score) in enumerate(zip(samples, quick, strict=True)):
            answer = None if score.value != 0.0 else problem.task.extract(problem, sample.prefix + sample.text)
            if answer is not None and problem.reference is not None:
                if answer not in compared:
                    compared[answer] = await self._compare(problem, problem.reference, answer)
                quick[position] = compared[answer]
        return quick

    async def _compare(self, problem: Problem, reference: str, answer: str) -> Score:
        if _far_apart(problem.task.canonical(reference), problem.task.canonical(answer)) and "%" not in reference + answer:
            return Score(0.0)
        if len(answer) > LONGEST_ANSWER:
            return Score(None, error=f"an answer of {len(answer)} characters is not compared; the limit is {LONGEST_ANSWER}")
        return await self.worker.compare(reference, answer)


def _far_apart(first: str, second: str) -> bool:
    """Whether two keys are numbers that no rounding makes equal: more than a thousandth of the first apart."""
    if not (_RATIO.fullmatch(first) and _RATIO.fullmatch(second)):
        return False
    return abs(Fraction(first) - Fraction(second)) * 1000 > abs(Fraction(first))


math = Math()
