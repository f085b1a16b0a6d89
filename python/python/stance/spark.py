"""Scores a data frame of Spark.

>>> import stance.spark
>>> stance.spark.score(spark.read.parquet("s3://news/")).write.parquet("s3://scored/news")
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._classifier import Classifier, TableOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from typing_extensions import Unpack

__all__ = ["score"]


def score(
    frame: DataFrame,
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    dtype: str = "f32",
    registry: Iterable[str | os.PathLike[str]] = (),
    **asked: Unpack[TableOptions],
) -> DataFrame:
    """A row of answers for each row: the columns of docs/archive.md, and ``error``, null where the
    row was scored. Whole numbers without a sign, which Spark has not, become ``bigint``.

    ``asked`` are columns, actors and options as in :meth:`stance.Classifier.score_arrow`. Every
    Python worker of Spark loads the model once. What is scored twice, because a task was lost or
    the frame is used twice, comes to the same; cache or write the frame to pay once. ``model`` and
    ``registry`` must be where the workers find them.
    """
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    arguments = (
        None if model is None else os.fspath(model),
        device,
        dtype,
        tuple(os.fspath(file) for file in registry),
    )
    # The driver may have no such device; what the columns are does not depend on it.
    known = Classifier.load(arguments[0], dtype=dtype, registry=arguments[3])
    schema = signed(known.score_schema(to_arrow_schema(frame.schema), **asked))
    work = functools.partial(_score, arguments, asked)
    return frame.mapInArrow(work, from_arrow_schema(schema))


def _score(
    arguments: tuple[Any, ...], asked: dict[str, Any], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    classifier = _classifier(*arguments)
    for batch in batches:
        scored = classifier.score_arrow(batch, **asked)
        yield scored.cast(signed(scored.schema))


@functools.lru_cache(maxsize=1)
def _classifier(
    model: str | None, device: str, dtype: str, registry: tuple[str, ...]
) -> Classifier:
    """One model per process, which serves task after task. Spark starts a process per core."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    return Classifier.load(model, device, dtype=dtype, registry=registry)


def signed(schema: pa.Schema) -> pa.Schema:
    """The schema with ``bigint`` for whole numbers without a sign, and without metadata."""
    return pa.schema([_signed_field(field) for field in schema])


def _signed_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _signed(field.type), field.nullable)


def _signed(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_unsigned_integer(kind):
        return pa.int64()
    if pa.types.is_struct(kind):
        return pa.struct([_signed_field(kind.field(at)) for at in range(kind.num_fields)])
    if pa.types.is_list(kind):
        return pa.list_(_signed_field(kind.value_field))
    return kind
