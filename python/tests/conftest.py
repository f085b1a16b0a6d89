"""The program to compare with, and a model that is loaded in no time."""

import os
import subprocess
from pathlib import Path

import pytest
import stance
from tiny_model import ROOT, write_tiny

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="session")
def program():
    """Runs the program; returns its standard output. Exit codes other than `code` fail the test."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("STANCE_PROGRAM", target / "debug" / "stance"))
    assert path.exists(), f"{path} is missing: run `cargo build`, or set STANCE_PROGRAM"

    def run(*arguments, code=0):
        done = subprocess.run(
            [path, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True
        )
        assert done.returncode == code, done.stderr.decode()
        return done.stdout

    return run


@pytest.fixture(scope="session")
def classifier():
    """The model in the package."""
    return stance.Classifier.load()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of a tiny model."""
    folder = tmp_path_factory.mktemp("tiny-model")
    write_tiny(folder)
    return folder
