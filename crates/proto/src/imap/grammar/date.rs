//! Dates as IMAP writes them (RFC 3501 §9 `date` and `date-time`).

use std::fmt;

use jiff::civil;
use jiff::tz::Offset;

use super::{Cursor, SyntaxError};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A calendar day, as SEARCH takes it: `1-Feb-1994`. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

impl Date {
    /// The day on which this moment falls, seen `offset_minutes` east of UTC. RFC 3501 §6.4.4 compares
    /// dates "disregarding time and timezone": as they are written.
    #[must_use]
    pub fn of(seconds: i64, offset_minutes: i16) -> Self {
        Self(local(seconds, offset_minutes).date())
    }

    /// Reads a `date`, in quotes or not.
    ///
    /// # Errors
    /// No date that exists stands here.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let quoted = cursor.eat(b'"');
        let error = cursor.error("a date such as 1-Feb-1994");
        let day = two_digits(cursor).ok_or(error)?;
        let date = Self::month_and_year(cursor, day).ok_or(error)?;
        if quoted {
            cursor.expect(b'"', "the end of a quoted date")?;
        }
        Ok(date)
    }

    fn month_and_year(cursor: &mut Cursor<'_>, day: u8) -> Option<Self> {
        if !cursor.eat(b'-') {
            return None;
        }
        let month = MONTHS.iter().position(|name| cursor.eat_text(name))?;
        if !cursor.eat(b'-') {
            return None;
        }
        let year = four_digits(cursor)?;
        let day = civil::Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month + 1).ok()?,
            i8::try_from(day).ok()?,
        );
        day.ok().map(Self)
    }
}

impl From<civil::Date> for Date {
    fn from(day: civil::Date) -> Self {
        Self(day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%-d-%b-%Y"))
    }
}

/// A moment on the clock of its place. Far beyond the years a protocol can write, the first or last one there is.
fn local(seconds: i64, offset_minutes: i16) -> civil::DateTime {
    let east = seconds.saturating_add(i64::from(offset_minutes) * 60);
    let moment = jiff::Timestamp::from_second(east).unwrap_or(if east < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    Offset::UTC.to_datetime(moment)
}

/// A moment with the offset it is shown with: `"17-Jul-1996 02:44:25 -0700"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC, less than a day either way.
    pub offset_minutes: i16,
}

impl DateTime {
    /// Reads a `date-time` with its quotes.
    ///
    /// # Errors
    /// No date and time that exist stand here.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, SyntaxError> {
        let error = cursor.error("a date and time such as \"17-Jul-1996 02:44:25 -0700\"");
        Self::read_parts(cursor).ok_or(error)
    }

    fn read_parts(cursor: &mut Cursor<'_>) -> Option<Self> {
        let expect = |cursor: &mut Cursor<'_>, byte| cursor.eat(byte).then_some(());
        expect(cursor, b'"')?;
        // `date-day-fixed`: two digits, or a space and one.
        let day = if cursor.eat(b' ') {
            one_digit(cursor)?
        } else {
            two_digits(cursor)?
        };
        let date = Date::month_and_year(cursor, day)?;
        expect(cursor, b' ')?;
        let hour = exactly_two(cursor)?;
        expect(cursor, b':')?;
        let minute = exactly_two(cursor)?;
        expect(cursor, b':')?;
        // A leap second is the same moment as the second after it.
        let second = exactly_two(cursor)?;
        expect(cursor, b' ')?;
        let sign = if cursor.eat(b'-') {
            -1
        } else {
            expect(cursor, b'+')?;
            1
        };
        let (east_hours, east_minutes) = (exactly_two(cursor)?, exactly_two(cursor)?);
        expect(cursor, b'"')?;
        if hour > 23 || minute > 59 || second > 60 || east_hours > 23 || east_minutes > 59 {
            return None;
        }
        let offset_minutes = sign * (i16::from(east_hours) * 60 + i16::from(east_minutes));
        let midnight = Offset::UTC
            .to_timestamp(date.0.at(0, 0, 0, 0))
            .ok()?
            .as_second();
        let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(Self {
            seconds: midnight + of_day - i64::from(offset_minutes) * 60,
            offset_minutes,
        })
    }
}

impl fmt::Display for DateTime {
    /// With its quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = local(self.seconds, self.offset_minutes);
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let east = self.offset_minutes.unsigned_abs();
        write!(
            f,
            "\"{} {sign}{:02}{:02}\"",
            local.strftime("%d-%b-%Y %H:%M:%S"),
            east / 60,
            east % 60,
        )
    }
}

fn one_digit(cursor: &mut Cursor<'_>) -> Option<u8> {
    let digit = cursor.peek().filter(u8::is_ascii_digit)?;
    cursor.eat(digit);
    Some(digit - b'0')
}

/// One or two digits.
fn two_digits(cursor: &mut Cursor<'_>) -> Option<u8> {
    let first = one_digit(cursor)?;
    Some(one_digit(cursor).map_or(first, |second| first * 10 + second))
}

fn exactly_two(cursor: &mut Cursor<'_>) -> Option<u8> {
    Some(one_digit(cursor)? * 10 + one_digit(cursor)?)
}

fn four_digits(cursor: &mut Cursor<'_>) -> Option<u16> {
    Some(u16::from(exactly_two(cursor)?) * 100 + u16::from(exactly_two(cursor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<Date> {
        let mut cursor = Cursor::new(text.as_bytes());
        Date::read(&mut cursor).ok().filter(|_| cursor.is_empty())
    }

    fn moment(text: &str) -> Option<DateTime> {
        let mut cursor = Cursor::new(text.as_bytes());
        DateTime::read(&mut cursor)
            .ok()
            .filter(|_| cursor.is_empty())
    }

    #[test]
    fn days() {
        assert_eq!(date("1-Jan-1970").unwrap(), Date::of(0, 0));
        assert_eq!(
            date("\"29-feb-2000\"").unwrap(),
            Date::of(11_016 * 86_400, 0)
        );
        assert_eq!(date("01-Mar-2026").unwrap().to_string(), "1-Mar-2026");
        for bad in [
            "29-Feb-1900",
            "31-Apr-2000",
            "0-Jan-2000",
            "1-Foo-2000",
            "1-Jan-00",
            "1 Jan 2000",
            "\"1-Jan-2000",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments() {
        let text = "\"17-Jul-1996 02:44:25 -0700\"";
        let read = moment(text).unwrap();
        assert_eq!((read.seconds, read.offset_minutes), (837_596_665, -420));
        assert_eq!(read.to_string(), text);
        assert_eq!(moment("\" 1-Jan-1970 00:00:00 +0000\"").unwrap().seconds, 0);
        for bad in [
            "17-Jul-1996 02:44:25 -0700",
            "\"17-Jul-1996 24:00:00 +0000\"",
            "\"17-Jul-1996 02:44:25\"",
            "\"17-Jul-1996 2:44:25 +0000\"",
            "\"31-Jun-1996 02:44:25 +0000\"",
            "\"17-Jul-1996 02:44:25 +9900\"",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_moment_is_read_back(seconds in -62_167_000_000i64..253_402_000_000, offset in -1_439i16..1_440) {
            let moment_written = DateTime { seconds, offset_minutes: offset };
            proptest::prop_assert_eq!(moment(&moment_written.to_string()), Some(moment_written));
        }
    }
}
