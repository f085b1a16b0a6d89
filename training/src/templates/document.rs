//! Documents: sentences with gaps between the sentences of a news article.
//!
//! In a column one sentence in ten says where the author stands, and the others, in which the actor
//! is named too, tell what happened. A document is a run of sentences of an article in which an
//! author's sentences are put; whom only the article names, it reports on.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use stance::actors::{ActorKind, Matcher, Registry};
use stance::prediction::Stance;
use stance::text::{CleanText, sentences};

use super::sentence::{Names, Sentence, Target, Template, kinds};
use crate::data::record::TopicRecord;

/// Characters of an article that is long enough.
const ARTICLE: usize = 600;
/// Characters of the run of sentences taken from it.
const RUN: Range<usize> = 400..2400;
/// Actors that the run names, at the least: columns are written about such news.
const ACTORS: usize = 2;
/// Share of the documents whose author writes about somebody the article names.
const NAMED: f64 = 0.7;
/// Sentences of the author's about one actor; where there are none, all is reported.
const OWN: Range<usize> = 0..4;
/// Share of the documents whose author is also for, or against, somebody on the other side.
const TWO_SIDES: f64 = 0.4;
/// Sentences about the other side.
const OTHERS: Range<usize> = 1..4;
/// Actors that only the article names, at the most.
const REPORTED: usize = 2;
/// Tries to make a document of an article.
const TRIES: usize = 8;

/// Makes documents of articles.
pub(super) struct Maker<'a> {
    templates: &'a [Template],
    matcher: Matcher,
}

/// A document and the actors in it.
pub(super) struct Passage {
    pub text: String,
    pub targets: Vec<Target>,
}

/// A run of sentences of an article.
struct Run<'t> {
    language: &'t str,
    text: &'t str,
    /// Where its sentences end, in bytes.
    ends: Vec<usize>,
    mentioned: Vec<Mentioned>,
}

/// What the author writes about one actor.
struct Side<'m> {
    /// An actor of the article; `None` for anybody.
    about: Option<&'m Mentioned>,
    stance: Stance,
    /// Sentences.
    count: usize,
}

/// An actor that the run of sentences names.
struct Mentioned {
    name: String,
    kind: ActorKind,
    /// Bytes of the run.
    spans: Vec<Range<usize>>,
}

impl<'a> Maker<'a> {
    pub fn new(templates: &'a [Template], matcher: Matcher) -> Self {
        Self { templates, matcher }
    }

    /// Whether documents can be made of an article.
    pub fn takes(&self, article: &TopicRecord) -> bool {
        article.text.chars().nth(ARTICLE).is_some()
            && self.templates.iter().any(|t| t.lang == article.lang)
    }

    /// A text and its targets; `None` when no sentences fit.
    pub fn document(
        &self,
        article: &TopicRecord,
        names: &mut Names,
        rng: &mut impl Rng,
    ) -> Option<Passage> {
        let clean = CleanText::new(&article.text, false, &[]).ok()?;
        let all = sentences(clean.text(), clean.paragraphs());
        let sentences = run(clean.text(), &all, rng)?;
        let base = sentences.first()?.start;
        let text = &clean.text()[base..sentences.last()?.end];
        let run = Run {
            language: &article.lang,
            text,
            ends: sentences.iter().map(|s| s.end - base).collect(),
            mentioned: self.mentioned(text, &article.lang),
        };
        if run.mentioned.len() < ACTORS {
            return None;
        }
        (0..TRIES).find_map(|_| self.try_one(&run, names, rng))
    }

    fn mentioned(&self, text: &str, language: &str) -> Vec<Mentioned> {
        let mut spans: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for mention in self.matcher.find(text) {
            if !(mention.weak || mention.ambiguous || mention.loaded) {
                spans.entry(mention.actor).or_default().push(mention.span);
            }
        }
        let actors = spans.into_iter().filter_map(|(actor, spans)| {
            let actor = &self.matcher.actors()[actor];
            let kind = Registry::embedded().get(&actor.id)?.kind;
            let name = actor.name(language).to_owned();
            Some(Mentioned { name, kind, spans })
        });
        actors.collect()
    }

    fn try_one(&self, run: &Run, names: &mut Names, rng: &mut impl Rng) -> Option<Passage> {
        let first = *[Stance::Favor, Stance::Against].choose(rng)?;
        let second = match first {
            Stance::Favor => Stance::Against,
            _ => Stance::Favor,
        };
        let mut sides = vec![(first, OWN)];
        if rng.random_bool(TWO_SIDES) {
            sides.push((second, OTHERS));
        }
        let mut mentioned: Vec<&Mentioned> = run.mentioned.iter().collect();
        mentioned.shuffle(rng);
        let mut own = Vec::new();
        for (stance, counts) in sides {
            let about = if rng.random_bool(NAMED) {
                Some(mentioned.pop()?)
            } else {
                None
            };
            let count = rng.random_range(counts);
            let side = Side {
                about,
                stance,
                count,
            };
            self.write(run, &side, &mut own, names, rng)?;
        }
        let passage = assemble(run, own, rng);
        (!passage.targets.is_empty()).then_some(passage)
    }

    /// Adds the sentences of a side to `own`. All are about one actor: a second one must have a gap
    /// of the same kind.
    fn write(
        &self,
        run: &Run,
        side: &Side,
        own: &mut Vec<Sentence>,
        names: &mut Names,
        rng: &mut impl Rng,
    ) -> Option<()> {
        let about = side.about;
        let fits = |gap: &str| about.is_none_or(|actor| kinds(gap).contains(&actor.kind));
        let fitting: Vec<(&Template, &String)> = self
            .templates
            .iter()
            .filter(|template| template.lang == run.language)
            .filter_map(|template| {
                let mut gaps = template.stance.iter();
                let (gap, _) = gaps.find(|(gap, said)| **said == side.stance && fits(gap))?;
                Some((template, gap))
            })
            .collect();
        let (_, first) = fitting.choose(rng)?;
        let same = |(_, gap): &&(&Template, &String)| kinds(gap) == kinds(first);
        let same: Vec<_> = fitting.iter().filter(same).collect();
        let mut author = about.map(|actor| actor.name.clone());
        for (template, gap) in same.choose_multiple(rng, side.count.min(same.len())) {
            let given = author.iter().map(|name| (gap.as_str(), name.clone()));
            let given: BTreeMap<&str, String> = given.collect();
            let taken = |name: &str| {
                run.text.contains(name)
                    || run.mentioned.iter().any(|actor| actor.name == name)
                    || own.iter().any(|s| s.text.contains(name))
            };
            let sentence = template.fill(&given, names, &taken, rng)?;
            let mut filled = template.stance.keys().zip(&sentence.targets);
            author = filled.find(|(g, _)| g == gap).map(|(_, t)| t.name.clone());
            own.push(sentence);
        }
        Some(())
    }
}

/// A run of sentences of a random length.
fn run<'s>(text: &str, all: &'s [Range<usize>], rng: &mut impl Rng) -> Option<&'s [Range<usize>]> {
    let wanted = rng.random_range(RUN);
    let start = rng.random_range(0..all.len().div_ceil(2).max(1));
    let mut characters = 0;
    let fitting = all.get(start..)?.iter().take_while(|sentence| {
        characters += text[(*sentence).clone()].chars().count();
        characters <= wanted
    });
    let count = fitting.count();
    (count > 0).then(|| &all[start..start + count])
}

/// Puts the author's sentences behind sentences of the run, and collects who is a target.
fn assemble(run: &Run, own: Vec<Sentence>, rng: &mut impl Rng) -> Passage {
    let Run {
        text,
        ends,
        mentioned,
        ..
    } = run;
    let mut cuts: Vec<usize> = own
        .iter()
        .map(|_| ends.choose(rng).copied().unwrap_or(text.len()))
        .collect();
    cuts.sort_unstable();
    let mut out = String::new();
    let mut characters = 0;
    let mut targets: Vec<Target> = Vec::new();
    // Where each piece of `text` begins: in bytes of it, and in characters of the document.
    let mut pieces = vec![(0, 0)];
    let mut from = 0;
    for (sentence, cut) in own.into_iter().zip(&cuts) {
        let before = &text[from..*cut];
        out.push_str(before);
        out.push(' ');
        characters += before.chars().count() + 1;
        for mut target in sentence.targets {
            for span in &mut target.spans {
                *span = span.map(|place| place + characters);
            }
            match targets.iter_mut().find(|other| other.name == target.name) {
                Some(other) => other.spans.extend(target.spans),
                None => targets.push(target),
            }
        }
        out.push_str(&sentence.text);
        characters += sentence.text.chars().count();
        from = *cut;
        pieces.push((from, characters));
    }
    out.push_str(&text[from..]);
    let place = |byte: usize| {
        let piece = pieces.iter().rev().find(|(start, _)| *start <= byte);
        let (start, at) = piece.copied().unwrap_or_default();
        at + text[start..byte].chars().count()
    };
    let moved = |actor: &Mentioned| -> Vec<[usize; 2]> {
        let uncut =
            |span: &&Range<usize>| !cuts.iter().any(|cut| span.start < *cut && *cut < span.end);
        let spans = actor.spans.iter().filter(uncut);
        let characters = |span: &Range<usize>| text[span.clone()].chars().count();
        spans
            .map(|s| [place(s.start), place(s.start) + characters(s)])
            .collect()
    };
    let mut reported: Vec<&Mentioned> = Vec::new();
    for actor in mentioned {
        match targets.iter_mut().find(|target| target.name == actor.name) {
            Some(target) => target.spans.extend(moved(actor)),
            None => reported.push(actor),
        }
    }
    reported.shuffle(rng);
    for actor in reported.into_iter().take(REPORTED) {
        targets.push(Target {
            name: actor.name.clone(),
            spans: moved(actor),
            stance: Stance::Neutral,
        });
    }
    for target in &mut targets {
        target.spans.sort_unstable();
    }
    targets.retain(|target| !target.spans.is_empty());
    Passage { text: out, targets }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TEMPLATES: [(&str, &str, Stance); 3] = [
        ("s1", "We owe {s1} our thanks.", Stance::Favor),
        ("s1", "The conduct of {s1} is a disgrace.", Stance::Against),
        (
            "g1",
            "There was never a worse gang than {g1}.",
            Stance::Against,
        ),
    ];

    fn templates() -> Vec<Template> {
        let one = |(gap, text, stance): (&str, &str, Stance)| Template {
            lang: "en".to_owned(),
            text: text.to_owned(),
            stance: BTreeMap::from([(gap.to_owned(), stance)]),
        };
        TEMPLATES.map(one).into()
    }

    fn article() -> TopicRecord {
        TopicRecord {
            id: "1".to_owned(),
            dataset: "news".to_owned(),
            lang: "en".to_owned(),
            text: "Ministers of France met their colleagues from Japan. It rained. The talks in \
                   Zürich were about fish. France wants more of it, 日本 and Japan want less. "
                .repeat(6),
            topic: "politics".to_owned(),
        }
    }

    #[test]
    fn spans_are_those_of_the_names_and_the_author_decides() {
        let templates = templates();
        let matcher = Matcher::new(Registry::embedded(), None).unwrap();
        let maker = Maker::new(&templates, matcher);
        let (mut names, mut rng) = (Names::default(), ChaCha8Rng::seed_from_u64(5));
        let article = article();
        assert!(maker.takes(&article));
        let (mut said, mut both) = (BTreeMap::new(), 0);
        for _ in 0..200 {
            let Some(made) = maker.document(&article, &mut names, &mut rng) else {
                continue;
            };
            let characters: Vec<char> = made.text.chars().collect();
            let takes = |stance| made.targets.iter().any(|target| target.stance == stance);
            both += usize::from(takes(Stance::Favor) && takes(Stance::Against));
            for target in &made.targets {
                assert!(target.spans.is_sorted() && !target.spans.is_empty());
                let thanks = made.text.contains(&format!("owe {} our", target.name));
                let blame = made
                    .text
                    .contains(&format!("conduct of {} is", target.name))
                    || made.text.contains(&format!("gang than {}", target.name));
                let expected = match (thanks, blame) {
                    (true, false) => Stance::Favor,
                    (false, true) => Stance::Against,
                    (false, false) => Stance::Neutral,
                    (true, true) => panic!("both: {}", made.text),
                };
                assert_eq!(target.stance, expected, "{} in {}", target.name, made.text);
                for span in &target.spans {
                    let spanned: String = characters[span[0]..span[1]].iter().collect();
                    let other = target.name == "Japan" && spanned == "日本";
                    assert!(
                        spanned == target.name || other,
                        "{spanned} is {}",
                        target.name
                    );
                }
                let more = target.spans.len() > 1;
                *said.entry((expected.as_str(), more)).or_insert(0) += 1;
            }
        }
        for stance in ["favor", "against", "neutral"] {
            assert!(said.contains_key(&(stance, true)), "{stance}: {said:?}");
        }
        assert!(both > 20, "{both}");
    }

    #[test]
    fn short_articles_and_other_languages_are_left_out() {
        let templates = templates();
        let matcher = Matcher::new(Registry::embedded(), None).unwrap();
        let maker = Maker::new(&templates, matcher);
        let mut short = article();
        short.text.truncate(ARTICLE / 2);
        assert!(!maker.takes(&short));
        let mut other = article();
        other.lang = "sw".to_owned();
        assert!(!maker.takes(&other));
    }
}
