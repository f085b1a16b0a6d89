"""The lines of python/README.md for data frames."""

import pyarrow as pa
import pytest
import stance

TEXTS = ["Spain keeps its word.", "", "France is far from Turkey."]


@pytest.fixture(scope="module")
def classifier(tiny):
    return stance.Classifier.load(tiny)


@pytest.fixture(scope="module")
def known(classifier):
    batch = pa.RecordBatch.from_pydict({"id": ["a", "b", "c"], "body": TEXTS, "day": [1, 2, 3]})
    return classifier.score_arrow(batch, text_column="body").to_pylist()


def test_pandas(classifier, known):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": ["a", "b", "c"], "body": TEXTS, "day": [1, 2, 3]})
    scored = classifier.score_arrow(frame, text_column="body").to_pandas()
    assert list(scored["id"]) == ["a", "b", "c"]
    assert scored["stances"][0][0]["actor"]["id"] == known[0]["stances"][0]["actor"]["id"]
    assert scored["error"][1]["code"] == "empty_text"


def test_polars(classifier, known):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"id": ["a", "b", "c"], "body": TEXTS, "day": [1, 2, 3]})
    scored = polars.from_arrow(classifier.score_arrow(frame, text_column="body"))
    assert scored.drop("error").to_dicts()[0] == {k: v for k, v in known[0].items() if k != "error"}
    assert scored["error"].struct.field("code").to_list() == [None, "empty_text", None]


def test_datasets(classifier, known):
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"id": ["a", "b", "c"], "text": TEXTS, "day": [1, 2, 3]})
    scored = dataset.with_format("arrow").map(
        classifier.score_arrow, batched=True, remove_columns=dataset.column_names
    )
    rows = scored.with_format(None).to_list()
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert rows[2]["stances"] == known[2]["stances"] and rows[1]["error"]["code"] == "empty_text"
