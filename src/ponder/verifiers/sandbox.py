"""A sandbox for programs that a model wrote: bubblewrap around `trial.py`, which tries a program against its tests.

Inside there are no network, no files but Python's own (read-only) and a small `/tmp`, no other processes and no way to gain rights;
processor time, memory, processes, files and output are limited. When the sandbox's first process ends, the kernel ends all others.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args
from weakref import WeakKeyDictionary

from ponder.errors import VerifierError

Kind = Literal["passed", "failed", "timeout", "crash", "denied"]

INSTALL = (
    "model-written programs run only inside bubblewrap 0.8 or newer: apt install bubblewrap (Debian, Ubuntu), "
    "dnf install bubblewrap (Fedora), pacman -S bubblewrap (Arch); or run them unprotected, at your own risk, "
    "with --unsafe-code (in Python: `with unprotected():`)"
)
SECONDS_TO_START = 60.0
LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one test: `cpu` and `wall` are seconds, `memory`, `output` (a file, an answer) and `disk` (all of `/tmp`) bytes.

    `cpu` holds for each process, `memory` for each (address space) and for all together (resident). `processes` counts threads too,
    and three of them are the sandbox's own.
    """

    cpu: int = 3
    wall: float = 15.0
    memory: int = 1 << 29
    processes: int = 16
    output: int = 1 << 20
    disk: int = 1 << 24


@dataclass(frozen=True, slots=True)
class Asserts:
    """A test in Python: passed if `code` raises nothing. It sees what the program defines, and only plain data come out of that.

    Of the program's names that would hide a builtin (`sum`), it sees only those in `hides`.
    """

    code: str
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prints:
    """A test of a script: passed if with `given` as its input it prints `expected`, compared word by word, decimals to 1e-6."""

    given: str
    expected: str


Case = Asserts | Prints


@dataclass(frozen=True, slots=True)
class Verdict:
    """`failed`: a wrong answer. `crash`: an exception, or the process ended. `denied`: it wanted what the sandbox refuses."""

    kind: Kind
    detail: str = ""


_unprotected: ContextVar[bool] = ContextVar("ponder.unprotected", default=False)


@contextmanager
def unprotected() -> Iterator[None]:
    """Without the sandbox, at your own risk: nothing is limited but time and each process's memory, and verdicts can be forged."""
    token = _unprotected.set(True)
    try:
        yield
    finally:
        _unprotected.reset(token)


async def tried(program: str, cases: Sequence[Case], limits: Limits = Limits(), together: bool = False) -> list[Verdict]:
    """The program's verdict for each case; each is tried in processes of its own, all in one sandbox.

    With `together` the cases share processes as long as none goes wrong otherwise than by a wrong answer or an exception: much
    faster, but what the program remembers from one case it still knows in the next, and after three timeouts it is not tried on.

    When this returns, or is cancelled, nothing of the sandbox is alive. One runs per core; the others wait. Raises VerifierError if
    there is no bubblewrap or it cannot start, unless `unprotected`.
    """
    trial = [_python(), "-S", "-s", "-P", "-B", "-c", _trial()]
    request = json.dumps([program, [asdict(case) for case in cases], asdict(limits), together]).encode() + b"\n"
    async with _place():
        reply, complaint = await _run(
            trial if _unprotected.get() else [*_walls(limits.disk), *trial], request, len(cases) * limits.wall
        )
    try:
        verdicts = [_verdict(*one) for one in json.loads(reply)]
    except ValueError as error:
        raise VerifierError(f"the sandbox ended without a verdict: {complaint or 'no message'}; {INSTALL}") from error
    return verdicts


def _verdict(kind: str, detail: str) -> Verdict:
    """A test written by a model may have forged its own verdict: its kind is one of ours, or it is a crash."""
    known: tuple[Kind, ...] = get_args(Kind)
    return Verdict(next((one for one in known if one == kind), "crash"), detail)


async def _run(command: list[str], request: bytes, seconds: float) -> tuple[bytes, str]:
    """Start it, send the request, and give its standard output and error. Its input stays open: closing that ends it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(seconds + SECONDS_TO_START):
            process.stdin.write(request)
            with suppress(ConnectionError):
                await process.stdin.drain()
            reply, complaint = await asyncio.gather(process.stdout.read(), process.stderr.read())
            await process.wait()
    except TimeoutError as error:
        raise VerifierError(f"the sandbox did not end within {seconds + SECONDS_TO_START:g} s") from error
    finally:
        await asyncio.shield(_end(process))
    return reply, complaint.decode(errors="replace").strip()[-500:]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it end by closing its input, which takes every process in it along; kill it if it does not."""
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 5.0)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _walls(disk: int) -> list[str]:
    """The command that puts what follows into the sandbox; raises VerifierError without bubblewrap."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise VerifierError(f"`bwrap` is not installed; {INSTALL}")
    mounts = [word for path in (*LIBRARIES, *_prefix()) for word in ("--ro-bind-try", path, path)]
    return [
        *_unprivileged(bubblewrap),
        *(bubblewrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1"),
        *("--hostname", "sandbox", "--cap-drop", "ALL", *mounts, "--proc", "/proc", "--dev", "/dev"),
        *("--size", str(disk), "--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"),
    ]


def _unprivileged(bubblewrap: str) -> list[str]:
    """As root, become `nobody` first, whose processes the kernel limits; a private mount lets it read a Python under `/root`."""
    if os.geteuid() != 0:
        return []
    prefix = _prefix()[0]
    top, *folders = [str(folder) for folder in reversed(Path(prefix).parents)][1:] or ["/usr"]
    parents = [word for folder in folders for word in ("--dir", folder)]
    shown = [] if top == "/usr" else ["--tmpfs", top, *parents, "--ro-bind", prefix, prefix]
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig", "keep"]
    return [bubblewrap, "--die-with-parent", "--dev-bind", "/", "/", *shown, *become]


def _python() -> str:
    """The interpreter that a virtual environment is made of: only its standard library is inside."""
    return os.path.realpath(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))


def _prefix() -> tuple[str, ...]:
    """What to mount of Python besides the system's libraries: its folder, or its one file where that folder is `/usr`."""
    return (_python(),) if sys.base_prefix == "/usr" else (sys.base_prefix,)


@cache
def _trial() -> str:
    return Path(__file__).with_name("trial.py").read_text(encoding="utf-8")


_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def _place() -> AsyncIterator[None]:
    """One of as many places as there are cores, in this event loop."""
    async with _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(os.cpu_count() or 1)):
        yield
