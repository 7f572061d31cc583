//! Dates as IMAP writes them (RFC 3501 §9 `date` and `date-time`).

use std::fmt;

use super::{Cursor, SyntaxError};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY: i64 = 86_400;

/// A calendar day, as SEARCH takes it: `1-Feb-1994`. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Days since 1970-01-01.
    days: i64,
}

impl Date {
    /// The day with these numbers; `None` where there is none.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap =
            (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap),
            _ => return None,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // Days are counted in years that start in March, so that the leap day comes last.
        let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
        let shifted = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self {
            days: era * 146_097 + day_of_era - 719_468,
        })
    }

    /// The day on which this moment falls, seen `offset_minutes` east of UTC. RFC 3501 §6.4.4 compares
    /// dates "disregarding time and timezone": as they are written.
    #[must_use]
    pub fn of(seconds: i64, offset_minutes: i16) -> Self {
        Self {
            days: seconds
                .saturating_add(i64::from(offset_minutes) * 60)
                .div_euclid(DAY),
        }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i64 {
        self.days
    }

    fn civil(self) -> (i64, usize, i64) {
        let shifted = self.days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, usize::try_from(month).unwrap_or(1), day)
    }

    fn month_name(month: usize) -> &'static str {
        MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("Jan")
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
        Self::new(year, u8::try_from(month + 1).ok()?, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{day}-{}-{year:04}", Self::month_name(month))
    }
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
        let local =
            date.days * DAY + i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(Self {
            seconds: local - i64::from(offset_minutes) * 60,
            offset_minutes,
        })
    }
}

impl fmt::Display for DateTime {
    /// With its quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self
            .seconds
            .saturating_add(i64::from(self.offset_minutes) * 60);
        let (year, month, day) = Date::of(local, 0).civil();
        let second = local.rem_euclid(DAY);
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let east = self.offset_minutes.unsigned_abs();
        write!(
            f,
            "\"{day:02}-{}-{year:04} {:02}:{:02}:{:02} {sign}{:02}{:02}\"",
            Date::month_name(month),
            second / 3_600,
            second / 60 % 60,
            second % 60,
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
        assert_eq!(date("1-Jan-1970").unwrap().days(), 0);
        assert_eq!(date("\"29-feb-2000\"").unwrap().days(), 11_016);
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
