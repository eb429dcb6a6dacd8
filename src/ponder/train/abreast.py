"""Work that waits for other work, side by side: each job in a process with one thread, as many at once as there are cores for them.

Small matrix products gain little from a second thread, and a whole second job gains a core. What a job computes does not depend on
how many run beside it.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from threading import Thread

from ponder.errors import InputError, MissingExtra

try:
    import torch
except ImportError as error:
    raise MissingExtra(error.name or "torch", "train") from error


@dataclass(frozen=True, slots=True)
class Job:
    """What is done (it can be pickled), and the names of the jobs that must be done before."""

    work: Callable[[], None]
    needs: tuple[str, ...] = ()


def abreast(jobs: Mapping[str, Job], most: int, told: Callable[[str], object] = lambda _: None) -> None:
    """Do all jobs, at most so many at once; of those that may begin, the first. `told` hears of each that is done.

    What a job raises is raised when those that run beside it are done; no other begins. Raises InputError if none may run.
    """
    if most < 1:
        raise InputError(f"{most} jobs at once do nothing; let at least one run")
    waiting, done, running = dict(jobs), set[str](), dict[Future[None], str]()
    with ProcessPoolExecutor(most, mp_context=get_context("spawn"), initializer=_alone) as pool:
        while waiting or running:
            ready = [name for name, job in waiting.items() if done.issuperset(job.needs)]
            for name in ready[: most - len(running)]:
                running[pool.submit(waiting.pop(name).work)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                future.result()
                done.add(name)
                told(name)


def _alone() -> None:
    """One thread for this process; and it ends with its parent, for who calls again would find it at work in the same folder."""
    torch.set_num_threads(1)
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=end, daemon=True).start()
