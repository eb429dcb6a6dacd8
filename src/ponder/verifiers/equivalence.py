"""The process that asks math-verify whether two answers are equal; `verifiers.math` runs it and may kill it at any moment.

One JSON line `[reference, answer]` in, one JSON line out: true, false, or a text that says what failed.
"""

import contextlib
import json
import logging
import signal
import sys

MEMORY = 2 << 30


def main(seconds: float) -> None:
    """Serve requests until the input ends. Should the parent die first, an alarm ends a request that never would."""
    from math_verify import parse, verify

    def answer(request: str) -> bool | str:
        try:
            reference, given = (parse(f"${text.strip().strip('$')}$", parsing_timeout=None) for text in json.loads(request))
            return bool(verify(reference, given, timeout_seconds=None))
        except Exception as error:  # noqa: BLE001 - whatever fails in there is the answer
            return f"math-verify failed: {type(error).__name__}: {error}"[:300]

    replies, sys.stdout = sys.stdout, sys.stderr
    logging.disable()
    _limit_memory()
    replies.write("\n")
    replies.flush()
    for request in sys.stdin:
        _alarm(seconds)
        replies.write(json.dumps(answer(request)) + "\n")
        _alarm(0)
        replies.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system has the limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]))
