//! Times as files write them, and the periods that they fall into.

use chrono::{DateTime, Datelike, NaiveDate};
use clap::ValueEnum;
use serde_json::Value;

/// How long a period is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Period {
    /// `2024-05-31`.
    Day,
    /// ISO week, `2024-W22`.
    Week,
    /// `2024-05`.
    #[default]
    Month,
    /// `2024`.
    Year,
}

impl Period {
    /// The name of the period that a time falls into; `None` when the time cannot be read, or is
    /// less exact than the period.
    ///
    /// Read are `2024`, `2024-05`, `2024-05-31`, anything that begins with such a day and goes on
    /// behind `T` or a space, the dates of mails (`Fri, 31 May 2024 10:00:00 +0000`), and seconds
    /// or milliseconds since 1970.
    pub fn of(self, time: &Value) -> Option<String> {
        let (date, exact) = match time {
            Value::String(text) => written(text.trim())?,
            Value::Number(number) => counted(number.as_i64()?)?,
            _ => return None,
        };
        if exact > self.rank() {
            return None;
        }
        let (year, month) = (date.year(), date.month());
        Some(match self {
            Self::Day => date.format("%Y-%m-%d").to_string(),
            Self::Week => {
                let week = date.iso_week();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{year:04}-{month:02}"),
            Self::Year => format!("{year:04}"),
        })
    }

    /// How exact a time must be at least, see [`written`].
    const fn rank(self) -> u8 {
        match self {
            Self::Day | Self::Week => 0,
            Self::Month => 1,
            Self::Year => 2,
        }
    }
}

/// A day, and how exact it was given: 0 as a day, 1 as a month, 2 as a year.
fn written(text: &str) -> Option<(NaiveDate, u8)> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let date = text.get(..10).and_then(day);
    let goes_on = text
        .get(10..)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['T', 't', ' ']));
    if let (Some(date), true) = (date, goes_on) {
        return Some((date, 0));
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some((time.date_naive(), 0));
    }
    if text.len() == 7 {
        return Some((day(&format!("{text}-01"))?, 1));
    }
    if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((day(&format!("{text}-01-01"))?, 2));
    }
    None
}

/// Seconds, milliseconds, or a year by its number.
fn counted(number: i64) -> Option<(NaiveDate, u8)> {
    if (1000..=9999).contains(&number) {
        return Some((NaiveDate::from_ymd_opt(number as i32, 1, 1)?, 2));
    }
    // Seconds reach this in the year 5138, milliseconds in 1973.
    let seconds = if number.unsigned_abs() >= 100_000_000_000 {
        number.div_euclid(1000)
    } else {
        number
    };
    Some((DateTime::from_timestamp(seconds, 0)?.date_naive(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_fall_into_their_periods() {
        for (time, day, week, month, year) in [
            (
                json!("2024-12-30"),
                Some("2024-12-30"),
                Some("2025-W01"),
                Some("2024-12"),
                Some("2024"),
            ),
            (
                json!("2024-05-31T10:00:00Z"),
                Some("2024-05-31"),
                Some("2024-W22"),
                Some("2024-05"),
                Some("2024"),
            ),
            (
                json!("2024-05-31 10:00"),
                Some("2024-05-31"),
                Some("2024-W22"),
                Some("2024-05"),
                Some("2024"),
            ),
            (
                json!("Fri, 31 May 2024 10:00:00 +0000"),
                Some("2024-05-31"),
                Some("2024-W22"),
                Some("2024-05"),
                Some("2024"),
            ),
            (
                json!(1_717_149_600),
                Some("2024-05-31"),
                Some("2024-W22"),
                Some("2024-05"),
                Some("2024"),
            ),
            (
                json!(1_717_149_600_000_i64),
                Some("2024-05-31"),
                Some("2024-W22"),
                Some("2024-05"),
                Some("2024"),
            ),
            (json!("2024-05"), None, None, Some("2024-05"), Some("2024")),
            (json!("2024"), None, None, None, Some("2024")),
            (json!(2024), None, None, None, Some("2024")),
            (json!("2024-13-01"), None, None, None, None),
            (json!("yesterday"), None, None, None, None),
            (json!(null), None, None, None, None),
        ] {
            let found = [Period::Day, Period::Week, Period::Month, Period::Year]
                .map(|period| period.of(&time));
            assert_eq!(
                found.each_ref().map(Option::as_deref),
                [day, week, month, year],
                "{time}"
            );
        }
    }
}
