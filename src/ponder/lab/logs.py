"""Rows of recorded samples, read from the files that others write, one at a time.

JSON lines, JSON and CSV, plain or gzipped; Parquet; the sample logs of lm-eval (`samples_TASK_TIME.jsonl`) and the logs of
inspect_ai (`.eval` and `.json`), which are brought to this project's field names. What cannot be read raises `InputError` with the
file, the line, what is wrong and what to do.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from ponder.errors import InputError, MissingExtra

Row = Mapping[str, Any]

_LM_EVAL = re.compile(r"samples_(.+)_\d{4}-\d{2}-\d{2}T[\d.:-]+\.jsonl(?:\.gz)?")
_METRICS = ("exact_match", "acc", "pass@1", "pass_at_1", "exact_match,none", "prompt_level_strict_acc")
_VERDICTS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # how inspect_ai writes correct, incorrect, partial, no answer


@dataclass(slots=True)
class Reader:
    """Reads one file; `notes` says what was decided on the way.

    `metric` is the lm-eval metric or the inspect_ai scorer that says whether a sample is right, `filtered` the lm-eval filter: by
    default the first of each.
    """

    path: Path
    metric: str | None = None
    filtered: str | None = None
    notes: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Each row with its place, `file:line`."""
        if not self.path.is_file():
            raise InputError(f"there is no file `{self.path}`; give the files of recorded samples")
        kind = self.path.name.lower().removesuffix(".gz").rpartition(".")[2]
        readers: dict[str, Callable[[], Iterator[tuple[str, Row]]]] = {
            "jsonl": self._lines,
            "ndjson": self._lines,
            "json": self._json,
            "csv": self._csv,
            "parquet": self._parquet,
            "eval": self._eval,
        }
        if kind not in readers:
            raise InputError(
                f"cannot tell what `{self.path}` holds: its name must end in {', '.join(f'.{one}' for one in readers)}"
            )
        try:
            yield from readers[kind]()
        except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read `{self.path}`: {error}; check that the file is whole") from error

    def _opened(self) -> BinaryIO:
        if self.path.name.lower().endswith(".gz"):
            return cast(BinaryIO, gzip.open(self.path, "rb"))
        return self.path.open("rb")

    def _lines(self) -> Iterator[tuple[str, Row]]:
        decoder, task = msgspec.json.Decoder(), _LM_EVAL.fullmatch(self.path.name)
        with self._opened() as file:
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                place = f"{self.path}:{number}"
                row = _decoded(place, line.removeprefix(b"\xef\xbb\xbf"), decoder)
                if not isinstance(row, dict):
                    raise InputError(f"{place}: not a JSON object but {line[:60]!r}; write one sample a line as an object")
                if "resps" in row and "doc_id" in row:
                    yield from self._lm_eval(place, task[1] if task else self.path.name, row)
                else:
                    yield place, row

    def _json(self) -> Iterator[tuple[str, Row]]:
        with self._opened() as file:
            whole = _decoded(str(self.path), file.read(), msgspec.json.Decoder())
        if isinstance(whole, dict) and "eval" in whole and "samples" in whole:
            yield from self._inspect(whole["eval"], ((f"{self.path}:{n}", one) for n, one in enumerate(whole["samples"] or [], 1)))
            return
        if not isinstance(whole, list) or not all(isinstance(row, dict) for row in whole):
            raise InputError(
                f"`{self.path}` is neither a list of objects nor a log of inspect_ai; write one sample a line as .jsonl"
            )
        yield from ((f"{self.path}:{number}", row) for number, row in enumerate(whole, 1))

    def _csv(self) -> Iterator[tuple[str, Row]]:
        with self._opened() as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, restkey="", strict=True)
            try:
                for row in reader:
                    place = f"{self.path}:{reader.line_num}"
                    if "" in row or None in row.values():
                        width = len(reader.fieldnames or ())
                        raise InputError(
                            f"{place}: {list(row.values())!r:.60} does not have the header's {width} columns; quote it"
                        )
                    yield place, {name: None if value == "" else value for name, value in row.items()}
            except csv.Error as error:
                raise InputError(f"{self.path}:{reader.line_num}: not CSV: {error}; check its quotes, or use .jsonl") from error

    def _parquet(self) -> Iterator[tuple[str, Row]]:
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise MissingExtra("pyarrow", "files") from None
        try:
            number = 0
            for batch in ParquetFile(self.path).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{self.path}:{number}", row
        except pyarrow.ArrowException as error:
            raise InputError(f"cannot read `{self.path}` as Parquet: {error}; check that the file is whole") from error

    def _lm_eval(self, place: str, task: str, row: Row) -> Iterator[tuple[str, Row]]:
        """A line is a question and a filter; its repeats become a sample each."""
        name = str(row.get("filter"))
        if self.filtered is None:
            self.filtered = name
        if name != self.filtered:
            note = f"{self.path}: of several filters only `{self.filtered}` is read; choose one with --filter"
            if note not in self.notes:
                self.notes.append(note)
            return
        problem, asked = {"problem": f"{task}/{row['doc_id']}", "reference": row.get("target")}, row["resps"]
        verdict = row.get(self._metric(place, row))
        if len(asked) > 1:  # one request for each option: the likeliest is the answer
            scores = [float(one[0] if isinstance(one, list) else one) for one in row["filtered_resps"]]
            yield place, problem | {"answer": str(max(range(len(scores)), key=scores.__getitem__)), "correct": verdict}
            return
        kept = row["filtered_resps"][0] if row["filtered_resps"] else None
        several = isinstance(kept, list) and len(kept) == len(asked[0])
        for number, text in enumerate(asked[0]):
            sample: dict[str, Any] = problem | {"text": text}
            answer = kept[number] if isinstance(kept, list) and several else kept if len(asked[0]) == 1 else text
            if answer != text:
                sample["answer"] = None if answer == "[invalid]" else answer
            if len(asked[0]) == 1 or isinstance(verdict, list):
                sample["correct"] = verdict[number] if isinstance(verdict, list) else verdict
            yield place, sample

    def _metric(self, place: str, row: Row) -> str:
        """The name of the metric that says whether the sample is right."""
        if self.metric is None:
            named = [str(name) for name in row.get("metrics") or ()]
            self.metric = next((name for name in _METRICS if name in named), named[0] if named else None)
            if len(named) > 1:
                self.notes.append(
                    f"{self.path}: of the metrics {', '.join(named)} `{self.metric}` is read; choose one with --metric"
                )
        if self.metric is None or self.metric not in row:
            raise InputError(f"{place}: no metric `{self.metric}` among {row.get('metrics')}; choose one with --metric")
        return self.metric

    def _eval(self) -> Iterator[tuple[str, Row]]:
        with zipfile.ZipFile(self.path) as archive:
            if any(entry.compress_type == 93 for entry in archive.infolist()) and not hasattr(zipfile, "ZIP_ZSTANDARD"):
                try:
                    import zipfile_zstd  # noqa: F401 - teaches zipfile the compression of recent logs
                except ImportError:
                    raise MissingExtra("zipfile-zstd", "files") from None
            names = archive.namelist()
            header = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
            if header is None:
                raise InputError(f"`{self.path}` is no log of inspect_ai: it holds no header.json")
            samples = (name for name in names if name.startswith("samples/") and name.endswith(".json"))
            decoder = msgspec.json.Decoder(_Sample)
            told = _decoded(f"{self.path}!{header}", archive.read(header), msgspec.json.Decoder())
            places = ((f"{self.path}!{name}", name) for name in samples)
            read = ((place, _decoded(place, archive.read(name), decoder)) for place, name in places)
            yield from self._inspect(told["eval"], read)

    def _inspect(self, told: Row, samples: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Row]]:
        """Each epoch of a sample is a sample; one that failed before it was scored stays in, as wrong."""
        failed = 0
        for place, raw in samples:
            one = raw if isinstance(raw, _Sample) else msgspec.convert(raw, _Sample)
            row: dict[str, Any] = {"problem": f"{told.get('task', '')}/{one.id}", "model": told.get("model")}
            row |= {
                "reference": one.target if isinstance(one.target, str) else "\n".join(one.target),
                "text": one.output.completion,
            }
            used = [int(usage.get("output_tokens", 0)) for usage in one.model_usage.values()]
            row["tokens"] = sum(used) if used else None
            score = self._scorer(one.scores or {})
            if score is None:
                failed += 1
                row |= {"correct": 0.0, "answer": None}
            else:
                row["correct"] = _VERDICTS.get(score.value, score.value) if isinstance(score.value, str) else score.value
                if score.answer is not None and _plain(score.answer) != _plain(one.output.completion):
                    row["answer"] = score.answer  # some scorers write the whole completion
            yield place, row
        if failed:
            self.notes.append(f"{self.path}: {failed} samples were not scored and count as wrong")

    def _scorer(self, scores: Mapping[str, _Score]) -> _Score | None:
        if not scores:
            return None
        if self.metric is None:
            self.metric = next(iter(scores))
            if len(scores) > 1:
                self.notes.append(
                    f"{self.path}: of the scorers {', '.join(scores)} `{self.metric}` is read; choose one with --metric"
                )
        if self.metric not in scores:
            raise InputError(f"{self.path}: no scorer `{self.metric}` among {', '.join(scores)}; choose one with --metric")
        return scores[self.metric]


class _Score(msgspec.Struct):
    value: Any = None
    answer: str | None = None


class _Output(msgspec.Struct):
    completion: str = ""


class _Sample(msgspec.Struct):
    """The few fields of an inspect_ai sample that are wanted; its events are passed over."""

    id: str | int
    target: str | list[str] = ""
    output: _Output = msgspec.field(default_factory=_Output)
    scores: dict[str, _Score] | None = None
    model_usage: dict[str, dict[str, Any]] = {}


def _plain(text: str) -> str:
    return text.strip().casefold()


def _decoded(place: str, text: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """JSON, also with Python's NaN and Infinity."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: not a sample of inspect_ai: {error}; write the log again with a current inspect_ai") from error
    except msgspec.DecodeError:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{place}: not JSON: {text[:60].decode(errors='replace')!r} ({error}); mend or remove the line"
            ) from error
        return value if decoder.type is Any else msgspec.convert(value, decoder.type)
