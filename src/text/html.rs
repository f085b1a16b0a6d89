//! The text of a page of HTML, by `html2text`, which parses as browsers do.
//!
//! Menus, forms and the like are left in here: setting them aside is the business of cleaning,
//! which knows them from pasted pages.

use html2text::config::with_decorator;
use html2text::render::TrivialDecorator;

use super::TextError;

/// Tags of a page at the most; a page of news has some thousands.
const MAX_TAGS: usize = 200_000;

/// Columns of the rendered text: wide enough that few paragraphs are wrapped. Wrapped lines are
/// joined again when the text is cleaned.
const COLUMNS: usize = 10_000;

/// What a reader of the page sees, a paragraph a line; empty when there is nothing.
///
/// # Errors
/// [`TextError::TooManyTags`], [`TextError::UnreadableHtml`].
pub fn html_text(html: &str) -> Result<String, TextError> {
    // Counted before anything is built: a parser needs memory for each.
    let tags = html.bytes().filter(|&byte| byte == b'<').count();
    if tags > MAX_TAGS {
        return Err(TextError::TooManyTags {
            tags,
            limit: MAX_TAGS,
        });
    }
    let text = with_decorator(TrivialDecorator::new())
        .raw_mode(true)
        .no_link_wrapping()
        .allow_width_overflow()
        .string_from_read(html.as_bytes(), COLUMNS)
        .map_err(|error| TextError::UnreadableHtml {
            message: error.to_string(),
        })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::html_text;

    #[test]
    fn a_page_is_read_as_it_is_seen() {
        let html = "<html><head><title>Title</title><script>var secret = 1;</script>\
                    <style>p { color: red }</style></head><body><h1>The vote</h1>\
                    <p>Spain &amp; <b>France</b> met.<br>Tom &lt;3 it.</p>\
                    <ul><li>one</li><li>two</li></ul>\
                    <table><tr><td>left</td><td>right</td></tr></table>\
                    <p dir=rtl>\u{633}\u{648}\u{631}\u{64a}\u{627}</p><!-- secret --></body>";
        let text = html_text(html).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines[..3],
            ["The vote", "Spain & France met.", "Tom <3 it."]
        );
        for kept in [
            "one",
            "two",
            "left",
            "right",
            "\u{633}\u{648}\u{631}\u{64a}\u{627}",
        ] {
            assert!(text.contains(kept), "{kept} is missing in {text}");
        }
        for gone in ["secret", "color", "<p"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }

    #[test]
    fn what_is_no_page_is_read_too() {
        assert_eq!(html_text("no markup at all").unwrap(), "no markup at all");
        assert_eq!(html_text("<html></html>").unwrap(), "");
        assert_eq!(
            html_text("<p>open <b>and <i>wrong</p>").unwrap(),
            "open and wrong"
        );
    }

    #[test]
    fn a_page_that_is_nested_without_end_is_read_or_refused() {
        let deep = format!("{}Spain", "<div>".repeat(5_000));
        assert!(html_text(&deep).is_ok_and(|text| text == "Spain"));
        let many = "<b>".repeat(200_001);
        assert!(html_text(&many).is_err());
    }
}
