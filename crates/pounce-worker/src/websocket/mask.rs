//! Masking (RFC 6455 section 5.3), a word at a time.

/// Removes the mask from `data`, which starts `offset` bytes into its frame.
pub(super) fn unmask(data: &mut [u8], mask: [u8; 4], offset: u64) {
    let mut mask = mask;
    mask.rotate_left((offset % 4) as usize);
    let word = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let mut words = data.chunks_exact_mut(8);
    for chunk in &mut words {
        let plain = u64::from_ne_bytes((&*chunk).try_into().unwrap_or_default()) ^ word;
        chunk.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_come_off_whatever_the_length_and_wherever_it_starts() {
        let mask = [1, 20, 133, 254];
        for length in 0..40 {
            for offset in 0..9 {
                let plain: Vec<u8> = (0..length).collect();
                let mut data: Vec<u8> =
                    plain.iter().enumerate().map(|(at, byte)| byte ^ mask[(at + offset) % 4]).collect();
                unmask(&mut data, mask, offset as u64);
                assert_eq!(data, plain, "{length} {offset}");
            }
        }
    }
}
