"""The example plug-in is found by its entry points, and a broken one is reported and not fatal."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "ponder-last-line" / "src"


def run(tmp_path, points, *command):
    """The command line, with a distribution on the path that declares the entry points `points`."""
    info = tmp_path / "example-0.1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(points)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{EXAMPLE}"}
    return subprocess.run([sys.executable, "-m", "ponder", *command], env=environment, capture_output=True, text=True)


def test_a_strategy_and_a_verifier_from_another_package_have_the_same_standing(tmp_path):
    points = (
        "[ponder.strategies]\nshortest = ponder_last_line:shortest\n[ponder.verifiers]\nlast-line = ponder_last_line:last_line\n"
    )
    solved = run(tmp_path, points, "solve", "simulated problem 3", "--model", "simulated", "--strategy", "shortest(n=3)")
    assert (solved.returncode, solved.stdout.strip()[:1]) == (0, "3"), solved.stderr
    judged = run(tmp_path, points, "solve", "simulated problem 3", "--model", "simulated", "--verifier", "last-line")
    assert judged.returncode == 0, judged.stderr
    assert "shortest" in run(tmp_path, points, "strategies").stdout


def test_a_broken_plug_in_is_reported_and_the_rest_works(tmp_path):
    listed = run(tmp_path, "[ponder.strategies]\nbad = nowhere_to_be_found:thing\n", "strategies")
    assert listed.returncode == 0
    assert "`bad` cannot be loaded" in listed.stderr
    assert "self-consistency" in listed.stdout
