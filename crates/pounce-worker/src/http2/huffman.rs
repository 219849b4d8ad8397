//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), decoded.

/// The number of bits in the code of each octet and, last, of the end of a string. The code is canonical: in the order
/// of their lengths, then of their octets, the codes count up.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const LONGEST: usize = 30;

/// Codes of up to this many bits are decoded by one lookup; nearly all characters of requests have one.
const SHORT: usize = 9;

/// The codes of one length: a range of numbers, and a range of symbols in the same order.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    count: u32,
    symbols: usize,
}

struct Tables {
    symbols: [u16; 257],
    ranges: [Range; LONGEST + 1],
    /// For each beginning of a code: the symbol and the length, which is 0 if the code is longer.
    short: [(u8, u8); 1 << SHORT],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut tables = Tables {
        symbols: [0; 257],
        ranges: [Range { first: 0, count: 0, symbols: 0 }; LONGEST + 1],
        short: [(0, 0); 1 << SHORT],
    };
    let (mut length, mut code, mut known) = (1, 0, 0);
    while length <= LONGEST {
        code <<= 1;
        tables.ranges[length] = Range { first: code, count: 0, symbols: known };
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                tables.symbols[known] = symbol as u16;
                tables.ranges[length].count += 1;
                if length <= SHORT {
                    let mut beginning = (code as usize) << (SHORT - length);
                    let end = (code as usize + 1) << (SHORT - length);
                    while beginning < end {
                        tables.short[beginning] = (symbol as u8, length as u8);
                        beginning += 1;
                    }
                }
                known += 1;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    tables
}

/// Decodes a string into `text`, replacing its content. False if `coded` is not a valid string.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> bool {
    // The shortest code has five bits.
    text.resize(coded.len() * 8 / 5 + 1, 0);
    let mut count = 0;
    let mut rest = coded;
    // The next bits are the upper ones.
    let (mut bits, mut have) = (0_u64, 0_usize);
    loop {
        if let Some(next) = rest.first_chunk() {
            // Bits below the counted ones are already correct, so they may be set again.
            bits |= u64::from_be_bytes(*next) >> have;
            let octets = (63 - have) / 8;
            have += 8 * octets;
            rest = &rest[octets..];
        } else {
            while have <= 56
                && let Some((&octet, behind)) = rest.split_first()
            {
                bits |= u64::from(octet) << (56 - have);
                have += 8;
                rest = behind;
            }
        }
        let enough = if rest.is_empty() { 0 } else { LONGEST };
        while have >= enough {
            let (symbol, length) = next(bits);
            if length > have {
                // The padding is less than an octet of ones.
                text.truncate(count);
                return have < 8 && bits == !(u64::MAX >> have);
            }
            let Ok(octet) = u8::try_from(symbol) else {
                return false;
            };
            text[count] = octet;
            count += 1;
            bits <<= length;
            have -= length;
        }
    }
}

/// The symbol whose code `bits` begin with, and the length of the code.
fn next(bits: u64) -> (u16, usize) {
    let (octet, length) = TABLES.short[(bits >> (64 - SHORT)) as usize];
    if length > 0 {
        return (octet.into(), length.into());
    }
    for length in SHORT + 1..LONGEST {
        let range = TABLES.ranges[length];
        let at = ((bits >> (64 - length)) as u32).wrapping_sub(range.first);
        if at < range.count {
            return (TABLES.symbols[range.symbols + at as usize], length);
        }
    }
    // Every other bit pattern begins with one of the four codes of the greatest length.
    let range = TABLES.ranges[LONGEST];
    let at = ((bits >> (64 - LONGEST)) as u32).wrapping_sub(range.first);
    (TABLES.symbols[range.symbols + at as usize], LONGEST)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Encodes a string.
    pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
        let mut coded = String::new();
        for &octet in text {
            let length = usize::from(LENGTHS[usize::from(octet)]);
            let range = TABLES.ranges[length];
            let symbols = &TABLES.symbols[range.symbols..][..range.count as usize];
            let at = symbols.iter().position(|&symbol| symbol == u16::from(octet)).unwrap();
            coded += &format!("{:0length$b}", range.first as usize + at);
        }
        while !coded.len().is_multiple_of(8) {
            coded.push('1');
        }
        (0..coded.len() / 8).map(|at| u8::from_str_radix(&coded[8 * at..][..8], 2).unwrap()).collect()
    }

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(coded, &mut text).then_some(text)
    }

    #[test]
    fn strings_are_those_of_the_specification() {
        // RFC 7541 C.4.1 and C.6.1.
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded).unwrap(), b"www.example.com");
        assert_eq!(decoded(&[0xae, 0xc3, 0x77, 0x1a, 0x4b]).unwrap(), b"private");
        assert_eq!(encode(b"www.example.com"), coded);
        // The last codes of appendix B: 10, 13, 22, and the end.
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xf3]).unwrap(), [10]);
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xf7]).unwrap(), [13]);
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfb]).unwrap(), [22]);
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn padding_is_less_than_an_octet_of_ones() {
        assert_eq!(decoded(&[]).unwrap(), b"");
        assert_eq!(decoded(&[0b0000_0111]).unwrap(), b"0");
        assert_eq!(decoded(&[0b0000_0000]), None);
        assert_eq!(decoded(&[0b0000_0110]), None);
        assert_eq!(decoded(&[0b0000_0111, 0xff]), None);
        assert_eq!(decoded(&[0xff]), None);
        assert_eq!(decoded(&[0xff; 3]), None);
    }

    proptest! {
        #[test]
        fn every_string_comes_out_as_it_went_in(text: Vec<u8>) {
            prop_assert_eq!(decoded(&encode(&text)), Some(text));
        }

        #[test]
        fn whatever_decodes_is_the_code_of_its_text(coded: Vec<u8>) {
            if let Some(text) = decoded(&coded) {
                prop_assert_eq!(encode(&text), coded);
            }
        }
    }
}
