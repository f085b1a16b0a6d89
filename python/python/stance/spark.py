"""Scores a data frame of Spark.

>>> import stance.spark
>>> stance.spark.score(spark.read.parquet("s3://news/")).write.parquet("s3://scored/news")
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._classifier import Classifier, TableOptions

try:
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
except ImportError as error:
    raise ImportError("stance.spark needs PySpark: pip install 'stance[spark]'") from error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from typing_extensions import Unpack

__all__ = ["score"]


def score(
    frame: DataFrame, *, classifier: Classifier | None = None, **asked: Unpack[TableOptions]
) -> DataFrame:
    """A row of answers for each row: the columns of docs/archive.md, and ``error``, null where the
    row was scored. Whole numbers without a sign, which Spark has not, become ``bigint``.

    Every Python worker of Spark loads the ``classifier`` (the model in the package, when absent)
    once, from where the driver did; ``device="auto"`` is the CPU on a driver without a GPU, and the
    GPU of workers. ``asked`` are columns, actors and options as in
    :meth:`stance.Classifier.score_arrow`. What is scored twice, because a task was lost or the
    frame is used twice, comes to the same; cache or write the frame to pay once.

    Raises ``StanceError`` ``invalid_column`` for a column that is missing or of another type.
    """
    if classifier is None:
        classifier = Classifier.load()
    schema = _signed(classifier.score_schema(to_arrow_schema(frame.schema), **asked))
    work = functools.partial(_score, json.dumps(classifier._arguments), asked)
    return frame.mapInArrow(work, from_arrow_schema(schema))


def _score(
    arguments: str, asked: Mapping[str, Any], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    classifier = _classifier(arguments)
    for batch in batches:
        scored = classifier.score_arrow(batch, **asked)
        yield scored.cast(_signed(scored.schema))


@functools.lru_cache(maxsize=1)
def _classifier(arguments: str) -> Classifier:
    """One model per process, which serves task after task. Spark starts a process per core."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    return Classifier.load(**json.loads(arguments))


def _signed(schema: pa.Schema) -> pa.Schema:
    """The schema with ``bigint`` for whole numbers without a sign, without metadata, and with
    fields that may be null: those of a row that failed are, below a null, which no cast lets be.
    """
    return pa.schema([_signed_field(field) for field in schema])


def _signed_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _signed_type(field.type))


def _signed_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_unsigned_integer(kind):
        return pa.int64()
    if pa.types.is_struct(kind):
        return pa.struct([_signed_field(field) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_signed_field(kind.value_field))
    return kind
