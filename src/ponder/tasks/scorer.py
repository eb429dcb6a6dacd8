"""The process in which Reasoning Gym scores an answer; `tasks.reasoning_gym` runs it and may kill it at any moment.

One JSON line `[entry, answer]` in, where `entry` is itself JSON: `[family, seed, size, index]`; one JSON line out: the score, or a
text that says what failed.
"""

import json
import logging
import signal
import sys
from functools import cache
from typing import Any


def main(seconds: float) -> None:
    """Serve requests until the input ends. Should the parent die first, an alarm ends a request that never would."""
    from reasoning_gym.factory import create_dataset

    @cache
    def made(family: str, seed: int, size: int) -> Any:
        return create_dataset(family, seed=seed, size=size)

    def answer(request: str) -> float | str:
        try:
            entry, given = json.loads(request)
            family, seed, size, index = json.loads(entry)
            dataset = made(family, seed, size)
            return min(1.0, max(0.0, float(dataset.score_answer(given, dataset[index]))))
        except Exception as error:  # noqa: BLE001 - whatever fails in there is the answer
            return f"the scorer failed: {type(error).__name__}: {error}"[:300]

    replies, sys.stdout = sys.stdout, sys.stderr
    logging.disable()
    replies.write("\n")
    replies.flush()
    for request in sys.stdin:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        replies.write(json.dumps(answer(request)) + "\n")
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
