//! Which blocks of a pasted web page are the article.
//!
//! Shallow features tell prose from furniture in any language: the length of a block, how it
//! ends, whether it is repeated, what stands around it (Kohlschütter, Fankhauser and Nejdl,
//! "Boilerplate detection using shallow text features", WSDM 2010,
//! doi 10.1145/1718487.1718542). Each block gets a score; the article is the stretch of blocks
//! with the greatest sum (Pasternack and Roth, "Extracting article text from the web with
//! maximum subsequence segmentation", WWW 2009, doi 10.1145/1526709.1526840), which puts up
//! with short headings between long paragraphs and not with a menu. Small lists of what pages
//! call their parts ([`cues`]) come second.
//!
//! When in doubt, text stays: without an article of some length, or without a sign that the
//! text was pasted from a page, nothing but outright furniture is set aside.

mod cues;
mod features;
mod overlap;
mod runs;

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use self::features::{Features, Furniture};
use self::overlap::Vocabulary;
use self::runs::{Run, maximal_runs};
use super::lines::Block;

/// The least score of a stretch that passes for an article, and the least length of its
/// longest paragraph, in words.
const MIN_ARTICLE: f32 = 20.0;
const MIN_PARAGRAPH: f32 = 18.0;
/// So many pieces of furniture say that the text was pasted from a page.
const MIN_FURNITURE: usize = 2;
/// So many link-like blocks in a row are a menu, if the text was pasted.
const MENU_RUN: usize = 6;
/// An article of this share of all words is most of the text.
const MOST_OF_TEXT: f32 = 0.75;
/// A box (related articles, keywords) ends after so many entries at the latest.
const MAX_BOX: usize = 15;
/// Inside an article, only notices of up to this many words are taken for notices.
const LONGEST_NOTICE: f32 = 20.0;
/// A stretch before readers' comments of this score is the article, however long the comments.
const MIN_BEFORE_COMMENTS: f32 = 60.0;
/// Behind comments, a stretch of so many paragraphs may be another article.
const MIN_COLUMN: usize = 3;
/// Another stretch belongs to the article when it is this large a part of the greatest, or has
/// this score and shares this many of its words with it.
const SECOND_SHARE: f32 = 0.5;
const SECOND_SCORE: f32 = 100.0;
const SECOND_OVERLAP: f32 = 0.45;
/// Prose outside stays when it shares this many of its words with the article; a title in
/// front of it when it shares this many, fewer when nothing but furniture stands in between
/// and fewer still when it is repeated there, nearly all when it stands at the end of a box.
const PROSE_OVERLAP: f32 = 0.5;
const TITLE_OVERLAP: f32 = 0.5;
const NEAREST_TITLE_OVERLAP: f32 = 0.4;
const REPEATED_TITLE_OVERLAP: f32 = 0.2;
const BOXED_TITLE_OVERLAP: f32 = 0.8;
/// So many blocks in front of the article are searched for its title.
const TITLE_REACH: usize = 8;

/// Says of each block whether it stays.
pub(super) fn keep_blocks(text: &str, blocks: &[Block]) -> Vec<bool> {
    let everything = vec![true; blocks.len()];
    if blocks.len() < 2 {
        return everything;
    }
    let page = Page::read(text, blocks);
    let kept = page.article().map(|runs| page.select(&runs));
    match kept {
        Some(kept) if page.mass_of(&kept) >= MIN_PARAGRAPH => kept,
        _ => everything,
    }
}

/// Blocks with their features.
struct Page<'t> {
    text: &'t str,
    blocks: &'t [Block],
    features: Vec<Features>,
    /// The block repeats the one in front of it.
    doubled: Vec<bool>,
    /// The block is an entry of a box.
    boxed: Vec<bool>,
    scores: Vec<f32>,
    /// Whether the text was pasted from a page.
    pasted: bool,
}

impl<'t> Page<'t> {
    fn read(text: &'t str, blocks: &'t [Block]) -> Self {
        let features: Vec<Features> = blocks
            .iter()
            .map(|block| Features::of(&text[block.range.clone()]))
            .collect();
        let doubled: Vec<bool> = (0..features.len())
            .map(|at| {
                at > 0
                    && features[at].link_like()
                    && !features[at].key.is_empty()
                    && features[at].key == features[at - 1].key
            })
            .collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for feature in features
            .iter()
            .filter(|it| it.link_like() && !it.key.is_empty())
        {
            *counts.entry(&feature.key).or_default() += 1;
        }
        let repeated =
            |it: &Features| it.link_like() && counts.get(it.key.as_str()).is_some_and(|&n| n > 1);
        let scores = features
            .iter()
            .map(|it| {
                it.score()
                    - if repeated(it) && !it.terminal {
                        6.0
                    } else {
                        0.0
                    }
            })
            .collect();
        let furniture = features.iter().filter(|it| it.outright()).count();
        let pairs = doubled.iter().filter(|&&twice| twice).count();
        let boxed = boxed(blocks, &features);
        let pasted = furniture + if pairs >= MIN_FURNITURE { pairs } else { 0 } >= MIN_FURNITURE;
        Self {
            text,
            blocks,
            features,
            doubled,
            boxed,
            scores,
            pasted,
        }
    }

    fn block(&self, at: usize) -> &'t str {
        &self.text[self.blocks[at].range.clone()]
    }

    fn mass_of(&self, kept: &[bool]) -> f32 {
        self.features
            .iter()
            .zip(kept)
            .filter(|&(_, &keep)| keep)
            .map(|(it, _)| it.mass)
            .sum()
    }

    /// The stretches that make up the article, in order; `None` when there is none of some
    /// length.
    fn article(&self) -> Option<Article<'_>> {
        let runs = maximal_runs(&self.scores);
        let best = |runs: &mut dyn Iterator<Item = &Run>| {
            runs.max_by(|a, b| a.score.total_cmp(&b.score)).cloned()
        };
        let barrier = self.features.iter().position(Features::opens_comments);
        let barrier = barrier.unwrap_or(self.features.len());
        let before = best(&mut runs.iter().filter(|run| run.range.end <= barrier))
            .filter(|run| run.score >= MIN_BEFORE_COMMENTS);
        let main = before.or_else(|| best(&mut runs.iter()))?;
        let longest = self.features[main.range.clone()]
            .iter()
            .filter(|it| it.prose())
            .map(|it| it.mass)
            .fold(0.0, f32::max);
        if main.score < MIN_ARTICLE || longest < MIN_PARAGRAPH {
            return None;
        }
        let blocks: Vec<&str> = main.range.clone().map(|at| self.block(at)).collect();
        let vocabulary = LazyCell::new(Box::new(move || Vocabulary::of(&blocks)) as Read<'_>);
        let mut article = Article {
            runs: Vec::new(),
            vocabulary,
        };
        for run in runs {
            let large = run.score >= main.score * SECOND_SHARE;
            let belongs = run.range == main.range
                || if run.range.start > barrier {
                    large && self.is_column(&run)
                } else {
                    !self.pasted || large || self.continues(&run, &article)
                };
            if belongs {
                article.runs.push(run.range);
            }
        }
        Some(article)
    }

    /// Whether a stretch behind readers' comments is another article rather than comments,
    /// whose paragraphs alternate with names and buttons.
    fn is_column(&self, run: &Run) -> bool {
        let inside = &self.features[run.range.clone()];
        let prose = inside.iter().filter(|it| it.prose()).count();
        let links = inside.iter().filter(|it| it.link_like()).count();
        prose >= MIN_COLUMN && links * 2 <= prose
    }

    /// Whether a smaller stretch speaks about the same as the article.
    fn continues(&self, run: &Run, article: &Article) -> bool {
        if run.score < SECOND_SCORE {
            return false;
        }
        let shares = run
            .range
            .clone()
            .map(|at| article.vocabulary.share(self.block(at)));
        shares.sum::<f32>() >= SECOND_OVERLAP * run.range.len() as f32
    }

    /// Decides about each block, given the article.
    fn select(&self, article: &Article) -> Vec<bool> {
        let mut kept = vec![false; self.features.len()];
        let total: f32 = self.features.iter().map(|it| it.mass).sum();
        let inside: f32 = article
            .runs
            .iter()
            .flat_map(Range::clone)
            .map(|at| self.features[at].mass)
            .sum();
        let whole = inside >= total * MOST_OF_TEXT;
        let mut position = 0;
        for run in &article.runs {
            self.select_outside(position..run.start, true, whole, article, &mut kept);
            self.select_inside(position, run.clone(), &mut kept);
            position = run.end;
        }
        self.select_outside(
            position..self.features.len(),
            false,
            whole,
            article,
            &mut kept,
        );
        kept
    }

    /// Inside the article only outright furniture, boxes and repeated headings go; a title
    /// kept in front of it, from block `front` on, counts as its first heading.
    fn select_inside(&self, front: usize, run: Range<usize>, kept: &mut [bool]) {
        let mut headings: HashSet<&str> = HashSet::new();
        headings.extend(
            (front..run.start)
                .filter(|&at| kept[at])
                .map(|at| self.features[at].key.as_str()),
        );
        for at in run {
            let it = &self.features[at];
            let heading = it.link_like() && !it.terminal && !it.key.is_empty();
            let again = heading && !headings.insert(&it.key) && (self.pasted || self.doubled[at]);
            // A long notice between paragraphs is rather a paragraph about cookies or rights.
            let about = it.furniture == Some(Furniture::Notice) && it.mass > LONGEST_NOTICE;
            kept[at] = !(again || self.boxed[at] || it.outright() && !about);
        }
    }

    /// Outside, everything goes that stands among furniture and has little to do with the
    /// article, or that readers wrote behind it.
    ///
    /// - `head`: whether the article goes on behind the gap;
    /// - `whole`: whether the article is most of the text.
    fn select_outside(
        &self,
        gap: Range<usize>,
        head: bool,
        whole: bool,
        article: &Article,
        kept: &mut [bool],
    ) {
        let trim = self.is_furnished(gap.clone(), whole);
        let mut comments = gap.clone().filter(|&at| self.features[at].opens_comments());
        let comments = comments.next().filter(|_| gap.start > 0).unwrap_or(gap.end);
        let mut titles: HashSet<&str> = HashSet::new();
        for at in gap.clone().rev() {
            let it = &self.features[at];
            kept[at] = if let Some(kind) = it.furniture {
                kind == Furniture::Address && !trim
            } else if trim {
                let near = head && gap.end - at <= TITLE_REACH;
                (near && self.is_title(at, gap.end, article) && titles.insert(&it.key))
                    || (at < comments && self.belongs(at, &gap, article))
            } else {
                !self.boxed[at]
            };
        }
    }

    /// Whether a gap holds furniture: a menu, a box, a form.
    fn is_furnished(&self, gap: Range<usize>, whole: bool) -> bool {
        let mut longest = 0;
        let mut length = 0;
        for at in gap.clone() {
            length = if self.features[at].link_like() {
                length + 1
            } else {
                0
            };
            longest = longest.max(length);
        }
        if self.pasted {
            let furniture = |at: usize| self.features[at].furniture.is_some() || self.doubled[at];
            return longest >= MENU_RUN || gap.into_iter().any(furniture);
        }
        // Without any other sign, a long list of short lines is a menu only next to an article
        // that is most of the text.
        longest >= MENU_RUN && whole
    }

    /// Whether a short block in front of the article names its subject.
    fn is_title(&self, at: usize, end: usize, article: &Article) -> bool {
        let it = &self.features[at];
        if it.mass < 3.0 {
            return false;
        }
        let share = article.vocabulary.share(self.block(at));
        if self.boxed[at] {
            at + 1 == end && it.mass >= 4.0 && share >= BOXED_TITLE_OVERLAP
        } else {
            let furniture = |at: usize| self.features[at].furniture.is_some() || self.boxed[at];
            let nearest = (at + 1..end).all(furniture);
            share
                >= match (nearest, self.doubled[at]) {
                    (true, true) => REPEATED_TITLE_OVERLAP,
                    (true, false) => NEAREST_TITLE_OVERLAP,
                    _ => TITLE_OVERLAP,
                }
        }
    }

    /// Whether prose outside the article continues it: not the teaser under a repeated heading,
    /// and in the same words.
    fn belongs(&self, at: usize, gap: &Range<usize>, article: &Article) -> bool {
        let it = &self.features[at];
        let teaser = at > gap.start && self.doubled[at - 1];
        it.prose()
            && !teaser
            && !self.boxed[at]
            && article.vocabulary.share(self.block(at)) >= PROSE_OVERLAP
    }
}

/// Collects the words of the article when they are first asked for.
type Read<'p> = Box<dyn FnOnce() -> Vocabulary + 'p>;

/// What was recognised as the article.
struct Article<'p> {
    /// Stretches of blocks.
    runs: Vec<Range<usize>>,
    /// The words of the greatest one.
    vocabulary: LazyCell<Vocabulary, Read<'p>>,
}

/// Marks the entries of boxes: the link-like blocks that follow a heading such as "most read",
/// up to the next empty line when they follow it without one.
fn boxed(blocks: &[Block], features: &[Features]) -> Vec<bool> {
    let mut boxed = vec![false; features.len()];
    let mut left = 0;
    let mut compact = false;
    for (at, it) in features.iter().enumerate() {
        let gap = blocks[at].after_gap;
        if it.opens_box() {
            left = MAX_BOX;
            compact = blocks.get(at + 1).is_some_and(|next| !next.after_gap);
        } else if it.prose() && it.full_stop || it.mass > features::SHORT || compact && gap {
            left = 0;
        } else if left > 0 {
            boxed[at] = true;
            left -= 1;
        }
    }
    boxed
}

#[cfg(test)]
mod tests;
