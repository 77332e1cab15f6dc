//! A file's lines, with their numbers, as UTF-8 as far as they are text.

use std::borrow::Cow;

use super::Encoding;

/// What Windows-1252 has where Latin-1 has control characters, from 0x80 on. The five codes that it
/// leaves free stay control characters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Goes through the lines of a file.
#[derive(Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    /// From the first line; a byte order mark is left out.
    pub fn new(file: &'a [u8], encoding: Encoding) -> Self {
        Self { rest: file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file), number: 0, encoding }
    }
}

impl<'a> Iterator for Lines<'a> {
    /// Number from 1, and the line without its end.
    type Item = (usize, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| *b == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = match self.encoding {
            Encoding::Latin1 if !line.is_ascii() => {
                line.iter().map(|b| decode(*b)).collect::<String>().into_bytes().into()
            }
            _ => Cow::Borrowed(line),
        };
        Some((self.number, text))
    }
}

fn decode(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}
