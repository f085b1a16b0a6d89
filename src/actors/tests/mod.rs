use super::*;

mod forms;
mod languages;
mod lint;
mod properties;
mod registry;
mod requests;
mod samples;
mod support;

/// The matcher over the whole embedded registry.
fn matcher() -> &'static Matcher {
    static MATCHER: std::sync::OnceLock<Matcher> = std::sync::OnceLock::new();
    MATCHER.get_or_init(|| Matcher::new(Registry::embedded(), None).unwrap())
}

/// What is found: id, text, and `~` in front of weak ones.
fn found(matcher: &Matcher, text: &str) -> Vec<String> {
    matcher
        .find(text)
        .iter()
        .map(|mention| {
            let mark = if mention.weak { "~" } else { "" };
            let id = &matcher.actors()[mention.actor].id;
            format!("{mark}{id}={}", &text[mention.span.clone()])
        })
        .collect()
}

/// Asserts that exactly these are found in each text.
fn check_all(cases: &[(&str, &[&str])]) {
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let got = found(matcher(), text);
        if got != *expected {
            wrong.push(format!(
                "{text}\n  expected {expected:?}\n  found    {got:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
