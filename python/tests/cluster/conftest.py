"""Documents in files, and what the program makes of them: parts of as many rows."""

import os
import random
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# How many documents, and by which model. The tiny one suffices to lose and find rows; by hand, with
# a wheel and a program in release: STANCE_CLUSTER_DOCUMENTS=100000 STANCE_CLUSTER_MODEL=default.
DOCUMENTS = int(os.environ.get("STANCE_CLUSTER_DOCUMENTS", "600"))
MODEL = os.environ.get("STANCE_CLUSTER_MODEL")
PART_ROWS = min(4096, DOCUMENTS // 24)
NAMES = ["Spain", "France", "Turkey", "NATO", "the River Party", "Germany", "Ukraine", "Iran"]
TEXT = "never always a better neighbour kept every promise closed the gate and told nobody"
WORDS = TEXT.split()
# Seconds that anything may take.
PATIENCE = 600 + DOCUMENTS / 50


@pytest.fixture(scope="session")
def model(tiny):
    return MODEL or str(tiny)


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """A folder of Parquet files of unlike lengths, whose rows make parts across files. A row in
    each has no text.
    """
    folder = tmp_path_factory.mktemp("documents")
    rng = random.Random(1)
    at, number = 0, 0
    while at < DOCUMENTS:
        count = min(rng.randint(DOCUMENTS // 9, DOCUMENTS // 5), DOCUMENTS - at)
        texts = [
            f"{rng.choice(NAMES)} {' '.join(rng.choices(WORDS, k=rng.randint(3, 9)))}."
            for _ in range(count)
        ]
        texts[count // 2] = ""
        table = pa.table(
            {
                "id": [f"d{at + row}" for row in range(count)],
                "text": texts,
                "source": [f"s{(at + row) % 7}" for row in range(count)],
            }
        )
        pq.write_table(table, folder / f"in-{number:03}.parquet", row_group_size=DOCUMENTS // 20)
        at, number = at + count, number + 1
    return folder


@pytest.fixture(scope="session")
def expected(documents, model, program, tmp_path_factory):
    """The folder of parts that the program writes; the errors lie beside it."""
    folder = tmp_path_factory.mktemp("expected") / "parts"
    asked = ["--model", model, "--device", "cpu", "--part-rows", PART_ROWS, "--progress", "none"]
    program("score", documents, *asked, "--output", folder, code=3)
    return folder


def parts(folder):
    """The files with rows in a folder, in their order."""
    return sorted(Path(folder).glob("*.parquet"))


def kill(process):
    os.kill(process, signal.SIGKILL)


def wait(until, possible=lambda: True):
    """Waits until something is so, for as long as it still may become so; returns what it is."""
    deadline = time.monotonic() + PATIENCE
    while not (so := until()):
        assert possible(), "what was waited for cannot come any more"
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)
    return so
