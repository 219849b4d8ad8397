//! Field blocks made byte by byte, so that they may be invalid (RFC 7541). The crate `fluke-hpack` decodes the
//! server's.

/// A literal without indexing and without Huffman coding (§6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x00], string(name), string(value)].concat()
}

/// A literal that enters the dynamic table (§6.2.1).
pub fn literal_with_indexing(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// A literal that must never enter a table (§6.2.3).
pub fn literal_never_indexed(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x10], string(name), string(value)].concat()
}

/// A field from the tables (§6.1). The dynamic table begins at 62.
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// The first index of the dynamic table.
pub const DYNAMIC: usize = 62;

/// A new size of the dynamic table (§6.3).
pub fn table_size(size: usize) -> Vec<u8> {
    integer(0x20, 5, size)
}

/// A plain string (§5.2).
pub fn string(octets: &[u8]) -> Vec<u8> {
    let mut string = integer(0x00, 7, octets.len());
    string.extend(octets);
    string
}

/// A string that claims to be Huffman-coded.
pub fn huffman(coded: &[u8]) -> Vec<u8> {
    let mut string = integer(0x80, 7, coded.len());
    string.extend(coded);
    string
}

/// An integer after the bits of `start` (§5.1).
pub fn integer(start: u8, prefix: u32, value: usize) -> Vec<u8> {
    let most = (1 << prefix) - 1;
    if value < most {
        return vec![start | low(value)];
    }
    let mut octets = vec![start | low(most)];
    let mut rest = value - most;
    while rest >= 0x80 {
        octets.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    octets.push(low(rest));
    octets
}

fn low(value: usize) -> u8 {
    u8::try_from(value).expect("at most seven or eight bits are left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_specification() {
        // RFC 7541 C.1
        assert_eq!(integer(0x00, 5, 10), [10]);
        assert_eq!(integer(0x00, 5, 1337), [31, 154, 10]);
        assert_eq!(integer(0x00, 8, 42), [42]);
    }

    #[test]
    fn fields_are_those_of_the_specification() {
        // RFC 7541 C.2
        assert_eq!(literal_with_indexing(b"custom-key", b"custom-header")[..3], [0x40, 0x0a, b'c']);
        assert_eq!(indexed(2), [0x82]);
    }
}
