//! Characters that nobody sees.

/// Whether cleaning drops `c`: control characters, byte-order marks, zero-width spaces, soft
/// hyphens, direction marks. White space, joiner and non-joiner are none of them.
pub(super) fn is_invisible(c: char) -> bool {
    match c {
        '\t'..='\r' | '\u{20}'..='\u{7E}' | '\u{85}' => false,
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => true,
        _ => matches!(
            c,
            '\u{AD}'
                | '\u{61C}'
                | '\u{180E}'
                | '\u{200B}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{2064}'
                | '\u{2066}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
        ),
    }
}

/// Whether `c` is nothing to read: white space, an invisible character or a lone joiner.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether `c` belongs to the Arabic script.
pub(super) fn is_arabic(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' | '\u{870}'..='\u{8FF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}')
}

/// Whether words of this script are written without spaces, and how many of its characters
/// make a word on average.
pub(super) fn characters_per_word(c: char) -> Option<f32> {
    match c {
        // Han, kana, bopomofo.
        '\u{3040}'..='\u{30FF}'
        | '\u{3100}'..='\u{312F}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => Some(1.7),
        // Thai, Lao, Myanmar, Khmer.
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' => Some(4.5),
        _ => None,
    }
}
