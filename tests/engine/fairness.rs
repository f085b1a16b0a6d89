//! Windows of many requests in one pass, and nobody waits for a long document.

use stance::engine::{BatchLimits, EngineLimits};

use super::{Fixture, finished};

#[tokio::test]
async fn windows_of_several_requests_share_a_pass() {
    let (fixture, control) = Fixture::new(EngineLimits::default());
    let (first, control) = fixture.hold(control).await;
    let one = fixture.queue(&["a", "b"]).await;
    let two = fixture.queue(&["c"]).await;
    fixture.read(4).await;
    drop(control);
    for (task, expected) in [(first, 1), (one, 2), (two, 1)] {
        assert_eq!(finished(task).await, vec!["ok"; expected]);
    }
    let mut batches = fixture.double.batches();
    assert_eq!(batches.len(), 2, "{batches:?}");
    batches[1].sort();
    assert_eq!(batches[1], ["a", "b", "c"]);
}

#[tokio::test]
async fn a_short_request_waits_for_one_slice_of_a_long_one() {
    let batch = BatchLimits {
        batch_tokens: 256,
        slice_tokens: 64,
        fresh_tokens: 128,
    };
    let limits = EngineLimits {
        batch,
        ..EngineLimits::default()
    };
    let (fixture, control) = Fixture::new(limits);
    let (first, control) = fixture.hold(control).await;
    let long_text = "Spain and France quarrel about the harvest again. ".repeat(150);
    let long = fixture.queue(&[&long_text]).await;
    fixture.read(2).await;
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    // A new request's first pass may be as large as any, and others share it.
    while fixture.double.batches().len() < 2 {
        tokio::task::yield_now().await;
    }
    // Short ones, one after the other, while the long one is being encoded.
    let mut waits = Vec::new();
    while !long.is_finished() && waits.len() < 5 {
        let before = fixture.double.batches().len();
        assert_eq!(finished(fixture.queue(&["short"]).await).await, ["ok"]);
        let batches = fixture.double.batches();
        let place = batches
            .iter()
            .skip(before)
            .position(|words| words.contains(&"short".into()));
        waits.push(place.unwrap());
    }
    assert!(
        !waits.is_empty(),
        "the long document was too short for this"
    );
    // Reading the short one takes a moment, in which slices go on. Its pass stands alone, but for
    // the end of the long one: what is left of that may be short itself, 128 tokens in two windows.
    let batches = fixture.double.batches();
    let with_short = batches
        .iter()
        .filter(|words| words.contains(&"short".into()));
    assert!(
        with_short.clone().all(|words| words.len() <= 3),
        "{batches:?}"
    );
    let company = with_short.clone().filter(|words| words.len() > 1).count();
    assert!(company <= 1, "{batches:?}");
    assert_eq!(with_short.count(), waits.len());
    assert_eq!(finished(long).await, ["ok"]);
    let slices = fixture.double.batches();
    let largest = slices
        .iter()
        .skip(4)
        .filter(|words| !words.contains(&"short".into()))
        .map(Vec::len)
        .max();
    assert_eq!(largest, Some(1), "a slice holds one window of 64 tokens");
}

#[tokio::test]
async fn long_requests_share_and_go_on_while_short_ones_come() {
    let batch = BatchLimits {
        batch_tokens: 128,
        slice_tokens: 64,
        fresh_tokens: 1,
    };
    let limits = EngineLimits {
        batch,
        ..EngineLimits::default()
    };
    let (fixture, control) = Fixture::new(limits);
    let (first, control) = fixture.hold(control).await;
    let text = |word: &str| format!("{word} {}", "is a country with a long coast. ".repeat(60));
    let (one, two) = (text("Spain"), text("France"));
    let tasks = [fixture.queue(&[&one]).await, fixture.queue(&[&two]).await];
    fixture.read(3).await;
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    for task in tasks {
        assert_eq!(finished(task).await, ["ok"]);
    }
    let batches = fixture.double.batches();
    let long: Vec<&str> = batches
        .iter()
        .skip(2)
        .map(|words| words[0].as_str())
        .collect();
    // After the first pass, which both share, they take turns.
    let turns = long.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns + 2 >= long.len(), "{long:?}");
}

/// With the least served first, requests that kept coming overtook the later windows of all that
/// had begun: at 64 connections the slowest answer took three times the mean.
#[tokio::test]
async fn what_came_first_is_done_first() {
    let batch = BatchLimits {
        batch_tokens: 64,
        slice_tokens: 64,
        fresh_tokens: 1 << 20,
    };
    let limits = EngineLimits {
        batch,
        ..EngineLimits::default()
    };
    let (fixture, control) = Fixture::new(limits);
    let (first, control) = fixture.hold(control).await;
    let mut tasks = Vec::new();
    for (number, word) in ["Spain", "France", "Italy"].into_iter().enumerate() {
        let text = format!("{word} {}", "is a country with a long coast. ".repeat(30));
        tasks.push(fixture.queue(&[&text]).await);
        fixture.read(number as u32 + 2).await;
    }
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    for task in tasks {
        assert_eq!(finished(task).await, ["ok"]);
    }
    let batches = fixture.double.batches();
    let mut order: Vec<&str> = batches.iter().skip(1).map(|words| &*words[0]).collect();
    assert!(order.len() > 6, "each has several windows: {order:?}");
    order.dedup();
    assert_eq!(order, ["Spain", "France", "Italy"]);
}
