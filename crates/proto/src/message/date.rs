//! The date and time of RFC 5322 §3.3: written, and read in the forms that old and careless programs write (§4.3).

use jiff::civil;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use pillarbox_policy::Timestamp;

const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// A moment as RFC 5322 §3.3 writes it, in UTC: `Mon, 23 Nov 2026 18:30:05 +0000`.
#[must_use]
pub fn format_date(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.0)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned_datetime(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S %z")
        .to_string()
}

/// Reads a date and time, folded or not; `None` where there is none.
#[must_use]
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let unfolded: Vec<&str> = text.split_ascii_whitespace().collect();
    let read = PARSER.parse_zoned_datetime(unfolded.join(" ")).ok()?;
    Some(Timestamp(read.timestamp().as_second()))
}

/// The day that a Date field names, time and zone left aside as IMAP's SENT keys want it (RFC 9051 §6.4.4). A field
/// whose day can be read is good enough, whatever follows.
#[must_use]
pub fn day_of(value: &[u8]) -> Option<civil::Date> {
    let text = String::from_utf8_lossy(value);
    let after_weekday = text.split_once(',').map_or(text.as_ref(), |(_, rest)| rest);
    let mut words = after_weekday.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = month.get(..3)?;
    let whole = format!("{day} {month} {year} 00:00 +0000");
    Some(PARSER.parse_zoned_datetime(whole).ok()?.date())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_of_many_ages() {
        let day = |text: &str| day_of(text.as_bytes()).map(|day| day.to_string());
        for (text, expected) in [
            ("Mon, 23 Nov 2026 18:30:00 +0000", "2026-11-23"),
            ("Sun, 23 Nov 2026 18:30:00 +0000", "2026-11-23"),
            ("1 jan 99 00:00 EST", "1999-01-01"),
            ("01 January 05 00:00 Z", "2005-01-01"),
            ("1 Jan 120 1:1", "2020-01-01"),
        ] {
            assert_eq!(day(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", "Mon,", "31 Feb 2026 1:1", "x y z", "1 ä 2026"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_in_obsolete_forms() {
        let at = Some(Timestamp(1_795_458_605));
        for text in [
            "Mon, 23 Nov 2026 18:30:05 +0000",
            "Mon,\r\n 23 Nov 2026\r\n\t19:30:05 +0100",
            "23 Nov 26 18:30:05 GMT",
            "Mon, 23 Nov 2026 13:30:05 EST (winter)",
        ] {
            assert_eq!(parse_date(text), at, "{text}");
        }
        assert_eq!(parse_date("yesterday"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0i64..4_000_000_000) {
            let text = format_date(Timestamp(seconds));
            prop_assert_eq!(parse_date(&text), Some(Timestamp(seconds)));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,60}|[0-9 :,+JanFebMon-]{0,40}") {
            let _ = parse_date(&text);
            let _ = day_of(text.as_bytes());
        }
    }
}
