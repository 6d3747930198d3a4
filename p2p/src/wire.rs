//! Bytes with one encoding: big-endian integers, u32 lengths, nothing behind the end.

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end too soon.
    #[error("{field} needs {expected} bytes, {found} are left")]
    Short {
        /// What is read.
        field: &'static str,
        /// The bytes that it needs.
        expected: usize,
        /// The bytes that are left.
        found: usize,
    },
    /// Bytes follow the end.
    #[error("{found} bytes follow the end")]
    Trailing {
        /// How many.
        found: usize,
    },
    /// A length or a number is above its limit.
    #[error("{field} is {found}, at most {limit} is allowed")]
    Limit {
        /// What is read.
        field: &'static str,
        /// The most that is allowed.
        limit: u64,
        /// What came.
        found: u64,
    },
    /// A tag, version or code that means nothing.
    #[error("{field} is {found}, which means nothing here")]
    Tag {
        /// What is read.
        field: &'static str,
        /// What came.
        found: u8,
    },
}

/// Reads bytes from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(WireError::Short {
            field,
            expected: length,
            found: self.0.len(),
        })?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// The rest, which may have any length.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn end(self) -> Result<(), WireError> {
        match self.0.len() {
            0 => Ok(()),
            found => Err(WireError::Trailing { found }),
        }
    }
}
