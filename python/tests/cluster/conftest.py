"""Documents in files, and what the program makes of them: parts of as many rows."""

import os
import random
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# How many documents; more by the environment, for a run by hand.
DOCUMENTS = int(os.environ.get("STANCE_CLUSTER_DOCUMENTS", "20000"))
PART_ROWS = 1024
NAMES = ["Spain", "France", "Turkey", "NATO", "the River Party", "Germany", "Ukraine", "Iran"]
TEXT = "never always a better neighbour kept every promise closed the gate and told nobody"
WORDS = TEXT.split()


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """A folder of Parquet files of unlike lengths, whose rows make parts across files."""
    folder = tmp_path_factory.mktemp("documents")
    random.seed(1)
    at, number = 0, 0
    while at < DOCUMENTS:
        count = min(random.randint(2000, 5000), DOCUMENTS - at)
        texts = [
            f"{random.choice(NAMES)} {' '.join(random.choices(WORDS, k=random.randint(5, 40)))}."
            for _ in range(count)
        ]
        texts[7] = ""
        table = pa.table(
            {
                "id": [f"d{at + row}" for row in range(count)],
                "text": texts,
                "source": [f"s{(at + row) % 7}" for row in range(count)],
            }
        )
        pq.write_table(table, folder / f"in-{number:03}.parquet", row_group_size=1500)
        at, number = at + count, number + 1
    return folder


@pytest.fixture(scope="session")
def expected(documents, tiny, program, tmp_path_factory):
    """The folder of parts that the program writes."""
    folder = tmp_path_factory.mktemp("expected") / "parts"
    asked = ["--model", tiny, "--device", "cpu", "--part-rows", PART_ROWS, "--progress", "none"]
    program("score", documents, *asked, "--output", folder, code=3)
    return folder


def parts(folder):
    """The files with rows in a folder, in their order."""
    return sorted(Path(folder).glob("*.parquet"))


def processes(mark, below=None):
    """Ids of processes whose command line has the mark, youngest last."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if mark in line and (below is None or parent in below):
            found.append(int(entry.name))
    return sorted(found)


def kill(process):
    os.kill(process, signal.SIGKILL)
