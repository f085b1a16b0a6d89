//! A table in, a table out: the same answers as from files, and a row for each row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray};
use stance::actors::Registry;
use stance::archive::batch::BatchScorer;
use stance::archive::columns::Columns;
use stance::document::Options;
use stance::encoder::hub::HubOptions;
use stance::engine::DocumentLimits;
use stance::predict::Predictor;

use crate::model;
use crate::rows::{batch, docs, parquet, path, read_parquet};
use crate::support::{Folder, run};

fn predictor() -> Predictor {
    let folder = model::tiny().to_string_lossy().into_owned();
    let device = candle_core::Device::Cpu;
    Predictor::load(
        &folder,
        &HubOptions::default(),
        &device,
        Registry::embedded().clone(),
    )
    .unwrap()
}

fn scorer(predictor: &Predictor) -> BatchScorer<'_> {
    let limits = DocumentLimits::default();
    BatchScorer::new(
        predictor,
        Columns::default(),
        None,
        Options::default(),
        limits,
    )
    .unwrap()
}

#[test]
fn a_batch_has_the_columns_of_a_file_to_the_bit() {
    let folder = Folder::new();
    let docs = docs(30);
    let file = folder.file("in.parquet", parquet(&docs));
    let out = path(&folder, "out.parquet");
    run(&["score", &file, "-o", &out]).code(0);
    let from_file = read_parquet(out.as_ref()).remove(0);
    let predictor = predictor();
    let judge = scorer(&predictor);
    let input = batch(&docs);
    let scored = judge.score(&input).unwrap();
    assert_eq!(scored.schema(), judge.schema(&input.schema()).unwrap());
    assert_eq!(scored.num_columns(), from_file.num_columns() + 1);
    for (column, field) in from_file.columns().iter().zip(from_file.schema().fields()) {
        let same = scored.column_by_name(field.name()).unwrap();
        assert_eq!(column.to_data(), same.to_data(), "{}", field.name());
    }
    assert_eq!(scored.column_by_name("error").unwrap().null_count(), 30);
}

#[test]
fn a_row_that_fails_keeps_its_place() {
    let texts: DictionaryArray<Int32Type> = [
        Some("France is right."),
        Some(" "),
        None,
        Some("France is right."),
    ]
    .into_iter()
    .collect();
    let ids: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some("b"),
        Some("c"),
        None,
    ]));
    let input =
        RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef), ("id", ids)]).unwrap();
    let predictor = predictor();
    let scored = scorer(&predictor).score(&input).unwrap();
    assert_eq!(scored.num_rows(), 4);
    let id = scored.column_by_name("id").unwrap().as_string::<i32>();
    assert_eq!(
        id.iter().collect::<Vec<_>>(),
        [Some("a"), Some("b"), Some("c"), None]
    );
    let error = scored.column_by_name("error").unwrap().as_struct();
    let code = error.column_by_name("code").unwrap().as_string::<i32>();
    assert_eq!(
        code.iter().collect::<Vec<_>>(),
        [None, Some("empty_text"), Some("empty_text"), None]
    );
    let stances = scored.column_by_name("stances").unwrap();
    assert_eq!(
        (0..4).map(|row| stances.is_null(row)).collect::<Vec<_>>(),
        [false, true, true, false]
    );
    let lists = stances.as_list::<i32>();
    assert_eq!(lists.value(0).len(), 1);
    assert_eq!(lists.value(0).to_data(), lists.value(3).to_data());
}

#[test]
fn a_column_of_another_type_is_named() {
    let numbers: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![1.0]));
    let input = RecordBatch::try_from_iter([("text", numbers)]).unwrap();
    let predictor = predictor();
    let error = scorer(&predictor).score(&input).unwrap_err().to_string();
    assert!(
        error.contains("`text`") && error.contains("Float64"),
        "{error}"
    );
}
