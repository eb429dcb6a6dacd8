"""Jobs side by side: what waits for what, how many at once, what a failure and a kill leave behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`: make test-train")

from ponder.errors import InputError
from ponder.train.abreast import Job, abreast


def noted(folder: Path, name: str, seconds: float = 0.3) -> None:
    with (folder / "begun").open("a") as file:
        file.write(f"{name} {os.getpid()}\n")
    time.sleep(seconds)
    with (folder / "ended").open("a") as file:
        file.write(f"{name}\n")


def meeting(folder: Path, name: str, other: str) -> None:
    """Each waits for the other: one at a time would never end."""
    (folder / name).touch()
    until = time.monotonic() + 60
    while not (folder / other).exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def failing() -> None:
    raise InputError("there is nothing to learn from")


def lines(path: Path) -> list[str]:
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_job_waits_for_what_it_needs(tmp_path):
    told: list[str] = []
    needs = {"last": ("left", "right"), "left": (), "right": (), "more": ()}
    abreast({name: Job(partial(noted, tmp_path, name), wanted) for name, wanted in needs.items()}, 2, told.append)
    begun, ended = lines(tmp_path / "begun"), lines(tmp_path / "ended")
    assert sorted(begun) == sorted(ended) == sorted(told) == sorted(needs)
    assert begun.index("last") > max(begun.index("left"), begun.index("right"))


def test_two_run_at_once(tmp_path):
    abreast({one: Job(partial(meeting, tmp_path, one, other)) for one, other in (("left", "right"), ("right", "left"))}, 2)
    assert (tmp_path / "left").exists()
    assert (tmp_path / "right").exists()


def test_what_a_job_raises_is_raised_and_no_other_begins(tmp_path):
    jobs = {"bad": Job(failing), "beside": Job(partial(noted, tmp_path, "beside")), "after": Job(partial(noted, tmp_path, "after"))}
    with pytest.raises(InputError, match="nothing to learn from"):
        abreast(jobs, 1)
    assert lines(tmp_path / "begun") == []


def test_none_at_once_is_refused():
    with pytest.raises(InputError, match="0 jobs at once"):
        abreast({"bad": Job(failing)}, 0)


def test_killed_it_leaves_no_job_at_work(tmp_path):
    """Who calls again would find it writing into the same folder."""
    script = (
        "import sys; from functools import partial; from pathlib import Path; from ponder.train.abreast import Job, abreast\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_abreast import noted\n"
        f"if __name__ == '__main__': abreast({{'long': Job(partial(noted, Path({str(tmp_path)!r}), 'long', 30.0))}}, 1)\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    parent = subprocess.Popen([sys.executable, file])
    until = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.1)
    child = int((tmp_path / "begun").read_text().split()[1])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 10
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}/stat").exists()
