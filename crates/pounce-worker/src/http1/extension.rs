//! Chunk extensions, byte by byte (RFC 9112 section 7.1.1). They are checked and dropped: ASGI does not support them.

use pounce_asgi::is_token_byte;

/// The position in the extensions of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// In white space that a semicolon must follow.
    Blank,
    /// After a semicolon: a name follows.
    Semicolon,
    /// In a name.
    Name,
    /// In white space after a name.
    BlankAfterName,
    /// After an equals sign: a value follows.
    Equals,
    /// In a value that is a token.
    Token,
    /// Between the quotes of a value.
    Quoted,
    /// After a backslash between quotes.
    Escaped,
    /// After the closing quote.
    Unquoted,
}

impl Extension {
    /// The state after the first byte that follows a chunk's size.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        Self::Blank.step(byte)
    }

    /// The state after one more byte; `None` if the grammar does not allow it.
    pub(super) fn step(self, byte: u8) -> Option<Self> {
        let blank = matches!(byte, b' ' | b'\t');
        Some(match (self, byte) {
            (Self::Blank | Self::Name | Self::BlankAfterName | Self::Token | Self::Unquoted, b';') => {
                Self::Semicolon
            }
            (Self::Blank | Self::Token | Self::Unquoted, _) if blank => Self::Blank,
            (Self::Name | Self::BlankAfterName, _) if blank => Self::BlankAfterName,
            (Self::Name | Self::BlankAfterName, b'=') => Self::Equals,
            (Self::Semicolon | Self::Equals, _) if blank => self,
            (Self::Semicolon | Self::Name, _) if is_token_byte(byte) => Self::Name,
            (Self::Equals | Self::Token, _) if is_token_byte(byte) => Self::Token,
            (Self::Equals, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Unquoted,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | 0x20..=0x7e | 0x80..) => Self::Quoted,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    pub(super) fn is_complete(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::Unquoted)
    }
}
