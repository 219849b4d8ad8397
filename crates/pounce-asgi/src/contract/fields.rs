//! Header and trailer fields, kept flat.

use std::fmt;

/// A list of fields in the order of arrival, in two allocations whatever their number.
#[derive(Default)]
pub struct Fields {
    bytes: Vec<u8>,
    /// The ends of each field's name and value in `bytes`; a field starts at the end of the previous one.
    ends: Vec<(u32, u32)>,
}

impl Fields {
    /// No fields.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new() }
    }

    /// Removes all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a field, the name in lower case.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        make_lower_case(&mut self.bytes[start..]);
        let name_end = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len() as u32));
    }

    /// Removes every field of a name, which is in lower case.
    pub fn remove(&mut self, name: &[u8]) {
        if self.get_all(name).next().is_none() {
            return;
        }
        let all = std::mem::take(self);
        for (other, value) in all.iter().filter(|(other, _)| *other != name) {
            self.push(other, value);
        }
    }

    /// Sets a field, in place of those of the same name. The name is in lower case.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.push(name, value);
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = &self.bytes[start..name_end as usize];
            let value = &self.bytes[name_end as usize..value_end as usize];
            start = value_end as usize;
            (name, value)
        })
    }

    /// The values of a field; `name` in lower case.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All names and values, one after the other.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), ends: self.ends.clone() }
    }

    /// Keeps the memory, as a copy is made of every request's fields.
    fn clone_from(&mut self, source: &Self) {
        self.bytes.clone_from(&source.bytes);
        self.ends.clone_from(&source.ends);
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(n, v)| (n.escape_ascii().to_string(), v.escape_ascii().to_string())))
            .finish()
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.ends == other.ends
    }
}

impl Eq for Fields {}

/// As [`make_ascii_lowercase`](<[u8]>::make_ascii_lowercase), for the few bytes of a name.
fn make_lower_case(name: &mut [u8]) {
    let (words, rest) = name.as_chunks_mut::<8>();
    words.iter_mut().for_each(|word| word.make_ascii_lowercase());
    let (halves, rest) = rest.as_chunks_mut::<4>();
    halves.iter_mut().for_each(|half| half.make_ascii_lowercase());
    rest.make_ascii_lowercase();
}

/// Whether `name` is a token (RFC 9110 section 5.6.2), as a field name must be.
pub fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a token may contain `byte` (RFC 9110 section 5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether `value` is a valid field value: no control character but the tab (RFC 9110 section 5.5).
pub fn is_field_value(value: &[u8]) -> bool {
    let (blocks, rest) = value.as_chunks::<16>();
    // Without a branch for each byte of a block, so that a register's width is checked at once.
    let is_valid = |block: &[u8; 16]| block.iter().fold(true, |valid, &byte| valid & is_value_byte(byte));
    blocks.iter().all(is_valid) && rest.iter().all(|&byte| is_value_byte(byte))
}

fn is_value_byte(byte: u8) -> bool {
    (byte >= 0x20) & (byte != 0x7f) | (byte == b'\t')
}

/// The characters of a token.
static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// A table of bytes: the letters and digits of ASCII, and `others`.
pub const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order_with_lower_cased_names() {
        let mut fields = Fields::new();
        fields.push(b"Host", b"Example.com");
        fields.push(b"X-Empty", b"");
        fields.push(b"ACCEPT", b"*/*");
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [(&b"host"[..], &b"Example.com"[..]), (b"x-empty", b""), (b"accept", b"*/*")]);
        assert_eq!(fields.get_all(b"accept").collect::<Vec<_>>(), [b"*/*"]);
    }

    #[test]
    fn only_tokens_are_field_names() {
        assert!(is_field_name(b"x-forwarded-for"));
        for bad in [&b""[..], b"a b", b"a:", b"a\r", b"\xe9", b"a\0"] {
            assert!(!is_field_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn control_characters_are_not_field_values() {
        assert!(is_field_value(b"a\tb \xff"));
        for bad in [&b"a\rb"[..], b"a\nb", b"\0", b"\x7f", b"\x1b[0m"] {
            assert!(!is_field_value(bad), "{bad:?}");
        }
    }
}
