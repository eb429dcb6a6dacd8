"""The README's two curves: accuracy against compute on held-out problems, with the built-in reasoner. About 6 minutes on 2 cores.

python runs/first_light.py            # writes docs/first_light.md and docs/figures/*.svg
"""

import asyncio
from pathlib import Path
from typing import Any

from ponder import Store, open_model
from ponder.config import store_path
from ponder.lab.report import report
from ponder.lab.scale import scale
from ponder.tasks import get

DOCS = Path(__file__).parent.parent / "docs"
PLAN = (
    ("countdown-4", ("direct", "best-of-n", "self-consistency"), (1, 2, 4, 8, 16, 32, 64)),
    ("arithmetic-16", ("direct", "self-consistency"), (1, 2, 4, 8, 16, 32)),
)


async def measure() -> list[dict[str, Any]]:
    model, store = open_model("builtin:mini"), Store(store_path())
    try:
        return [await scale(get(task), model, names, sizes, problems=200, store=store) for task, names, sizes in PLAN]
    finally:
        await model.close()
        store.close()


def table(result: dict[str, Any]) -> str:
    rows = [
        f"| {curve['strategy']} | {point['n']} | {point['selected']:.1%} | {point['interval'][0]:.1%} – {point['interval'][1]:.1%} "
        f"| {point['oracle']:.1%} | {point['tokens']:,.0f} | {point['seconds']:.3f} |"
        for curve in result["curves"]
        for point in curve["points"]
    ]
    head = "| strategy | n | selected | 95 % interval | oracle | tokens | seconds |\n|---|---|---|---|---|---|---|"
    laws = [law(fit) for fit in result["fits"] if fit["law"] == "exponentiated-power" and fit["heldout_error"] is not None]
    title = (
        f"## {result['task']}, {result['problems']} held-out problems, {result['model']}, T = {result['settings']['temperature']:g}"
    )
    return "\n\n".join([title, head + "\n" + "\n".join(rows), "\n".join(laws)])


def law(fit: dict[str, Any]) -> str:
    return (
        f"- {fit['quantity']} ({fit['strategy']}): exp(a k^b) with a = {fit['a']:.3f}, b = {fit['b']:.3f}, mean error "
        f"{fit['error']:.4f}; fitted on k <= {fit['fitted_to']} it misses the rest by {fit['heldout_error']:.4f}"
    )


def main() -> None:
    results = asyncio.run(measure())
    (DOCS / "figures").mkdir(exist_ok=True)
    for result in results:
        page, figure, picture = report(result, DOCS / "figures" / f"{result['task']}.html")
        page.unlink()
        picture.unlink()
        print(figure)
    text = "# First light\n\nMade by `python runs/first_light.py`.\n\n" + "\n\n".join(map(table, results)) + "\n"
    (DOCS / "first_light.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
