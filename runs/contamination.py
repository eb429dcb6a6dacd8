"""What the built-in models' training shares with every test set at hand: python runs/contamination.py [EXAMPLES]."""

import sys

from ponder import tasks
from ponder.errors import InputError
from ponder.lab.contamination import overlaps, shipped

EXAMPLES = 1_000_000


def main() -> None:
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    tests = {}
    for name in tasks.tasks.names():
        task = tasks.get(name)
        for split in task.splits if name == "game24" else task.splits[:1]:
            try:
                tests[f"{name} ({split})"] = [one.question for one in task.load(split, None)]
            except InputError as absent:
                print(f"{name} ({split}): {absent}", file=sys.stderr)
    for one in overlaps(shipped(examples), tests):
        print(f"| `{one.name}` | {one.problems:,} | {len(one.dirty):,} |")


if __name__ == "__main__":
    main()
