"""Texts in, predictions out: the same as the program's."""

import json
import pickle
import threading
import time

import pytest
import stance
from conftest import EXAMPLES

# Three scripts; all twelve would take long with what CI compiles.
TEXTS = [EXAMPLES / f"{language}.txt" for language in ("ar", "en", "zh")]


def test_answers_are_those_of_the_program(classifier, program):
    lines = program("classify", "--device", "cpu", "--format", "jsonl", *TEXTS).splitlines()
    expected = [json.loads(line) for line in lines]
    documents = [
        {"id": said["id"], "text": path.read_text()} for said, path in zip(expected, TEXTS)
    ]
    predictions = classifier.classify(documents)
    assert len(predictions) == len(TEXTS)
    assert [prediction.to_dict() for prediction in predictions] == expected


def test_documents_with_their_own_actors_are_those_of_the_program(classifier, program):
    path = EXAMPLES / "documents.jsonl"
    expected = program("classify", "--device", "cpu", "--format", "jsonl", path).splitlines()
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    predictions = classifier.classify(documents)
    assert [p.to_dict() for p in predictions] == [json.loads(line) for line in expected]


def test_one_text_is_one_prediction_and_spans_point_into_it(classifier):
    text = "Spain has never been a better neighbour. 🙂 Spain keeps its word."
    prediction = classifier.classify(text)
    (spain,) = prediction.stances
    assert spain.actor.id == "spain" and spain.actor.kind == "state"
    assert [text[m.start : m.end] for m in spain.mentions] == ["Spain", "Spain"]
    assert all(text[e.start : e.end] == e.text for e in spain.evidence)
    assert abs(sum(vars(spain.probabilities).values()) - 1) < 1e-4
    assert prediction.model == classifier.model
    assert prediction.source == text and "source" not in prediction.to_dict()


def test_actors_are_ids_names_or_documents_own(classifier):
    text = "The Lake Council and Spain have kept every promise."
    said = classifier.classify(
        text, actors=["spain", "Lake Council", {"id": "x", "names": ["promise"]}]
    )
    assert {entry.actor.id for entry in said.stances} == {"spain", "Lake Council", "x"}
    own = {"text": text, "actors": ["spain"]}
    said = classifier.classify([own, text], actors=["Lake Council"])
    assert [[e.actor.id for e in p.stances] for p in said] == [["spain"], ["Lake Council"]]


def test_options_are_followed(classifier):
    text = "Spain is a good neighbour. 🙂 Spain keeps its word."
    said = classifier.classify(text, max_evidence=0, sentence_scores=True, offset_unit="utf16")
    (spain,) = said.stances
    assert spain.evidence == () and len(spain.sentences) == 2
    assert spain.mentions[1].start == text.index("Spain", 5) + 1
    assert stance.Prediction.from_dict(said.to_dict()) == said


def test_errors_have_codes_and_cost_no_neighbour(classifier):
    with pytest.raises(stance.StanceError) as caught:
        classifier.classify("")
    assert caught.value.code == "empty_text" and "empty_text" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).code == "empty_text"
    good = "Spain is a good neighbour."
    mixed = classifier.classify([good, "", {"txt": good}, "\ud800"], errors="return")
    assert isinstance(mixed[0], stance.Prediction)
    assert [error.code for error in mixed[1:]] == ["empty_text", *["invalid_document"] * 2]
    with pytest.raises(stance.StanceError):
        classifier.classify([good, ""])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"max_evidence": 51}, "invalid_value"),
        ({"no_such_option": 1}, "invalid_option"),
        ({"restrict_to": ["atlantis"]}, "unknown_actor"),
    ],
)
def test_options_that_cannot_be_followed(classifier, options, code):
    with pytest.raises(stance.StanceError) as caught:
        classifier.classify("Spain.", **options)
    assert caught.value.code == code


def test_what_is_no_text_is_a_type_error(classifier):
    for wrong in (1, [1], None):
        with pytest.raises(TypeError):
            classifier.classify(wrong)


def test_models_that_cannot_be_loaded(tiny, tmp_path):
    for arguments, code in [
        ({"path_or_hub_id": tmp_path / "none"}, "unknown_model"),
        ({"path_or_hub_id": tmp_path}, "missing_file"),
        ({"device": "abacus"}, "invalid_device"),
        ({"path_or_hub_id": tiny, "device": "cuda:7"}, "device_unavailable"),
    ]:
        with pytest.raises(stance.StanceError) as caught:
            stance.Classifier.load(**arguments)
        assert caught.value.code == code, caught.value


def test_a_folder_a_registry_and_a_pickle(tiny, tmp_path):
    registry = tmp_path / "mine.toml"
    registry.write_text('[[actor]]\nid = "lake"\nkind = "bloc"\nnames.en = ["Lake Council"]\n')
    first = stance.Classifier.load(tiny, registry=[registry])
    again = pickle.loads(pickle.dumps(first))
    for model in (first, again):
        assert model.model.name == "tiny"
        assert [e.actor.id for e in model.classify("The Lake Council met.").stances] == ["lake"]


def test_other_threads_run_while_it_computes(classifier):
    texts = [path.read_text() for path in TEXTS]
    thread = threading.Thread(target=classifier.classify, args=(texts,))
    turns = 0
    thread.start()
    while thread.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 20


def test_events_go_to_logging(tiny, caplog):
    with caplog.at_level("INFO", logger="stance"):
        stance.Classifier.load(tiny)
    names = {record.name for record in caplog.records}
    assert "stance.predict.predictor" in names, names
    assert any("chose the precision" in record.getMessage() for record in caplog.records)
    caplog.clear()
    with caplog.at_level("ERROR", logger="stance"):
        stance.Classifier.load(tiny)
    assert not caplog.records
