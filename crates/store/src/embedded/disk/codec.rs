//! Little-endian fields in a row: how entries and headers are written and read.
//!
//! Reading never trusts a length: nothing is allocated that the input does not hold.

/// Input that is not what was written; says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Writes fields one after another.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Octets whose number the reader knows.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A count of what follows. Beyond `u32::MAX` the entry is over its limit long since, and is refused.
    pub(crate) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Octets with their number before them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields one after another.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Exactly `N` octets.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed("it ends in the middle of a field"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// Octets with their number before them.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        let (head, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or(Malformed("a field is longer than the rest of it"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed("a field is neither there nor absent")),
        }
    }

    /// A count, then that many of what `read` reads.
    ///
    /// Every item takes at least one octet, so the count cannot make this allocate beyond the input.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count > self.0.len() {
            return Err(Malformed("it counts more than it holds"));
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("something follows its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_little_endian() {
        let mut to = Encoder::default();
        to.u32(0x0403_0201);
        to.i16(-2);
        to.text("ab");
        assert_eq!(
            to.finish(),
            [1, 2, 3, 4, 0xfe, 0xff, 2, 0, 0, 0, b'a', b'b']
        );
    }

    #[test]
    fn a_length_beyond_the_input_allocates_nothing() {
        let mut from = Decoder::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(
            from.bytes(),
            Err(Malformed("a field is longer than the rest of it"))
        );
        let mut from = Decoder::new(&[0xff, 0xff, 0xff, 0x7f, 1]);
        assert_eq!(
            from.list(Decoder::u8),
            Err(Malformed("it counts more than it holds"))
        );
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            numbers in (any::<u8>(), any::<i16>(), any::<u32>(), any::<u64>(), any::<i64>()),
            bytes: Vec<u8>,
            text: String,
            maybe: Option<u32>,
        ) {
            let mut to = Encoder::default();
            to.u8(numbers.0);
            to.i16(numbers.1);
            to.u32(numbers.2);
            to.u64(numbers.3);
            to.i64(numbers.4);
            to.bytes(&bytes);
            to.text(&text);
            to.optional(maybe, Encoder::u32);
            let written = to.finish();
            let mut from = Decoder::new(&written);
            prop_assert_eq!(from.u8(), Ok(numbers.0));
            prop_assert_eq!(from.i16(), Ok(numbers.1));
            prop_assert_eq!(from.u32(), Ok(numbers.2));
            prop_assert_eq!(from.u64(), Ok(numbers.3));
            prop_assert_eq!(from.i64(), Ok(numbers.4));
            prop_assert_eq!(from.bytes(), Ok(bytes.as_slice()));
            prop_assert_eq!(from.text(), Ok(text.as_str()));
            prop_assert_eq!(from.optional(Decoder::u32), Ok(maybe));
            prop_assert_eq!(from.finish(), Ok(()));
        }
    }
}
