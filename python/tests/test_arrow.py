"""Batches of Arrow in and out, and vectors: the same as the program's files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stance
from conftest import EXAMPLES


@pytest.fixture(scope="module")
def batch():
    """Example texts, a row that fails in the middle, and further columns."""
    lines = (EXAMPLES / "documents.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    texts += ["Spain has never been a better neighbour.", "إسبانيا لم تكن يوما جارا أفضل."] * 3
    texts[3:3] = [""]
    ids = [f"d{number}" for number in range(len(texts))]
    return pa.RecordBatch.from_pydict(
        {"id": ids, "body": texts, "day": [f"2024-01-{n + 1:02}" for n in range(len(ids))]}
    )


@pytest.fixture(scope="module")
def table(batch, tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "in.parquet"
    pq.write_table(pa.Table.from_batches([batch]), path)
    return path


def test_rows_are_those_of_the_program(classifier, program, batch, table, tmp_path):
    out = tmp_path / "out.parquet"
    program("score", table, "--text-column", "body", "--device", "cpu", "--output", out, code=3)
    expected = pq.read_table(out)
    scored = classifier.score_arrow(batch, text_column="body")
    assert (
        scored.num_rows == batch.num_rows
        and scored.column("id").to_pylist() == batch[0].to_pylist()
    )
    errors = scored.column("error").to_pylist()
    assert [at for at, error in enumerate(errors) if error] == [3]
    assert errors[3]["code"] == "empty_text" and scored.column("stances")[3].as_py() is None
    good = (
        pa.Table.from_batches([scored])
        .drop_columns("error")
        .filter(pa.array([error is None for error in errors]))
    )
    # `input` as a whole is null nowhere.
    assert good.to_pylist() == expected.to_pylist()
    assert good.schema.remove_metadata() == expected.schema.remove_metadata()
    names = {key for key in scored.schema.metadata if key.startswith(b"stance.")}
    assert {b"stance.archive_schema", b"stance.model.sha256"} <= names


def test_a_part_is_to_the_byte_what_the_program_writes(classifier, program, batch, table, tmp_path):
    out = tmp_path / "parts"
    program("score", table, "--text-column", "body", "--device", "cpu", "--output", out, code=3)
    (part,) = out.glob("*.parquet")
    settings = {"actors": None, "options": {}, "columns": {"text": "body"}}
    parquet, errors, scored, failed = classifier._loaded.score_part(
        batch, str(table), 1, json.dumps(settings)
    )
    assert (scored, failed) == (batch.num_rows - 1, 1)
    assert parquet == part.read_bytes()
    assert errors == (tmp_path / "parts.errors.jsonl").read_bytes()


def test_nothing_is_copied(tiny, batch):
    scored = stance.Classifier.load(tiny).score_arrow(batch, text_column="body")
    kept = scored.column("input").field("day")
    assert kept.buffers()[2].address == batch.column("day").buffers()[2].address


def test_columns_actors_and_options(tiny, batch):
    classifier = stance.Classifier.load(tiny)
    scored = classifier.score_arrow(
        batch, text_column="body", id_column="day", keep=[], actors=["spain"], max_evidence=0
    )
    assert scored.column("id")[0].as_py() == "2024-01-01" and "input" not in scored.schema.names
    said = [row for row in scored.column("stances").to_pylist() if row is not None]
    assert {entry["actor"]["id"] for row in said for entry in row} == {"spain"}
    assert not any(entry["evidence"] for row in said for entry in row)
    assert classifier.score_schema(batch.schema, text_column="body", keep=[]) == scored.schema
    with pytest.raises(stance.StanceError) as caught:
        classifier.score_arrow(batch)
    assert caught.value.code == "invalid_column"
    with pytest.raises(TypeError):
        classifier.score_arrow([1])


def test_tables_of_many_batches_and_none(tiny, batch):
    classifier = stance.Classifier.load(tiny)
    whole = classifier.score_arrow(batch, text_column="body")
    table = pa.Table.from_batches([batch.slice(0, 5), batch.slice(5)])
    scored = classifier.score_arrow(table, text_column="body")
    assert isinstance(scored, pa.Table) and scored.num_rows == batch.num_rows
    assert scored.schema == whole.schema
    assert scored.column("id").to_pylist() == whole.column("id").to_pylist()
    empty = classifier.score_arrow(table.slice(0, 0), text_column="body")
    assert empty.num_rows == 0 and empty.schema == whole.schema


def test_vectors(classifier):
    texts = ["Spain has never been a better neighbour.", "España nunca fue mejor vecina.", "Fish."]
    vectors = classifier.embed(texts)
    assert vectors.shape == (3, classifier.hidden) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    np.testing.assert_allclose(classifier.embed(texts[:1])[0], vectors[0], atol=1e-5)
    assert classifier.embed([]).shape == (0, classifier.hidden)
    with pytest.raises(stance.StanceError) as caught:
        classifier.embed([""])
    assert caught.value.code == "empty_text"
    with pytest.raises(TypeError):
        classifier.embed("one text")
