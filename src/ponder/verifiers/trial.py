"""What runs inside the sandbox: one program is tried against its tests. Only the standard library, in one file.

Three kinds of process share no memory, so that a program can fail in every way but cannot say that it passed:

- the *clerk*, process 1 of the sandbox, which none of the others can signal, trace or read: it starts a judge for each test, keeps
  the time and the memory, kills whatever is left after each test, and alone holds the descriptor that verdicts leave by;
- the *judge*, forked for each test, knows the expected answers, and runs the test's own code; for tests that are tried together it
  lives until one goes wrong otherwise than by a wrong answer;
- the *witness*, a new interpreter, runs the program and knows nothing else. It is called through a pipe, and only plain data come
  back: its patched builtins, or an object equal to everything, do not reach the judge.
"""

import builtins
import contextlib
import errno
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Container, Iterator
from types import ModuleType
from typing import Any, NoReturn

POLL = 0.05
PATIENCE = 3  # timeouts after which a program is not tried on, where cases are tried together
LONGEST_DETAIL = 200
REFUSALS = {
    *(errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH),  # rights, files, network
    *(errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EFBIG, errno.EMFILE),  # processes, memory, disk, output, descriptors
}

Limits = dict[str, float]
Verdict = tuple[str, str]


# The clerk.


def clerk() -> None:
    """Read one request from standard input, write the verdicts to standard output; leave at once when the input closes."""
    _conceal()
    request = b""
    while not request.endswith(b"\n"):
        part = os.read(0, 1 << 20)
        if not part:
            os._exit(1)
        request += part
    program, cases, limits, together = json.loads(request)
    verdicts = list[Verdict]()
    while len(verdicts) < len(cases):
        verdicts += _try(program, cases[len(verdicts) :][: None if together else 1], limits)
        if together and sum(kind == "timeout" for kind, _ in verdicts) >= PATIENCE:
            verdicts += [("timeout", f"not tried after {PATIENCE} timeouts")] * (len(cases) - len(verdicts))
    with open(1, "wb") as out:
        out.write(json.dumps(verdicts).encode())


def _conceal() -> None:
    """Make this process and its forks unreadable and untraceable for others of the same user (prctl PR_SET_DUMPABLE)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def _try(program: str, cases: list[dict[str, Any]], limits: Limits) -> list[Verdict]:
    """The verdicts of one judge: at least one, and the last may be that it was ended."""
    verdicts, stand = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(verdicts)
        _judge(program, cases, limits, stand)
    os.close(stand)
    given = list(_watch(verdicts, len(cases), limits))
    os.close(verdicts)
    _end(pid)
    return given


def _watch(verdicts: int, count: int, limits: Limits) -> Iterator[Verdict]:
    """Up to `count` verdicts as they come, each within the wall time; the last may be why the judge was ended.

    A judge that ends by itself after some verdicts leaves the next case to another one.
    """
    end, heard, left = time.monotonic() + limits["wall"], b"", count
    while time.monotonic() < end:
        ready, _, _ = select.select([verdicts, 0], [], [], POLL)
        if 0 in ready:
            os._exit(1)  # whoever asked is gone
        if ready:
            part = os.read(verdicts, select.PIPE_BUF)
            *lines, heard = (heard + part).split(b"\n")
            yield from map(_read_verdict, lines[:left])
            left -= len(lines)
            over = not part or len(heard) > select.PIPE_BUF
            if over and left == count:
                yield "crash", "the test's process was ended"
            if over or left <= 0:
                return
            end = time.monotonic() + limits["wall"] if lines else end
        if os.getpid() == 1 and _memory() > limits["memory"]:
            yield "denied", f"its processes together used more than {limits['memory'] / 2**20:.0f} MiB of memory"
            return
    yield "timeout", f"not done after {limits['wall']:g} s"


def _read_verdict(text: bytes) -> Verdict:
    try:
        kind, detail = json.loads(text)
        return str(kind), str(detail)
    except (ValueError, TypeError):
        return "crash", "the test's process spoke nonsense"


def _memory() -> int:
    """Bytes resident in all processes, and in System V segments, which outlive them."""
    pages = segments = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and name != "1":
                with open(f"/proc/{name}/statm") as statm:
                    pages += int(statm.read().split()[1])
    with contextlib.suppress(OSError), open("/proc/sysvipc/shm") as shm:
        segments = sum(int(line.split()[14]) for line in list(shm)[1:])
    return pages * resource.getpagesize() + segments


def _end(judge: int) -> None:
    """Kill everything but the clerk. Only process 1 may mean "everything": outside a sandbox it is the judge's session."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(judge, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


# The judge.


class Testimony(Exception):
    """The witness failed: `kind` is the verdict this leads to."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Ended(Testimony):
    """The witness's process ended by itself, without a fault: for a script, that is as it should be."""


class Raised(Testimony):
    """The program raised an exception: it can be called again."""


def _judge(program: str, cases: list[dict[str, Any]], limits: Limits, stand: int) -> NoReturn:
    try:
        os.setsid()
        void = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(void, descriptor)
        _limit(limits)
        sys.set_int_max_str_digits(0)
        for kind, detail in _verdicts(program, cases, limits):
            os.write(stand, json.dumps((kind, detail[:LONGEST_DETAIL])).encode() + b"\n")
    finally:
        os._exit(0)


def _limit(limits: Limits) -> None:
    """Limits for the judge and, by inheritance, the witness and its children; outside a sandbox, processes can't be counted."""
    cpu, memory, size = int(limits["cpu"]), int(limits["memory"]), int(limits["output"])
    chosen = {"AS": memory, "FSIZE": size, "NOFILE": 64, "CORE": 0, "MSGQUEUE": 0, "NPROC": int(limits["processes"])}
    if os.getppid() != 1:
        del chosen["NPROC"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))  # a signal of its own first, so that `_wait` knows the reason
    for name, value in chosen.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system has them all
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _verdicts(program: str, cases: list[dict[str, Any]], limits: Limits) -> Iterator[Verdict]:
    """One for each case, up to the first that leaves no program to ask."""
    library: Witness | None = None
    for case in cases:
        try:
            if "code" in case:
                library = library or Witness(program, limits)
                exec(compile(case["code"], "<test>", "exec"), {"__name__": "test", **library.names(case["hides"])})
                yield "passed", ""
            else:
                printed = _printed(program, case["given"], limits)
                wrong = f"it printed {printed[:60]!r}, and not {case['expected'][:60]!r}"
                yield ("passed", "") if _same(printed, case["expected"]) else ("failed", wrong)
        except Raised as error:
            yield error.kind, str(error)
        except Testimony as error:
            yield error.kind, str(error)
            return
        except BaseException as error:  # noqa: BLE001 - a test fails by raising, whatever it raises
            yield "failed", f"{type(error).__name__}: {error}".removesuffix(": ")


class Witness:
    """A new interpreter with the program in it; what it defines can be called."""

    def __init__(self, program: str, limits: Limits, files: tuple[int, int] | None = None) -> None:
        self.limits = limits
        self._defined: dict[str, Any] | Raised | None = None
        hear, tell = os.pipe()
        listen, say = os.pipe()
        os.set_inheritable(hear, True)
        os.set_inheritable(say, True)
        actions = [(os.POSIX_SPAWN_DUP2, one, target) for target, one in enumerate(files or ())]
        role = "script" if files else "library"
        command = [*sys.orig_argv, role, str(hear), str(say)]
        self.pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
        os.close(hear)
        os.close(say)
        self._tell, self._listen = open(tell, "wb"), open(listen, "rb")  # noqa: SIM115 - they live as long as the process
        self.send(program)

    def send(self, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # why it ended is told by `hear`
            self._tell.write(json.dumps(message).encode() + b"\n")
            self._tell.flush()

    def hear(self) -> Any:
        """What it answers; raises Testimony if it raised, ended, or said something else."""
        line = self._listen.readline(int(self.limits["output"]) + 1)
        if len(line) > self.limits["output"]:
            raise Testimony("denied", f"an answer of more than {self.limits['output']:g} bytes")
        if not line:
            self._wait()
            raise Ended("crash", "the program ended its process")
        try:
            kind, value = json.loads(line)
            if kind == "value":
                return self._decode(value)
            described, refused = value
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Testimony("crash", f"the program's process answered nonsense: {line[:60]!r}") from error
        raise Raised("denied" if refused else "crash", str(described))

    def _wait(self) -> None:
        """Wait for its end; raises Testimony unless that was a clean one."""
        _, status, used = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if -code == signal.SIGXCPU or (-code == signal.SIGKILL and used.ru_utime + used.ru_stime > self.limits["cpu"]):
            raise Testimony("timeout", f"more than {self.limits['cpu']:g} s of processor time")
        if -code == signal.SIGXFSZ:
            raise Testimony("denied", "too much output")
        if code:
            raise Testimony("crash", f"its process was ended by signal {-code}" if code < 0 else f"exit code {code}")

    def names(self, hides: Container[str]) -> dict[str, Any]:
        """What the program defines; of what would hide a builtin from the test, only what `hides` allows."""
        if self._defined is None:
            try:
                self._defined = self.hear()
            except Testimony as error:  # it would begin no better another time
                self._defined = Raised(error.kind, str(error))
        if isinstance(self._defined, Raised):
            raise self._defined
        return {name: value for name, value in self._defined.items() if name in hides or not hasattr(builtins, name)}

    def _decode(self, value: Any) -> Any:
        return decode(value, lambda reference: Reference(self, reference))


class Reference:
    """Something that is no plain data and stays with the witness: it can be called and handed back."""

    def __init__(self, witness: Witness, number: int) -> None:
        self.witness, self.number = witness, number

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.witness.send(encode((self.number, arguments, named), self._number))
        return self.witness.hear()

    def _number(self, value: Any) -> int:
        if isinstance(value, Reference):
            return value.number
        raise TypeError(f"a {type(value).__name__} cannot be handed to the program")


def _printed(program: str, given: str, limits: Limits) -> str:
    """What the program prints when it is run as a script with `given` as its input."""
    import tempfile

    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(given.encode())
        source.seek(0)
        witness = Witness(program, limits, (source.fileno(), target.fileno()))
        with contextlib.suppress(Ended):
            witness.hear()
        target.seek(0)
        return target.read(int(limits["output"])).decode(errors="replace")


def _same(printed: str, expected: str) -> bool:
    """Equal word by word; two numbers are equal up to a millionth (absolute or relative), if one of them has a decimal point."""
    words, wanted = printed.split(), expected.split()
    return len(words) == len(wanted) and all(map(_same_word, words, wanted))


def _same_word(word: str, wanted: str) -> bool:
    if word == wanted or "." not in word + wanted:
        return word == wanted
    try:
        return abs(float(word) - float(wanted)) <= 1e-6 * max(1.0, abs(float(wanted)))
    except ValueError:
        return False


# The witness.


def witness(role: str, hear: int, say: int) -> None:
    """Run the program; as a library, then answer calls until there are no more."""
    sys.set_int_max_str_digits(0)
    asked, answered = open(hear, "rb"), open(say, "wb")  # noqa: SIM115 - they live as long as the process
    module = ModuleType("__main__" if role == "script" else "program")
    sys.modules[module.__name__] = module
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # as the module `site`, which is not loaded, would
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    def answer(kind: str, value: Any) -> None:
        answered.write(json.dumps([kind, value]).encode() + b"\n")
        answered.flush()

    def attempt(action: Any) -> bool:
        try:
            value = encode(action(), keep)
        except BaseException as error:
            if role == "script" and isinstance(error, SystemExit):
                raise
            refused = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in REFUSALS)
            refused = refused or "can't start new thread" in str(error)
            answer("raised", [f"{type(error).__name__}: {error}"[:LONGEST_DETAIL], refused])
            return False
        if role == "library":
            answer("value", value)
        return True

    def start() -> Any:
        exec(compile(json.loads(asked.readline()), "<program>", "exec"), vars(module))
        with contextlib.suppress(AttributeError, ValueError):  # it may have been closed, or replaced
            sys.stdout.flush()
        return {name: value for name, value in vars(module).items() if not name.startswith("__")} if role == "library" else None

    def call(line: bytes) -> Any:
        number, arguments, named = decode(json.loads(line), kept.__getitem__)
        return kept[number](*arguments, **named)

    if attempt(start) and role == "library":
        for line in asked:
            attempt(lambda line=line: call(line))


# The wire: plain data as JSON, anything else as a reference that `keep` numbers and `find` finds again.


def encode(value: Any, keep: Any) -> Any:
    """A JSON value; tuples, sets, dictionaries, bytes and complex numbers are told apart by a tag."""
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, float, str):
        if isinstance(value, plain):
            return plain(value)
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, [encode(one, keep) for one in value]]
    if isinstance(value, dict):
        return ["dict", [[encode(key, keep), encode(one, keep)] for key, one in value.items()]]
    if isinstance(value, bytes | bytearray):
        return ["bytes", value.hex()]
    if isinstance(value, complex):
        return ["complex", [value.real, value.imag]]
    if isinstance(value, ModuleType):
        return ["module", value.__name__]
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and getattr(builtins, name, None) is value:
        return ["builtin", name]
    return ["reference", keep(value)]


def decode(value: Any, find: Any) -> Any:
    """The inverse of `encode`. A builtin, and a module of the standard library, is this side's own and not the other's."""
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "reference":
        return find(content)
    if kind == "module":
        return __import__(content) if content in sys.stdlib_module_names else None
    if kind == "builtin":
        return getattr(builtins, content)
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "complex":
        return complex(*content)
    if kind == "dict":
        return {decode(key, find): decode(one, find) for key, one in content}
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](decode(one, find) for one in content)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        witness(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        clerk()
