"""`ponder contest`: a rating among people."""

from __future__ import annotations

from pathlib import Path

from ponder.cli import show


def contest(file: Path, /, *, ratings: Path | None = None, json: bool = False) -> None:
    """Rate the results of contests as CodeElo does: the rank among the participants, the rating at which it is expected.

    Example: ponder contest contests.json --ratings sorted_ratings.json

    Parameters
    ----------
    file
        A JSON list of contests: the tries at each problem, the standings, the participants' ratings (docs/contest.md).
    ratings
        Ratings of people, to tell the percentile: CodeElo's sorted_ratings.json.
    json
        Print JSON.
    """
    from ponder.lab import contest as contests

    found = contests.read_contests(file)
    rating = contests.overall(found)
    share = contests.percentile(rating, contests.read_ratings(ratings)) if ratings else None
    if json:
        show.json_line({"rating": rating, "percentile": share, "contests": found})
        return
    rows = [
        {
            "contest": number,
            "score": one.score,
            "penalty": one.penalty,
            "rank": f"{one.rank} of {one.participants + 1}",
            "rating": f"{one.rating:.0f}",
        }
        for number, one in enumerate(found, 1)
    ]
    show.listing(rows, {}, False)
    above = "" if share is None else f", above {share:g} % of the people in {ratings}"
    show.stdout.print(f"rating {rating:.0f}{above}", markup=False, highlight=False)
