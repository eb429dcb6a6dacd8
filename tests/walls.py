"""Whether this machine can build the sandbox: bubblewrap is installed, and the system lets it make namespaces."""

import shutil
import subprocess

import pytest


def _missing() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    tried = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    return f"bubblewrap cannot make a sandbox here: {tried.stderr.strip()}" if tried.returncode else ""


MISSING = _missing()
bubblewrap = pytest.mark.skipif(bool(MISSING), reason=MISSING or "it can")
