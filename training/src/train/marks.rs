//! Marks around the target, in a text of its own for every target: what a teacher reads.
//!
//! The model reads all actors of a window in one pass, and its states do not know which of them is
//! asked about. A pass per actor, with the actor between marks as in relation extraction (Baldini
//! Soares et al. 2019, arXiv 1906.03158), reads better and costs too much to serve; it can teach.

use crate::data::examples::StanceExample;

/// Before and behind a mention of the target.
const MARKS: [&str; 2] = [" § ", " ¶ "];

/// The text of `example` with marks around the mentions of its target `index`, which is the only one
/// left; as it is where the target has no mentions.
pub fn one(example: &StanceExample, index: usize) -> StanceExample {
    let mut target = example.targets[index].clone();
    let (mut text, mut spans, mut done) = (String::new(), Vec::new(), 0);
    for [start, end] in std::mem::take(&mut target.spans) {
        // A mention inside another is marked with it.
        if start < done {
            continue;
        }
        text += &example.text[done..start];
        text += MARKS[0];
        spans.push([text.len(), text.len() + end - start]);
        text += &example.text[start..end];
        text += MARKS[1];
        done = end;
    }
    text += &example.text[done..];
    target.spans = spans;
    StanceExample {
        id: target.id.clone(),
        text,
        targets: vec![target],
        ..example.clone()
    }
}

/// An example for each target that has mentions, and one for all that have none.
pub fn each(example: StanceExample) -> Vec<StanceExample> {
    let mut out: Vec<StanceExample> = (0..example.targets.len())
        .filter(|&index| !example.targets[index].spans.is_empty())
        .map(|index| one(&example, index))
        .collect();
    let mut rest = example;
    rest.targets.retain(|target| target.spans.is_empty());
    if !rest.targets.is_empty() {
        out.push(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::each;
    use crate::data::examples::StanceExample;

    #[test]
    fn every_target_stands_between_marks_in_a_text_of_its_own() {
        let row = r#"{"id": "1", "dataset": "d", "lang": "en", "text": "A met B, and A left.", "targets": [
            {"id": "1", "name": "A", "spans": [[0, 1], [13, 14]], "stance": "favor", "kind": "actor"},
            {"id": "2", "name": "B", "spans": [[6, 7]], "stance": "against", "kind": "actor"},
            {"id": "3", "name": "C", "stance": "neutral", "kind": "actor"},
            {"id": "4", "name": "A met B", "spans": [[0, 7], [6, 7]], "stance": "neutral", "kind": "actor"}]}"#;
        let marked = each(serde_json::from_str::<StanceExample>(row).unwrap());
        let texts: Vec<&str> = marked.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                " § A ¶  met B, and  § A ¶  left.",
                "A met  § B ¶ , and A left.",
                " § A met B ¶ , and A left.",
                "A met B, and A left.",
            ]
        );
        for row in &marked[..3] {
            let target = &row.targets[0];
            let named = target
                .spans
                .iter()
                .map(|[start, end]| &row.text[*start..*end]);
            assert!(named.into_iter().all(|name| name == target.name));
        }
        assert_eq!(marked[3].targets[0].name, "C");
    }
}
