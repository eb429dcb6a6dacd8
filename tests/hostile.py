"""Hostile programs, by what they try. Each defines `double`, or claims to have."""

FORGERIES = {
    "equal to everything": r"""
class E:
    def __eq__(s, o): return True
    def __ne__(s, o): return False
def double(x): return E()
""",
    "an integer equal to all": r"""
class E(int):
    def __eq__(s, o): return True
def double(x): return E(1)
""",
    "patched builtins": r"""
import builtins
builtins.AssertionError = Exception
builtins.all = builtins.int = lambda *x: True
def double(x): return 0
""",
    "hidden builtins": r"""
all = isinstance = len = lambda *x: True
def double(x): return 0
""",
    "os._exit(0)": r"""
import os
def double(x): os._exit(0)
""",
    "os._exit(0) at once": r"""
import os
os._exit(0)
""",
    "sys.exit": r"""
import sys
sys.exit(0)
""",
    "a verdict on every descriptor": r"""
import os
def double(x):
    for fd in range(64):
        for text in (b'[["passed", ""]]\n', b'["passed", ""]\n'):
            try: os.write(fd, text)
            except OSError: pass
    os._exit(0)
""",
    "an answer of its own making": r"""
import os, sys
def double(x):
    os.write(int(sys.argv[-1]), b'["value", 41]\n')
    os._exit(0)
""",
    "descriptors of other processes": r"""
import os, glob
def double(x):
    for path in glob.glob('/proc/[0-9]*/fd/*'):
        try:
            if path.split('/')[2] != str(os.getpid()): open(path, 'wb', 0).write(b'[["passed", ""]]')
        except OSError: pass
    return 0
""",
    "no tests": r"""
def check(candidate): pass
def double(x): return 0
""",
    "an exit hook": r"""
import atexit, os
atexit.register(lambda: os.write(1, b'[["passed", ""]]'))
raise SystemExit
""",
}
"""They answer nothing right, and try to pass."""

BOMBS = {
    "fork bomb": r"""
import os
def double(x):
    while True:
        try: os.fork()
        except OSError: pass
""",
    "fork bomb that raises": r"""
import os
def double(x):
    while True: os.fork()
""",
    "threads": r"""
import threading, time
def double(x):
    for _ in range(999): threading.Thread(target=time.sleep, args=(99,)).start()
""",
    "disk filler": r"""
def double(x):
    for n in range(999): open(f'/tmp/{n}', 'wb').write(bytes(1 << 19))
""",
    "one large file": r"""
def double(x):
    with open('/tmp/x', 'wb') as f:
        while True: f.write(bytes(1 << 19))
""",
    "10 GB": r"""
def double(x): return len(bytearray(10 ** 10))
""",
    "memory by many processes": r"""
import os, time
def double(x):
    for _ in range(8):
        if not os.fork():
            kept = bytearray(b'x') * (120 << 20)
            time.sleep(99)
    time.sleep(99)
""",
    "infinite answer": r"""
def double(x): return 'x' * (1 << 24)
""",
    "socket": r"""
import socket
def double(x): socket.create_connection(('1.1.1.1', 53), 2)
""",
    "write to the system": r"""
def double(x): open('/usr/lib/x', 'w')
""",
    "write to the root": r"""
def double(x): open('/x', 'w')
""",
    "write to a device folder": r"""
def double(x): open('/dev/shm/x', 'w')
""",
    "more rights": r"""
import ctypes
def double(x): return 42 if ctypes.CDLL(None).unshare(0x10000000) == 0 else 0
""",
    "write to the kernel": r"""
def double(x): open('/proc/sys/kernel/core_pattern', 'w')
""",
    "signal to the first process": r"""
import os, signal
def double(x):
    os.kill(1, signal.SIGKILL)
    os.kill(1, signal.SIGSTOP)
    return 0
""",
    "signal to the parent": r"""
import os, signal, time
def double(x):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(99)
""",
    "signal to all": r"""
import os, signal
def double(x):
    os.kill(-1, signal.SIGKILL)
    return 0
""",
    "endless recursion": r"""
def double(x): return double(x)
""",
    "deep answer": r"""
def double(x):
    deep = []
    for _ in range(10 ** 5): deep = [deep]
    return deep
""",
    "no end": r"""
def double(x):
    while True: pass
""",
    "sleep": r"""
import time
def double(x): time.sleep(99)
""",
}
"""They take, break or reach for what is not theirs."""

DENIED = {
    "fork bomb that raises",
    "threads",
    "disk filler",
    "one large file",
    "10 GB",
    "memory by many processes",
    "infinite answer",
    "socket",
    "write to the system",
    "write to the root",
    "write to a device folder",
    "write to the kernel",
}
"""The bombs that the sandbox must name as such."""

SEGMENTS = r"""
import ctypes, time
def double(x):
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmdt.argtypes = [ctypes.c_void_p]
    for _ in range(64):
        segment = libc.shmget(0, 64 << 20, 0o1600)
        address = libc.shmat(segment, None, 0)
        ctypes.memset(address, 1, 64 << 20)
        libc.shmdt(address)
        time.sleep(0.1)
    return 42
"""
"""Memory that belongs to no process."""

READ_JUDGE = r"""
import os
def double(x):
    seen = []
    for pid in (1, os.getppid()):
        for name in ("mem", "environ", "maps", "fd"):
            try:
                os.listdir(f"/proc/{pid}/fd") if name == "fd" else open(f"/proc/{pid}/{name}", "rb").read(1)
                seen.append((pid, name))
            except OSError:
                pass
    return seen
"""

READ_ITSELF = r"""
import re
def double(x):
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(one, 16) for one in line.split()[0].split("-"))
            if " rw" in line and end - start < 1 << 26:
                memory.seek(start)
                found = re.search(rb"zebra-\d{4}", memory.read(end - start))
                if found:
                    return found[0].decode()
"""
