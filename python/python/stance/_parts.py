"""What is committed of a run on a cluster.

A part is what a worker scores at once, and is named by the hash of its rows: who scores it, when
and how often makes no difference. A part counts when its marker is there, which is written last.
At the end the driver knows which parts the input has; what else lies there (parts of an attempt
that cut the input elsewhere) is removed before the run is marked as done.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
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
    that an earlier run had committed. Rows that could not be scored are in ``errors``, a line of
    JSON each.
    """

    scored: int
    failed: int
    resumed: int
    files: tuple[str, ...]
    errors: tuple[str, ...]


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


def data_name(key: str) -> str:
    """The file of a part's rows."""
    return f"part-{key}.parquet"


def committed(storage: Storage, key: str) -> Marker | None:
    """The marker of a part, when the part is there whole."""
    text = storage.read(f"{_MARKERS}/{key}.json")
    if text is None:
        return None
    marker = Marker(**json.loads(text))
    return marker if storage.size(data_name(key)) == marker.bytes else None


def commit(
    storage: Storage, key: str, parquet: bytes, errors: bytes, scored: int, failed: int
) -> Marker:
    """Writes a part and, when everything of it is there, its marker."""
    if failed:
        storage.write(f"{_ERRORS}/{key}.jsonl", errors)
    storage.write(data_name(key), parquet)
    marker = Marker(key, scored, failed, len(parquet))
    storage.write(f"{_MARKERS}/{key}.json", json.dumps(asdict(marker)).encode())
    return marker


def begin(storage: Storage, settings: dict[str, Any], overwrite: bool) -> Summary | None:
    """Begins a run, or finds the one with these settings; its summary, when it is done."""
    settings = {"stance": __version__, **settings}
    if overwrite:
        # The mark first: without it nobody takes what is left for an output.
        for name in (_SUCCESS, _MANIFEST, _SETTINGS):
            storage.delete(name)
        for folder in (_MARKERS, _ERRORS, ""):
            for name in storage.names(folder):
                storage.delete(name)
    text = storage.read(_SETTINGS)
    if text is None:
        others = storage.names()
        if others:
            raise StanceError(
                "output_exists", f"{others[0]} is there already; overwrite=True replaces it"
            )
        storage.write(_SETTINGS, json.dumps(settings, sort_keys=True, indent=1).encode())
        return None
    before = json.loads(text)
    names = sorted(before.keys() | settings.keys())
    different = [
        f"{name}: {before.get(name)!r}, now {settings.get(name)!r}"
        for name in names
        if before.get(name) != settings.get(name)
    ]
    if different:
        raise StanceError(
            "journal_mismatch",
            f"the output was begun with other settings: {'; '.join(different)}; "
            "give the same again, or overwrite=True to begin anew",
        )
    if storage.size(_SUCCESS) is None:
        return None
    manifest = json.loads(storage.read(_MANIFEST) or b"{}")
    summary = Summary(
        scored=manifest["scored"],
        failed=manifest["failed"],
        resumed=manifest["scored"] + manifest["failed"],
        files=tuple(manifest["files"]),
        errors=tuple(manifest["errors"]),
    )
    missing = [name for name in summary.files if storage.size(name) is None]
    if missing:
        raise StanceError("output_changed", f"{missing[0]} is missing; overwrite=True begins anew")
    return summary


def finish(storage: Storage, parts: list[Marker], resumed: int) -> Summary:
    """Ends a run whose parts are all committed, in the order of the input."""
    seen: Counter[str] = Counter()
    files, errors = [], []
    for part in parts:
        again = seen[part.key]
        seen[part.key] += 1
        name = data_name(part.key)
        if again:
            # The input has the same rows twice, and so has the output.
            content = storage.read(name)
            name = f"part-{part.key}-{again}.parquet"
            storage.write(name, content or b"")
        files.append(name)
        if part.failed:
            errors.append(f"{_ERRORS}/{part.key}.jsonl")
    kept = {*files, *errors, *(f"{_MARKERS}/{part.key}.json" for part in parts)}
    for folder in (_MARKERS, _ERRORS, ""):
        for name in storage.names(folder):
            if name not in kept:
                storage.delete(name)
    summary = Summary(
        scored=sum(part.scored for part in parts),
        failed=sum(part.failed for part in parts),
        resumed=resumed,
        files=tuple(files),
        errors=tuple(errors),
    )
    storage.write(_MANIFEST, json.dumps(asdict(summary), indent=1).encode())
    storage.write(_SUCCESS, b"")
    return summary
