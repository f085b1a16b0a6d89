//! Where a text names actors for certain.

use std::collections::BTreeMap;
use std::ops::Range;

use stance::actors::Matcher;

/// The actors that `text` names for certain, as indices of [`Matcher::actors`], and where, in bytes.
pub fn certain(matcher: &Matcher, text: &str) -> BTreeMap<usize, Vec<Range<usize>>> {
    let mut named: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
    for mention in matcher.find(text) {
        if !(mention.weak || mention.ambiguous) {
            named.entry(mention.actor).or_default().push(mention.span);
        }
    }
    named
}
