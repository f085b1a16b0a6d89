//! Byte, character and UTF-16 offsets of one text.

use crate::document::OffsetUnit;

/// Bytes covered by one entry of [`OffsetTable::ranks`].
const BLOCK: usize = 512;
/// Words of 64 bits that one block takes.
const WORDS: usize = BLOCK / 64;

/// What stands in front of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Rank {
    chars: usize,
    /// Characters beyond U+FFFF, which take two UTF-16 units.
    astral: usize,
}

/// Converts offsets of one text between units.
///
/// One bit a byte marks where characters start (two bits when the text has characters beyond
/// U+FFFF), with running counts every 512 bytes: an eighth to a quarter of the text's size,
/// and nothing at all for ASCII. From bytes it is O(1), to bytes O(log n).
#[derive(Debug, Clone)]
pub struct OffsetTable {
    len: usize,
    total: Rank,
    /// Bit i: a character starts at byte i. Empty for ASCII.
    starts: Vec<u64>,
    /// Bit i: a four-byte character starts at byte i. Empty when there is none.
    astral: Vec<u64>,
    /// One entry per block of 512 bytes.
    ranks: Vec<Rank>,
}

impl OffsetTable {
    /// Reads the text once.
    pub fn new(text: &str) -> Self {
        let len = text.len();
        let mut table = Self {
            len,
            total: Rank {
                chars: len,
                astral: 0,
            },
            starts: Vec::new(),
            astral: Vec::new(),
            ranks: Vec::new(),
        };
        if text.is_ascii() {
            return table;
        }
        let words = len.div_ceil(64);
        table.starts = vec![0; words];
        if text.bytes().any(|byte| byte >= 0xF0) {
            table.astral = vec![0; words];
        }
        for (at, byte) in text.bytes().enumerate() {
            if byte & 0xC0 != 0x80 {
                table.starts[at / 64] |= 1 << (at % 64);
                if byte >= 0xF0 {
                    table.astral[at / 64] |= 1 << (at % 64);
                }
            }
        }
        let mut rank = Rank::default();
        table.ranks.reserve_exact(words.div_ceil(WORDS));
        for word in 0..words {
            if word % WORDS == 0 {
                table.ranks.push(rank);
            }
            rank.chars += table.starts[word].count_ones() as usize;
            rank.astral += table
                .astral
                .get(word)
                .map_or(0, |bits| bits.count_ones() as usize);
        }
        table.total = rank;
        table
    }

    /// Length of the text in `unit`.
    pub fn len(&self, unit: OffsetUnit) -> usize {
        match unit {
            OffsetUnit::Byte => self.len,
            OffsetUnit::Char => self.total.chars,
            OffsetUnit::Utf16 => self.total.chars + self.total.astral,
        }
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The offset in `unit` of byte offset `byte`, a character boundary. An offset inside a
    /// character counts as behind it, one beyond the text as its end.
    pub fn from_byte(&self, byte: usize, unit: OffsetUnit) -> usize {
        let byte = byte.min(self.len);
        if unit == OffsetUnit::Byte || self.starts.is_empty() {
            return byte;
        }
        if byte == self.len {
            return self.len(unit);
        }
        let before = self.ranks[byte / BLOCK];
        let first = byte / BLOCK * WORDS;
        let count = |bits: &[u64]| -> usize {
            let whole: u32 = bits[first..byte / 64]
                .iter()
                .map(|word| word.count_ones())
                .sum();
            let part = bits[byte / 64] & ((1 << (byte % 64)) - 1);
            (whole + part.count_ones()) as usize
        };
        let chars = before.chars + count(&self.starts);
        if unit == OffsetUnit::Utf16 && !self.astral.is_empty() {
            chars + before.astral + count(&self.astral)
        } else {
            chars
        }
    }

    /// The byte offset of an offset in `unit`: `None` when it is beyond the text or inside a
    /// character.
    pub fn to_byte(&self, offset: usize, unit: OffsetUnit) -> Option<usize> {
        let total = self.len(unit);
        if offset >= total {
            return (offset == total).then_some(self.len);
        }
        if self.starts.is_empty() {
            return Some(offset);
        }
        if unit == OffsetUnit::Byte {
            return (self.starts[offset / 64] >> (offset % 64) & 1 == 1).then_some(offset);
        }
        let wide = unit == OffsetUnit::Utf16;
        let units = |rank: &Rank| rank.chars + if wide { rank.astral } else { 0 };
        let block = self.ranks.partition_point(|rank| units(rank) <= offset) - 1;
        let mut seen = units(&self.ranks[block]);
        for word in block * WORDS..self.starts.len() {
            let astral = if wide {
                self.astral.get(word).copied().unwrap_or(0)
            } else {
                0
            };
            let mut bits = self.starts[word];
            let here = (bits.count_ones() + astral.count_ones()) as usize;
            if seen + here <= offset {
                seen += here;
                continue;
            }
            while bits != 0 {
                let at = bits.trailing_zeros();
                if seen >= offset {
                    return (seen == offset).then_some(word * 64 + at as usize);
                }
                seen += 1 + (astral >> at & 1) as usize;
                bits &= bits - 1;
            }
            // The offset was the second half of the word's last character.
            if seen > offset {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_units_of_one_text() {
        let table = OffsetTable::new("aé😀س");
        assert_eq!(table.from_byte(7, OffsetUnit::Char), 3);
        assert_eq!(table.from_byte(7, OffsetUnit::Utf16), 4);
        assert_eq!(table.to_byte(3, OffsetUnit::Char), Some(7));
        assert_eq!(table.to_byte(4, OffsetUnit::Utf16), Some(7));
        assert_eq!(
            table.to_byte(3, OffsetUnit::Utf16),
            None,
            "inside a surrogate pair"
        );
        assert_eq!(
            table.to_byte(2, OffsetUnit::Byte),
            None,
            "inside a character"
        );
        assert_eq!(table.to_byte(9, OffsetUnit::Byte), Some(9));
        assert_eq!(table.to_byte(5, OffsetUnit::Char), None, "beyond the text");
        assert_eq!(table.to_byte(4, OffsetUnit::Char), Some(9));
    }

    #[test]
    fn ascii_needs_no_table() {
        let table = OffsetTable::new("plain");
        assert!(table.starts.is_empty());
        assert_eq!(table.to_byte(5, OffsetUnit::Utf16), Some(5));
        assert_eq!(table.to_byte(6, OffsetUnit::Utf16), None);
        assert!(OffsetTable::new("").is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_counting(parts in prop::collection::vec("[a-zéس中😀]{0,9}", 0..160)) {
            let text = parts.concat();
            let table = OffsetTable::new(&text);
            let (mut chars, mut wide) = (0, 0);
            for (at, c) in text.char_indices() {
                prop_assert_eq!(table.from_byte(at, OffsetUnit::Char), chars);
                prop_assert_eq!(table.from_byte(at, OffsetUnit::Utf16), wide);
                prop_assert_eq!(table.to_byte(chars, OffsetUnit::Char), Some(at));
                prop_assert_eq!(table.to_byte(wide, OffsetUnit::Utf16), Some(at));
                prop_assert_eq!(table.to_byte(at, OffsetUnit::Byte), Some(at));
                if c.len_utf16() == 2 {
                    prop_assert_eq!(table.to_byte(wide + 1, OffsetUnit::Utf16), None);
                }
                chars += 1;
                wide += c.len_utf16();
            }
            prop_assert_eq!(table.len(OffsetUnit::Char), chars);
            prop_assert_eq!(table.len(OffsetUnit::Utf16), wide);
            prop_assert_eq!(table.to_byte(chars, OffsetUnit::Char), Some(text.len()));
        }
    }
}
