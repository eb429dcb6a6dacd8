"""Where a task's data lies: in the folder that `PONDER_DATA` names, else on the Hugging Face hub, else here is how to get it."""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ponder.errors import InputError


def local(relative: str) -> Path | None:
    """The file `relative` of the folder `PONDER_DATA`, if both are there."""
    folder = os.environ.get("PONDER_DATA")
    path = Path(folder, relative) if folder else None
    return path if path and path.is_file() else None


def benchmark(relative: str, hub: str, config: str = "default", split: str = "test") -> list[dict[str, Any]]:
    """A benchmark's rows: from the local file `relative`, else from the data set `hub`. Raises InputError if it is in neither.

    A `hub` that is an address (`https://…`) is no data set, but where the file is to be had.
    """
    path = local(relative)
    if path is not None:
        return [row for _, row in rows(path)]
    if hub.startswith("https://"):
        raise InputError(f"{relative} is not there: set PONDER_DATA to a folder that holds it; it is to be had at {hub}")
    try:
        from datasets import load_dataset

        return [dict(row) for row in load_dataset(hub, config, split=split)]
    except Exception as error:
        raise InputError(
            f"`{hub}` ({split}) cannot be loaded: {type(error).__name__}: {error}; set PONDER_DATA to a folder that holds "
            f'{relative}, or connect to the Hugging Face hub after: pip install "ponder[tasks]"'
        ) from error


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a `.jsonl`, `.json` or `.csv` file, plain or `.gz`, each with its line number (in `.json` its place in the list).

    Blank lines are left out.

    Raises InputError that names the file, the line, the value and the remedy.
    """
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in _READERS:
        raise InputError(f"cannot tell what `{path}` holds: its name must end in .{', .'.join(_READERS)}, plain or .gz")
    try:
        raw = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8 (byte {raw[error.start]:#04x}); save the file as UTF-8") from error
    except (OSError, EOFError) as error:
        raise InputError(f"cannot read `{path}`: {error}; check the path given with --data") from error
    yield from _READERS[kind](path, text)


def _json(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}; if it holds one object a line, call it .jsonl") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError(f'{path}: not a JSON list of objects: {text.strip()[:60]!r}; write [{{"question": …, "answer": …}}, …]')
    yield from enumerate(found, 1)


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}:{number}: not JSON: {line.strip()[:60]!r} ({error}); write one object a line") from error
            if not isinstance(row, dict):
                raise InputError(f'{path}:{number}: not a JSON object: {line.strip()[:60]!r}; write {{"question": …, "answer": …}}')
            yield number, row


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), restkey="", restval=None, strict=True)
    try:
        for row in reader:
            if "" in row or None in row.values():
                width = len(reader.fieldnames or ())
                raise InputError(
                    f"{path}:{reader.line_num}: the row {list(row.values())!r:.60} does not have the header's {width} columns; "
                    f'put values that hold commas or line breaks in "quotes"'
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV: {error}; check its quotes, or use .jsonl") from error


_READERS = {"jsonl": _jsonl, "json": _json, "csv": _csv}
