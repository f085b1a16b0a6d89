"""A real cluster of Ray on this machine, whose parts die."""

import json
import subprocess
import sys
import textwrap
from collections import Counter

import pyarrow.parquet as pq
import pytest

from .conftest import (
    DOCUMENTS,
    PART_ROWS,
    PATIENCE,
    go_on,
    kill,
    parts,
    processes,
    stop,
    wait,
)

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

DRIVER = textwrap.dedent("""
    import json, sys
    import ray, stance, stance.ray
    address, documents, output, model, part_rows = sys.argv[1:]
    ray.init(address=address, log_to_driver=False)
    done = stance.ray.score(
        ray.data.read_parquet(documents),
        output,
        classifier=stance.Classifier.load(model),
        part_rows=int(part_rows),
        workers=(1, 3),
    )
    print(json.dumps(vars(done)))
""")
# As the process of an actor calls itself.
WORKER = "MapBatches(_Worker)"
MEMORY = 256 << 20


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "object_store_memory": MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def drive(cluster, documents, model, tmp_path):
    started = []

    def start(output):
        arguments = [cluster.address, documents, output, model, PART_ROWS]
        said = tmp_path / f"driver-{len(started)}"
        with open(f"{said}.out", "w") as out, open(f"{said}.err", "w") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, *map(str, arguments)], stdout=out, stderr=err
            )
        process.said = said
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def finished(process):
    process.wait(timeout=PATIENCE)
    with open(f"{process.said}.out") as out, open(f"{process.said}.err") as err:
        assert process.returncode == 0, err.read()[-4000:]
        return json.loads(out.read().splitlines()[-1])


def test_nothing_is_lost_or_scored_twice(cluster, drive, documents, expected, tmp_path):
    output = tmp_path / "scored"
    total = -(-DOCUMENTS // PART_ROWS)

    def committed():
        return len(list((output / "_stance" / "parts").glob("*.json")))

    first = drive(output)

    def driving():
        return first.poll() is None

    wait(lambda: committed() >= 2, driving)
    victim = processes(WORKER)[0]
    kill(victim)
    # A node comes while the run is on its way, and gets work.
    node = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    raylet = node.all_processes["raylet"][0].process.pid

    # The others rest until it does, or they would have done everything before it is up.
    def arrived():
        there = processes(WORKER, below=[raylet])
        for process in processes(WORKER):
            if process not in there:
                stop(process)
                resting.add(process)
        return there

    resting = set()
    wait(arrived, driving)
    for process in resting:
        go_on(process)
    wait(lambda: committed() >= total // 2, driving)
    first.kill()
    first.wait()
    assert not (output / "_SUCCESS").exists()
    before = committed()
    done = finished(drive(output))
    assert victim not in processes(WORKER)
    assert done["resumed"] >= (before - 1) * PART_ROWS
    assert done["scored"] + done["failed"] == DOCUMENTS
    print(f"{DOCUMENTS} rows in {total} parts, {done['resumed']} rows of them by the first driver")
    # To the byte what the program writes, in its order, and nothing else.
    assert [(output / name).read_bytes() for name in done["files"]] == [
        part.read_bytes() for part in parts(expected)
    ]
    assert sorted(done["files"]) == [part.name for part in parts(output)]
    failed = [line for name in done["errors"] for line in lines(output / name)]
    known = lines(expected.with_name("parts.errors.jsonl"))
    told = ["id", "code", "message"]
    assert [[row[name] for name in told] for row in failed] == [
        [row[name] for name in told] for row in known
    ]
    ids = pq.read_table(output, columns=["id"]).column("id").to_pylist()
    assert Counter(ids + [row["id"] for row in failed]) == Counter(
        f"d{number}" for number in range(DOCUMENTS)
    )
    # Once more does nothing.
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    again = finished(drive(output))
    assert again["resumed"] == DOCUMENTS and again["files"] == done["files"]
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_other_settings_and_other_files_are_refused(cluster, tiny, tmp_path, monkeypatch):
    import stance.ray

    if not ray.is_initialized():
        ray.init(address=cluster.address, log_to_driver=False)
    rows = [{"id": f"d{n}", "text": "Spain keeps its word."} for n in range(20)]
    dataset = ray.data.from_items(rows + rows)
    output = tmp_path / "scored"
    # The workers are elsewhere: paths from here must still lead there.
    monkeypatch.chdir(tmp_path)
    classifier = stance.Classifier.load(tiny)
    asked = {"classifier": classifier, "part_rows": 10, "workers": 1}
    done = stance.ray.score(dataset, "scored", **asked)
    # The same rows twice come out twice.
    assert Counter(pq.read_table(output).column("id").to_pylist()) == Counter(
        row["id"] for row in rows + rows
    )
    assert len(set(done.files)) == 4 and done.scored == 40
    assert not dataset.context.execution_options.preserve_order
    with pytest.raises(stance.StanceError) as caught:
        stance.ray.score(dataset, output, max_evidence=0, **asked)
    assert caught.value.code == "journal_mismatch" and "max_evidence" in str(caught.value)
    (output / done.files[0]).unlink()
    with pytest.raises(stance.StanceError) as caught:
        stance.ray.score(dataset, output, **asked)
    assert caught.value.code == "output_changed"
    anew = stance.ray.score(dataset, output, overwrite=True, **asked)
    assert anew.scored == 40 and anew.resumed == 0
    (tmp_path / "taken").mkdir()
    letter = tmp_path / "taken" / "letter.txt"
    letter.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(stance.StanceError) as caught:
            stance.ray.score(dataset, tmp_path / "taken", overwrite=overwrite, **asked)
        assert caught.value.code == "output_exists" and letter.exists()
