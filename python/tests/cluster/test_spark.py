"""A real session of Spark on this machine, one of whose workers dies."""

import os
import sys
import threading
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import DOCUMENTS, kill, parts, wait
from .gate import Gate

cloudpickle = pytest.importorskip("pyspark.cloudpickle")


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    # Without it, workers are whatever `python3` is.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Two cores; a task that is lost is tried four times.
    session = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.ui.enabled", "false")
        # A partition for each file, and batches of which a task has several.
        .config("spark.sql.files.maxPartitionBytes", "4m")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(DOCUMENTS // 30))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def held_at(gate):
    """What workers do, batch by batch as a gate lets them; sent whole, for they lack this file."""

    def score(arguments, asked, batches):
        import stance.spark
        from pyspark import TaskContext

        task = TaskContext.get()

        def one_by_one():
            for number, batch in enumerate(batches):
                gate.hold(task=task.partitionId(), attempt=task.attemptNumber(), batch=number)
                yield batch

        yield from stance.spark._score(arguments, asked, one_by_one())

    return score


def test_a_killed_worker_costs_nothing(spark, documents, expected, model, tmp_path, monkeypatch):
    import stance.spark

    cloudpickle.register_pickle_by_value(sys.modules[Gate.__module__])
    gate = Gate(tmp_path / "gate")
    monkeypatch.setattr(stance.spark, "_score", held_at(gate))
    frame = spark.read.parquet(str(documents))
    assert frame.rdd.getNumPartitions() > 2
    scored = stance.spark.score(frame, classifier=stance.Classifier.load(model))
    output = tmp_path / "scored"
    killed = []

    def killer():
        try:
            first = wait(lambda: gate.held(batch=0))[0]
            gate.let(first)
            # It has scored a batch, and holds the next one of its task.
            victim = wait(lambda: gate.held(batch=1, task=first.work["task"]))[0]
            assert victim.process == first.process and not (output / "_SUCCESS").exists()
            kill(victim.process)
            killed.append(victim)
        finally:
            gate.open()

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    spark.sparkContext.setJobGroup("killed", "scores with a worker less")
    scored.write.parquet(str(output))
    thread.join()
    (victim,) = killed
    assert failed_tasks(spark.sparkContext.statusTracker(), "killed") == 1
    # Its task was begun once more, from its first batch.
    again = {"task": victim.work["task"], "attempt": 1, "batch": 0}
    assert again in [ticket.work for ticket in gate.tickets()]
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


def failed_tasks(tracker, group):
    """How many tasks of a group of jobs were lost."""
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds]
    return sum(stage.numFailedTasks for stage in stages if stage is not None)


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

    classifier = stance.Classifier.load(tiny)
    frame = spark.createDataFrame(
        [("a", "Spain keeps its word.", 3)], "name string, body string, n int"
    )
    scored = stance.spark.score(
        frame,
        classifier=classifier,
        id_column="name",
        text_column="body",
        actors=["spain", "Lake"],
    )
    (row,) = scored.collect()
    assert row["id"] == "a" and row["input"]["n"] == 3 and row["error"] is None
    assert {entry["actor"]["id"] for entry in row["stances"]} == {"spain", "Lake"}
    with pytest.raises(stance.StanceError) as caught:
        stance.spark.score(frame, classifier=classifier)
    assert caught.value.code == "invalid_column"
