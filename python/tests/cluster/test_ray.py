"""A real cluster of Ray on this machine, whose parts die."""

import json
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pyarrow.parquet as pq
import pytest

from .conftest import DOCUMENTS, PART_ROWS, kill, parts, processes

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

DRIVER = textwrap.dedent("""
    import json, sys
    import ray, stance.ray
    address, documents, output, model, part_rows = sys.argv[1:]
    ray.init(address=address, log_to_driver=False)
    dataset = ray.data.read_parquet(documents)
    done = stance.ray.score(dataset, output, model=model, part_rows=int(part_rows), workers=(1, 4))
    print(json.dumps(vars(done)))
""")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def drive(cluster, documents, tiny):
    started = []

    def start(output):
        arguments = [cluster.address, documents, output, tiny, PART_ROWS]
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def finished(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-4000:]
    return json.loads(out.splitlines()[-1])


def wait_for_parts(output, count, process):
    deadline = time.monotonic() + 300
    while len(list((output / "_stance" / "parts").glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()[1][-4000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_lost_or_scored_twice(cluster, drive, expected, tmp_path):
    output = tmp_path / "scored"
    total = -(-DOCUMENTS // PART_ROWS)
    first = drive(output)
    wait_for_parts(output, 2, first)
    victim = processes("_Worker")[0]
    kill(victim)
    # A node comes while the run is on its way.
    cluster.add_node(num_cpus=1)
    wait_for_parts(output, total // 3, first)
    first.kill()
    first.communicate()
    assert not (output / "_SUCCESS").exists()
    done = finished(drive(output))
    assert victim not in processes("_Worker")
    assert done["resumed"] >= (total // 3 - 1) * PART_ROWS
    assert done["scored"] + done["failed"] == DOCUMENTS
    # To the byte what the program writes, in its order.
    assert [(output / name).read_bytes() for name in done["files"]] == [
        part.read_bytes() for part in parts(expected)
    ]
    failed = [
        json.loads(line)["id"]
        for name in done["errors"]
        for line in (output / name).read_text().splitlines()
    ]
    ids = Counter(pq.read_table(output, columns=["id"]).column("id").to_pylist() + failed)
    assert ids == Counter(f"d{number}" for number in range(DOCUMENTS))
    # Once more does nothing.
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    again = finished(drive(output))
    assert again["resumed"] == DOCUMENTS and again["files"] == done["files"]
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_other_settings_and_other_files_are_refused(cluster, tiny, tmp_path):
    import stance.ray

    if not ray.is_initialized():
        ray.init(address=cluster.address, log_to_driver=False)
    rows = [{"id": f"d{n}", "text": "Spain keeps its word."} for n in range(20)]
    dataset = ray.data.from_items(rows + rows)
    output = tmp_path / "scored"
    asked = {"model": tiny, "part_rows": 10, "workers": 1}
    done = stance.ray.score(dataset, output, **asked)
    # The same rows twice come out twice.
    assert Counter(pq.read_table(output).column("id").to_pylist()) == Counter(
        row["id"] for row in rows + rows
    )
    assert len(set(done.files)) == 4
    with pytest.raises(stance.StanceError) as caught:
        stance.ray.score(dataset, output, max_evidence=0, **asked)
    assert caught.value.code == "journal_mismatch"
    (output / done.files[0]).unlink()
    with pytest.raises(stance.StanceError) as caught:
        stance.ray.score(dataset, output, **asked)
    assert caught.value.code == "output_changed"
    anew = stance.ray.score(dataset, output, overwrite=True, **asked)
    assert anew.scored == 40 and anew.resumed == 0
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("mine")
    with pytest.raises(stance.StanceError) as caught:
        stance.ray.score(dataset, tmp_path / "taken", **asked)
    assert caught.value.code == "output_exists"
