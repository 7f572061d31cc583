//! Little-endian fields in a row: how entries and headers are written and read.
//!
//! Reading never trusts a length: nothing is allocated that the input does not hold.

use std::num::NonZeroU32;

/// Input that is not what was written; says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// What is written and read in one way, wherever it stands.
pub(crate) trait Field {
    /// Writes it.
    fn put(&self, to: &mut Vec<u8>);

    /// Reads what [`Self::put`] wrote.
    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed>
    where
        Self: Sized;

    /// Writes many, one after another.
    fn put_all(all: &[Self], to: &mut Vec<u8>)
    where
        Self: Sized,
    {
        for one in all {
            one.put(to);
        }
    }

    /// Reads `count`, of which there may be fewer.
    fn get_all(count: usize, from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed>
    where
        Self: Sized,
    {
        (0..count).map(|_| Self::get(from)).collect()
    }
}

/// The octets of a field.
pub(crate) fn octets(field: &impl Field) -> Vec<u8> {
    let mut octets = Vec::new();
    field.put(&mut octets);
    octets
}

/// Reads one field, behind which nothing may follow.
pub(crate) fn read<T: Field>(octets: &[u8]) -> Result<T, Malformed> {
    let mut from = Decoder(octets);
    let field = T::get(&mut from)?;
    if from.0.is_empty() {
        Ok(field)
    } else {
        Err(Malformed("something follows its end"))
    }
}

/// Octets of which fields are read one after another.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(pub(crate) &'a [u8]);

impl Decoder<'_> {
    /// The next field.
    pub(crate) fn get<T: Field>(&mut self) -> Result<T, Malformed> {
        T::get(self)
    }
}

/// What has these fields is written and read as they are, one after another in this order.
macro_rules! fields {
    ($($name:ident { $($field:tt)* })*) => { $(
        impl Field for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)*
            }

            fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($field: from.get()?,)* })
            }
        }
    )* };
}
pub(crate) use fields;

macro_rules! numbers {
    ($($number:ident)*) => { $(
        impl Field for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
                from.get().map(Self::from_le_bytes)
            }
        }
    )* };
}

numbers! { i16 u32 u64 i64 }

impl Field for u8 {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.get().map(|[octet]: [u8; 1]| octet)
    }

    fn put_all(all: &[Self], to: &mut Vec<u8>) {
        to.extend_from_slice(all);
    }

    fn get_all(count: usize, from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed> {
        let (head, rest) = from
            .0
            .split_at_checked(count)
            .ok_or(Malformed("a field is longer than the rest of it"))?;
        from.0 = rest;
        Ok(head.to_vec())
    }
}

/// Octets whose number the reader knows.
impl<const N: usize> Field for [u8; N] {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let (head, rest) = from
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed("it ends in the middle of a field"))?;
        from.0 = rest;
        Ok(*head)
    }
}

impl Field for NonZeroU32 {
    fn put(&self, to: &mut Vec<u8>) {
        self.get().put(to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Self::new(from.get()?).ok_or(Malformed("a number that is never 0 is 0"))
    }
}

impl Field for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        match from.get::<u8>()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a field is neither yes nor no")),
        }
    }
}

/// A count, then that many. Beyond `u32::MAX` the entry is over its limit long since, and is refused.
impl<T: Field> Field for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(to);
        T::put_all(self, to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let count = usize::try_from(from.get::<u32>()?).unwrap_or(usize::MAX);
        // Every item takes at least one octet, so the count cannot make this allocate beyond the input.
        if count > from.0.len() {
            return Err(Malformed("it counts more than it holds"));
        }
        T::get_all(count, from)
    }
}

impl Field for String {
    fn put(&self, to: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(to);
        to.extend_from_slice(self.as_bytes());
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Self::from_utf8(from.get()?).map_err(|_| Malformed("a text is not UTF-8"))
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(field) = self {
            field.put(to);
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(if from.get()? { Some(from.get()?) } else { None })
    }
}

impl<T: Field> Field for Box<T> {
    fn put(&self, to: &mut Vec<u8>) {
        T::put(self, to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.get().map(Self::new)
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok((from.get()?, from.get()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_little_endian() {
        let mut to = octets(&0x0403_0201_u32);
        (-2_i16).put(&mut to);
        "ab".to_owned().put(&mut to);
        assert_eq!(to, [1, 2, 3, 4, 0xfe, 0xff, 2, 0, 0, 0, b'a', b'b']);
    }

    #[test]
    fn a_length_beyond_the_input_allocates_nothing() {
        let refused = Malformed("it counts more than it holds");
        let long = [0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read::<Vec<u8>>(&long), Err(refused));
        let long = [0xff, 0xff, 0xff, 0x7f, 1];
        assert_eq!(read::<Vec<u64>>(&long), Err(refused));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            numbers in (any::<u8>(), (any::<i16>(), any::<u32>())),
            more in (any::<u64>(), (any::<i64>(), any::<bool>())),
            bytes: Vec<u8>,
            text: String,
            maybe: Option<u32>,
        ) {
            let all = ((numbers, more), (bytes, (text, maybe)));
            prop_assert_eq!(read(&octets(&all)), Ok(all));
        }
    }
}
