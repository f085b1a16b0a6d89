"""What is committed of a run on a cluster.

A part is what a worker scores at once, and is named by the hash of its rows: who scores it, when
and how often makes no difference. A part counts when its marker is there, which is written last.
At the end the driver knows which parts the input has; what else was left there (parts of an attempt
that cut the input elsewhere, files that a killed worker had begun) is removed before the run is
marked as done.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from . import __version__
from ._errors import StanceError
from ._storage import Storage

_SETTINGS = "_stance/settings.json"
_MANIFEST = "_stance/manifest.json"
_MARKERS = "_stance/parts"
_ERRORS = "_stance/errors"
_SUCCESS = "_SUCCESS"


@dataclass(frozen=True)
class Summary:
    """What a run came to. ``files`` are its parts in the order of the input, ``resumed`` the rows
    that an earlier run had committed. Rows that could not be scored are in the files ``errors``, a
    line of JSON each.
    """

    scored: int
    failed: int
    resumed: int
    files: list[str]
    errors: list[str]


@dataclass(frozen=True)
class Marker:
    """A committed part."""

    key: str
    scored: int
    failed: int
    bytes: int


def key(batch: pa.RecordBatch) -> str:
    """The hash of the rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
        writer.write_batch(batch.replace_schema_metadata(None))
    return hashlib.sha256(sink.getvalue()).hexdigest()[:32]


def committed(storage: Storage, key: str) -> Marker | None:
    """The marker of a part, when the part is there whole."""
    text = storage.read(_marker_name(key))
    if text is None:
        return None
    marker = Marker(**json.loads(text))
    return marker if storage.size(_data_name(key)) == marker.bytes else None


def marked(storage: Storage) -> set[str]:
    """The keys of the parts that have a marker."""
    return {name.removeprefix(f"{_MARKERS}/")[:-5] for name in storage.names(_MARKERS)}


def commit(
    storage: Storage, key: str, parquet: bytes, errors: bytes, scored: int, failed: int
) -> Marker:
    """Writes a part and, when everything of it is there, its marker."""
    if failed:
        storage.write(_errors_name(key), errors)
    storage.write(_data_name(key), parquet)
    marker = Marker(key, scored, failed, len(parquet))
    storage.write(_marker_name(key), json.dumps(asdict(marker)).encode())
    return marker


def begin(storage: Storage, settings: dict[str, Any], overwrite: bool) -> Summary | None:
    """Begins a run, or finds the one with these settings; its summary, when it is done.

    Raises ``StanceError``: ``output_exists`` where something else lies, ``journal_mismatch`` where
    the run was begun with other settings, ``output_changed`` where files of a run that is done are
    missing.
    """
    settings = {"stance": __version__, **settings}
    if overwrite:
        # The mark first: without it nobody takes what is left for an output.
        for name in (_SUCCESS, _MANIFEST, _SETTINGS, *_left(storage)):
            storage.delete(name)
    text = storage.read(_SETTINGS)
    if text is None:
        others = storage.names()
        if others:
            raise StanceError("output_exists", f"{others[0]} is there already, and of no such run")
        storage.write(_SETTINGS, json.dumps(settings, sort_keys=True, indent=1).encode())
        return None
    before = json.loads(text)
    different = [
        f"{name}: {before.get(name)!r}, now {settings.get(name)!r}"
        for name in sorted(before.keys() | settings.keys())
        if before.get(name) != settings.get(name)
    ]
    if different:
        raise StanceError(
            "journal_mismatch",
            f"the output was begun with other settings: {'; '.join(different)}; "
            "give the same again, or overwrite=True to begin anew",
        )
    return _done(storage) if storage.size(_SUCCESS) is not None else None


def finish(storage: Storage, parts: list[Marker], before: set[str]) -> Summary:
    """Ends a run whose parts are all committed, in the order of the input; those of ``before`` by
    an earlier one.
    """
    seen: Counter[str] = Counter()
    files = []
    for part in parts:
        name = _data_name(part.key)
        if again := seen[part.key]:
            # The input has the same rows twice, and so has the output.
            content = storage.read(name)
            name = _data_name(f"{part.key}-{again}")
            storage.write(name, content or b"")
        seen[part.key] += 1
        files.append(name)
    errors = [_errors_name(part.key) for part in parts if part.failed]
    kept = {*files, *errors, *(_marker_name(part.key) for part in parts)}
    for name in _left(storage):
        if name not in kept:
            storage.delete(name)
    summary = Summary(
        scored=sum(part.scored for part in parts),
        failed=sum(part.failed for part in parts),
        resumed=sum(part.scored + part.failed for part in parts if part.key in before),
        files=files,
        errors=errors,
    )
    storage.write(_MANIFEST, json.dumps(asdict(summary), indent=1).encode())
    storage.write(_SUCCESS, b"")
    return summary


def _done(storage: Storage) -> Summary:
    """The summary of a run that is done, when all of it is still there."""
    text = storage.read(_MANIFEST)
    if text is None:
        missing = [_MANIFEST]
    else:
        summary = Summary(**json.loads(text))
        there = set(_left(storage))
        missing = [name for name in (*summary.files, *summary.errors) if name not in there]
        if not missing:
            return replace(summary, resumed=summary.scored + summary.failed)
    raise StanceError("output_changed", f"{missing[0]} is missing; overwrite=True begins anew")


def _left(storage: Storage) -> list[str]:
    """The files that workers write, whole or begun."""
    data = [name for name in storage.names() if name.startswith(("part-", ".part-"))]
    return [*data, *storage.names(_MARKERS), *storage.names(_ERRORS)]


def _data_name(key: str) -> str:
    return f"part-{key}.parquet"


def _marker_name(key: str) -> str:
    return f"{_MARKERS}/{key}.json"


def _errors_name(key: str) -> str:
    return f"{_ERRORS}/{key}.jsonl"
