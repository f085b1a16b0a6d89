"""Scores a dataset of Ray Data on all the workers of a cluster.

>>> import ray, stance.ray
>>> stance.ray.score(ray.data.read_parquet("s3://news/"), "s3://scored/news", keep=["date"])
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _parts
from ._classifier import Classifier, TableOptions, _table
from ._errors import StanceError
from ._parts import Marker, Summary
from ._storage import Storage

try:
    import pyarrow as pa
    import ray.data
except ImportError as error:
    raise ImportError("stance.ray needs Ray Data: pip install 'stance[ray]'") from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Summary", "score"]


def score(
    dataset: ray.data.Dataset,
    output: str | os.PathLike[str],
    *,
    classifier: Classifier | None = None,
    workers: int | tuple[int, int] | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    part_rows: int = 4096,
    overwrite: bool = False,
    **asked: Unpack[TableOptions],
) -> Summary:
    """Scores every row into Parquet files below ``output``, each row once.

    ``output`` is a folder that driver and workers see, or an address of an object store. Workers
    are actors that load the ``classifier`` (the model in the package, when absent) once, from where
    the driver did; ``device="auto"`` is the CPU on a driver without a GPU, and the GPU of workers.
    ``workers`` is how many, or from how many to how many, and without it as many as the cluster has
    room for, also when it grows meanwhile. ``asked`` are columns, actors and options as in
    :meth:`stance.Classifier.score_arrow`.

    A worker that dies is replaced, and its part is scored again. When the driver dies, the same
    call goes on with what was committed; a run that is done returns its summary at once. The rows
    of a part come to the bytes that ``stance score`` writes for them; a row without an id is called
    ``PART:row``.

    Raises ``StanceError``: ``journal_mismatch`` for an output that was begun with another model or
    other settings, ``output_exists`` where something else lies, ``output_changed`` where files of a
    run that is done are missing.
    """
    if part_rows < 1:
        raise ValueError("part_rows must be at least 1")
    if classifier is None:
        classifier = Classifier.load()
    settings = _table(asked)
    storage = Storage(output)
    arguments = classifier._arguments
    record = {
        "model": vars(classifier.model),
        "device": arguments["device"],
        "dtype": arguments["dtype"],
        "registry": [Path(file).read_text("utf-8") for file in arguments["registry"]],
        "part_rows": part_rows,
        "asked": json.loads(settings),
    }
    done = _parts.begin(storage, record, overwrite)
    if done is not None:
        return done
    if workers is None:
        pool = ray.data.ActorPoolStrategy(min_size=1)
    elif isinstance(workers, int):
        pool = ray.data.ActorPoolStrategy(size=workers)
    else:
        pool = ray.data.ActorPoolStrategy(min_size=workers[0], max_size=workers[1])
    # The same parts however often the run is begun: rows in their order, cut by their number.
    blocks = dataset.repartition(target_num_rows_per_block=part_rows, strict=True)
    results = blocks.map_batches(
        _Worker,
        fn_constructor_args=(arguments, record["model"], settings, storage, cpus_per_worker),
        batch_size=part_rows,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=pool,
        num_cpus=cpus_per_worker,
        num_gpus=gpus_per_worker or None,
    )
    before = _parts.marked(storage)
    # The dataset's own, which all that is made of it shares.
    execution = dataset.context.execution_options
    ordered, execution.preserve_order = execution.preserve_order, True
    try:
        parts = [Marker(**row) for row in results.iter_rows()]
    finally:
        execution.preserve_order = ordered
    return _parts.finish(storage, parts, before)


class _Worker:
    """An actor with a model."""

    def __init__(
        self,
        arguments: dict[str, Any],
        model: dict[str, str],
        asked: str,
        storage: Storage,
        cpus: float,
    ) -> None:
        # Read when the first thread starts; a worker is to use no more than Ray gave it.
        os.environ["RAYON_NUM_THREADS"] = str(max(1, int(cpus)))
        self._classifier = Classifier.load(**arguments)
        found = vars(self._classifier.model)
        if found != model:
            raise StanceError("journal_mismatch", f"this worker has {found}, the driver {model}")
        self._asked = asked
        self._storage = storage

    def __call__(self, table: pa.Table) -> dict[str, list[Any]]:
        """Scores a part, unless it is committed; its marker as the only row."""
        if table.num_rows == 0:
            return {name: [] for name in ("key", "scored", "failed", "bytes")}
        batches = table.combine_chunks().to_batches()
        if len(batches) > 1:
            raise ValueError("a column of a part has more than 2 GiB: take fewer part_rows")
        key = _parts.key(batches[0])
        marker = _parts.committed(self._storage, key)
        if marker is None:
            part = self._classifier._loaded.score_part(batches[0], key, 1, self._asked)
            marker = _parts.commit(self._storage, key, *part)
        return {name: [value] for name, value in vars(marker).items()}
