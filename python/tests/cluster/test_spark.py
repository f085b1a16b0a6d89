"""A real session of Spark on this machine, one of whose workers dies."""

import threading
import time
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import DOCUMENTS, kill, parts, processes

pyspark = pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    # Two cores; a task that is lost is tried four times.
    session = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.files.maxPartitionBytes", "200k")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "512")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_a_killed_worker_costs_nothing(spark, documents, expected, tiny, tmp_path):
    import stance.spark

    frame = spark.read.parquet(str(documents))
    assert frame.rdd.getNumPartitions() > 2
    scored = stance.spark.score(frame, model=tiny)
    output = tmp_path / "scored"
    killed = []

    def killer():
        # The daemon forks workers; one that has begun to write is in mid-run.
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not killed:
            daemons = processes("pyspark.daemon")
            workers = processes("pyspark.daemon", below=daemons)
            if workers and list(output.rglob("*.parquet")):
                kill(workers[-1])
                killed.append(workers[-1])
            time.sleep(0.01)

    thread = threading.Thread(target=killer)
    thread.start()
    scored.write.parquet(str(output))
    thread.join()
    assert killed
    rows = pq.read_table(output).to_pylist()
    assert Counter(row["id"] for row in rows) == Counter(f"d{n}" for n in range(DOCUMENTS))
    said = {row["id"]: row for row in rows if row["error"] is None}
    known = {
        row["id"]: row for row in pa.concat_tables(map(pq.read_table, parts(expected))).to_pylist()
    }
    assert said.keys() == known.keys()
    for name, row in known.items():
        same(said[name], {**row, "error": None})
    failed = [row for row in rows if row["error"] is not None]
    assert failed and {row["error"]["code"] for row in failed} == {"empty_text"}


def same(left, right):
    """Equal, probabilities to the last bits: Spark cuts batches elsewhere."""
    if isinstance(right, float):
        assert left == pytest.approx(right, abs=1e-5)
    elif isinstance(right, dict):
        assert left.keys() == right.keys()
        for name in right:
            same(left[name], right[name])
    elif isinstance(right, list):
        assert len(left) == len(right)
        for one, other in zip(left, right):
            same(one, other)
    else:
        assert left == right


def test_columns_and_options(spark, tiny):
    import stance.spark

    frame = spark.createDataFrame(
        [("a", "Spain keeps its word.", 3)], "name string, body string, n int"
    )
    scored = stance.spark.score(
        frame, model=tiny, id_column="name", text_column="body", actors=["spain", "Lake"]
    )
    (row,) = scored.collect()
    assert row["id"] == "a" and row["input"]["n"] == 3 and row["error"] is None
    assert {entry["actor"]["id"] for entry in row["stances"]} == {"spain", "Lake"}
    with pytest.raises(stance.StanceError) as caught:
        stance.spark.score(frame, model=tiny)
    assert caught.value.code == "invalid_column"
