"""Scores a dataset of Ray Data on all the workers of a cluster.

>>> import ray, stance.ray
>>> stance.ray.score(ray.data.read_parquet("s3://news/"), "s3://scored/news", keep=["date"])
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _parts
from ._classifier import Classifier, TableOptions, _table
from ._parts import Marker, Summary
from ._storage import Storage

if TYPE_CHECKING:
    import ray.data
    from typing_extensions import Unpack

__all__ = ["Summary", "score"]


def score(
    dataset: ray.data.Dataset,
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    dtype: str = "f32",
    registry: Iterable[str | os.PathLike[str]] = (),
    workers: int | tuple[int, int] | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    part_rows: int = 4096,
    overwrite: bool = False,
    **asked: Unpack[TableOptions],
) -> Summary:
    """Scores every row into Parquet files below ``output``, each row once.

    ``output`` is a folder that driver and workers see, or an address of an object store. Workers
    are actors that load the model once; ``workers`` is how many, or from how many to how many, and
    without it as many as the cluster has room for, also when it grows meanwhile. ``asked`` are
    columns, actors and options as in :meth:`stance.Classifier.score_arrow`.

    A worker that dies is replaced, and its part is scored again. When the driver dies, the same
    call goes on with what was committed; a run that is done returns its summary at once. Another
    model or other settings for the same output raise ``StanceError`` ``journal_mismatch``. The
    rows of a part come to the bytes that ``stance score`` writes for them.
    """
    import ray.data

    if part_rows < 1:
        raise ValueError("part_rows must be at least 1")
    arguments: dict[str, Any] = {
        "path_or_hub_id": None if model is None else os.fspath(model),
        "device": device,
        "dtype": dtype,
        "registry": [os.fspath(file) for file in registry],
    }
    settings = _table(asked)
    storage = Storage(output)
    known = Classifier.load(**{**arguments, "device": "cpu"}).model
    record = {
        "model": vars(known),
        "dtype": dtype,
        "registry": [Path(file).read_text("utf-8") for file in arguments["registry"]],
        "part_rows": part_rows,
        "asked": json.loads(settings),
    }
    done = _parts.begin(storage, record, overwrite)
    if done is not None:
        return done
    # The same parts however often the run is begun: rows in their order, cut by their number.
    dataset = dataset.repartition(target_num_rows_per_block=part_rows, **_strict(dataset))
    dataset.context.execution_options.preserve_order = True
    if workers is None:
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=None)
    elif isinstance(workers, int):
        pool = ray.data.ActorPoolStrategy(size=workers)
    else:
        pool = ray.data.ActorPoolStrategy(min_size=workers[0], max_size=workers[1])
    results = dataset.map_batches(
        _Worker,
        fn_constructor_args=(arguments, settings, os.fspath(output), cpus_per_worker),
        batch_size=part_rows,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=pool,
        num_cpus=cpus_per_worker,
        num_gpus=gpus_per_worker or None,
    )
    parts, resumed = [], 0
    for row in results.iter_rows():
        if row.pop("resumed"):
            resumed += row["scored"] + row["failed"]
        parts.append(Marker(**row))
    return _parts.finish(storage, parts, resumed)


def _strict(dataset: ray.data.Dataset) -> dict[str, Any]:
    """Versions of Ray that cut blocks only roughly by rows unless told otherwise are told so."""
    import inspect

    known = inspect.signature(dataset.repartition).parameters
    return {"strict": True} if "strict" in known else {}


class _Worker:
    """An actor with a model."""

    def __init__(self, arguments: dict[str, Any], asked: str, output: str, cpus: float) -> None:
        # Read when the first thread starts; a worker is to use no more than Ray gave it.
        os.environ["RAYON_NUM_THREADS"] = str(max(1, int(cpus)))
        self._model = Classifier.load(**arguments)
        self._asked = asked
        self._storage = Storage(output)

    def __call__(self, table: pa.Table) -> dict[str, list[Any]]:
        if table.num_rows == 0:
            return {name: [] for name in ("key", "scored", "failed", "bytes", "resumed")}
        (batch,) = table.combine_chunks().to_batches()
        key = _parts.key(batch)
        marker = _parts.committed(self._storage, key)
        resumed = marker is not None
        if marker is None:
            result = self._model._loaded.score_part(batch, key, 1, self._asked)
            marker = _parts.commit(self._storage, key, *result)
        return {**{name: [value] for name, value in vars(marker).items()}, "resumed": [resumed]}
