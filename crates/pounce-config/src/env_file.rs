//! The text of an `--env-file`: `KEY=VALUE` lines, as python-dotenv reads them without its interpolation.
//!
//! The variables are for the application and set no option of the server. The caller reads the file and puts
//! them into the environment.

/// A line of an environment file that is not `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct EnvFileError {
    /// The line's number, from 1; of a quoted value, the line where it begins.
    pub line: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Reads the variables in their order; duplicates are all kept.
///
/// Blank lines, `#` comments and a leading `export` are skipped. A bare value ends at the line's end or at
/// ` #`. Between single quotes everything is literal; between double quotes `\n`, `\r`, `\t`, `\\`,
/// `\"` and `\$` are escapes. Quoted values may span lines. `$NAME` is not replaced.
///
/// # Errors
///
/// The first line that cannot be read.
pub fn parse_env_file(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let read = text.len() - rest.len();
        let fault = |expected| EnvFileError { line: text[..read].matches('\n').count() + 1, expected };
        let end = rest.find('\n').unwrap_or(rest.len());
        let current = rest[..end].trim();
        if current.is_empty() || current.starts_with('#') {
            rest = after(rest, end);
            continue;
        }
        let equals = rest[..end].find('=').ok_or_else(|| fault("KEY=VALUE"))?;
        let key = key(&rest[..equals]).ok_or_else(|| fault("a key of letters, digits, `_`, `.` and `-`"))?;
        let (value, tail) = value(&rest[equals + 1..]).map_err(fault)?;
        if value.contains('\0') {
            return Err(fault("a value without NUL"));
        }
        variables.push((key.to_owned(), value));
        rest = tail;
    }
    Ok(variables)
}

fn key(text: &str) -> Option<&str> {
    let text = text.trim();
    let key = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => text,
    };
    let sound = key.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    sound.then_some(key)
}

/// The value at the start of `text`, and the text after its line.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let text = text.trim_start_matches([' ', '\t']);
    let (value, tail) = match text.chars().next() {
        Some('\'') => {
            let end = text[1..].find('\'').ok_or("a closing '")?;
            (text[1..=end].to_owned(), &text[end + 2..])
        }
        Some('"') => double_quoted(&text[1..])?,
        _ => return Ok(bare(text)),
    };
    let end = tail.find('\n').unwrap_or(tail.len());
    let leftover = tail[..end].trim();
    if leftover.is_empty() || leftover.starts_with('#') {
        Ok((value, after(tail, end)))
    } else {
        Err("nothing but a comment after the closing quote")
    }
}

fn bare(text: &str) -> (String, &str) {
    let end = text.find('\n').unwrap_or(text.len());
    let line = &text[..end];
    let comment = if line.starts_with('#') { Some(0) } else { line.find(" #").or_else(|| line.find("\t#")) };
    (line[..comment.unwrap_or(line.len())].trim().to_owned(), after(text, end))
}

fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('\\' | '"' | '$'))) => value.push(escaped),
                // Not an escape: both characters are literal.
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("a closing \"")
}

/// The text after the line break at `end`.
fn after(text: &str, end: usize) -> &str {
    text.get(end + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String) {
        let mut variables = parse_env_file(text).unwrap();
        assert_eq!(variables.len(), 1, "{text:?}");
        variables.remove(0)
    }

    fn is(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[test]
    fn lines_are_variables_in_their_order() {
        let text = "# database\nURL=postgres://u:p@h/db?a=b\n\n  export DEBUG = 1  \r\nEMPTY=\nURL=again";
        let expected =
            [is("URL", "postgres://u:p@h/db?a=b"), is("DEBUG", "1"), is("EMPTY", ""), is("URL", "again")];
        assert_eq!(parse_env_file(text).unwrap(), expected);
        assert_eq!(parse_env_file("").unwrap(), []);
        assert_eq!(parse_env_file("\n # nothing\n").unwrap(), []);
    }

    #[test]
    fn a_bare_value_ends_at_a_comment_and_keeps_a_hash_within_a_word() {
        assert_eq!(one("A=x # why"), is("A", "x"));
        assert_eq!(one("A=x#y"), is("A", "x#y"));
        assert_eq!(one("A=# all comment"), is("A", ""));
        assert_eq!(one("A=two words"), is("A", "two words"));
    }

    #[test]
    fn single_quotes_keep_everything() {
        assert_eq!(one(r"A='a\n $B # c' # comment"), is("A", r"a\n $B # c"));
        assert_eq!(one("A=''"), is("A", ""));
    }

    #[test]
    fn double_quotes_know_escapes_and_line_breaks() {
        assert_eq!(one(r#"A="a\n\"b\" \$c \\ \d""#), is("A", "a\n\"b\" $c \\ \\d"));
        let pem = "KEY=\"-----BEGIN\nabc\n-----END\"\nB=1";
        assert_eq!(parse_env_file(pem).unwrap(), [is("KEY", "-----BEGIN\nabc\n-----END"), is("B", "1")]);
    }

    #[test]
    fn a_key_may_begin_with_export() {
        assert_eq!(one("exported=1"), is("exported", "1"));
        assert_eq!(one("export=1"), is("export", "1"));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_key() {
        assert_eq!(one("\u{feff}A=1"), is("A", "1"));
    }

    #[test]
    fn a_faulty_line_is_named_by_its_number() {
        let fault = |text: &str| parse_env_file(text).unwrap_err().to_string();
        assert_eq!(fault("A=1\nB\n"), "line 2: expected KEY=VALUE");
        assert_eq!(fault("A=\"x\ny\"\n\n=1"), "line 4: expected a key of letters, digits, `_`, `.` and `-`");
        assert_eq!(fault("1A=x"), "line 1: expected a key of letters, digits, `_`, `.` and `-`");
        assert_eq!(fault("A='x\nB=1"), "line 1: expected a closing '");
        assert_eq!(fault("\nA=\"x\\"), "line 2: expected a closing \"");
        assert_eq!(fault("A='x' y"), "line 1: expected nothing but a comment after the closing quote");
        assert_eq!(fault("A=x\0y"), "line 1: expected a value without NUL");
    }
}
