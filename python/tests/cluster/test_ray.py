"""A real cluster of Ray on this machine, whose parts die."""

import contextlib
import json
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import (
    DOCUMENTS,
    PART_ROWS,
    PATIENCE,
    kill,
    parts,
    wait,
)
from .gate import Gate, alive

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

# With a gate, each worker waits there with a part in its hands.
DRIVER = textwrap.dedent("""
    import json, sys
    import ray, stance, stance.ray
    from stance import _parts
    address, documents, output, model, part_rows, gates, folder = sys.argv[1:]
    ray.init(address=address, log_to_driver=False)
    if folder:
        sys.path.insert(0, gates)
        import gate
        ray.cloudpickle.register_pickle_by_value(gate)
        held = gate.Gate(folder)

        class _Worker(stance.ray._Worker):
            def __call__(self, table):
                if table.num_rows > 0:
                    (batch,) = table.combine_chunks().to_batches()
                    node = ray.get_runtime_context().get_node_id()
                    held.hold(part=_parts.key(batch), node=node)
                return super().__call__(table)

        stance.ray._Worker = _Worker
    done = stance.ray.score(
        ray.data.read_parquet(documents),
        output,
        classifier=stance.Classifier.load(model),
        part_rows=int(part_rows),
        workers=(1, 3),
    )
    print(json.dumps(vars(done)))
""")


def node(cpus):
    """What a node is begun with. Where its ports are given, and it has time, it does not die of an
    agent that a busy machine is slow to start.
    """
    ports = ["metrics_agent", "metrics_export", "runtime_env_agent", "dashboard_agent_listen"]
    with contextlib.ExitStack() as bound:
        free = [bound.enter_context(socket.socket()) for _ in ports]
        for one in free:
            one.bind(("", 0))
        given = {f"{name}_port": one.getsockname()[1] for name, one in zip(ports, free)}
    return {"num_cpus": cpus, "object_store_memory": 256 << 20, **given}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_agent_register_timeout_ms", "600000")
        patch.setenv("RAY_gcs_server_port_wait_time_s", "600")
        cluster = Cluster(
            initialize_head=True, head_node_args={**node(2), "include_dashboard": False}
        )
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def drive(cluster, documents, model, tmp_path):
    started = []

    def start(output, gate=""):
        gates = Path(__file__).parent
        arguments = [cluster.address, documents, output, model, PART_ROWS, gates, gate]
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
    gate = Gate(tmp_path / "gate")
    first = drive(output, tmp_path / "gate")

    def committed():
        return sorted((output / "_stance" / "parts").glob("*.json"))

    def driving():
        return first.poll() is None

    def let(ticket):
        """Lets a worker commit the part that it holds, and no other."""
        before = {path.stem for path in committed()}
        gate.let(ticket)
        wait(lambda: len(committed()) > len(before), driving)
        assert {path.stem for path in committed()} == {*before, ticket.work["part"]}

    def advance(parts):
        while len(committed()) < parts:
            let(wait(gate.held, driving)[0])

    advance(2)
    # A worker dies with a part in its hands.
    victim = wait(gate.held, driving)[0]
    kill(victim.process)
    # A node comes while the others hold theirs; it gets a worker, whose part counts.
    added = cluster.add_node(**node(1))
    let(wait(lambda: gate.held(node=added.node_id), driving)[0])
    # The part of the dead one is begun once more, when its turn comes.
    lost = victim.work["part"]
    while sum(ticket.work["part"] == lost for ticket in gate.tickets()) < 2:
        let(wait(gate.held, driving)[0])
    advance(total // 2)
    # The driver dies while workers hold parts.
    wait(gate.held, driving)
    first.kill()
    first.wait()
    wait(lambda: not any(alive(ticket.process) for ticket in gate.tickets()))
    before = [json.loads(path.read_text()) for path in committed()]
    assert total // 2 <= len(before) < total and not (output / "_SUCCESS").exists()
    done = finished(drive(output))
    assert done["resumed"] == sum(marker["scored"] + marker["failed"] for marker in before)
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
