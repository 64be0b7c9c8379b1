//! The source files, each cut into its code and its comments.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folders that hold source files.
const FOLDERS: [&str; 3] = ["src", "tests", "benches"];

/// The names of modules in `src` that are compiled for tests only.
const FOR_TESTS: [&str; 3] = ["tests", "doubles", "sample"];

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path from the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with a space in place of each character of a comment, a string or a `char`. Offsets and
    /// lines are those of the text.
    pub(crate) code: String,
    /// The comments by line, counted from 1, without `//`.
    pub(crate) comments: Vec<(usize, String)>,
    /// The offset at which each line begins.
    begins: Vec<usize>,
}

impl Source {
    /// Cuts `text` into code and comments.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut cut = Cut { text: text.as_bytes(), at: 0, code: Vec::new(), comments: Vec::new() };
        cut.run();
        let code = String::from_utf8(cut.code).expect("code is cut at whole characters");
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let begins = [0].into_iter().chain(after_breaks).collect();
        let (path, text) = (path.to_owned(), text.to_owned());
        let mut source = Self { path, text, code, comments: vec![], begins };
        for (from, to) in cut.comments {
            source.comment(from, to);
        }
        source
    }

    /// The line of an offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.begins.partition_point(|begin| *begin <= offset)
    }

    /// Takes the lines of a comment, each without its marks.
    fn comment(&mut self, from: usize, to: usize) {
        let first = self.line(from);
        let bare = |line: &str| line.trim().trim_start_matches(['/', '*', '!']).trim().to_owned();
        let lines = self.text[from..to].lines().enumerate();
        self.comments.extend(lines.map(|(nth, line)| (first + nth, bare(line))));
    }

    /// Whether the whole file is a test or serves tests.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split(['/', '.']);
        parts.next() != Some("src") || parts.any(|part| FOR_TESTS.contains(&part))
    }

    /// The code without modules and functions that are compiled for tests only.
    pub(crate) fn shipped_code(&self) -> String {
        let mut code = self.code.clone();
        while let Some(begins) = code.find("#[cfg(test)]") {
            let ends = item_end(&code, begins);
            let blank: String = code[begins..ends].chars().map(blanked).collect();
            code.replace_range(begins..ends, &blank);
        }
        code
    }
}

/// The offset after the item that begins at `from`: after its `;` or its last `}`.
pub(crate) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && byte == b'}' {
                    return offset + 1;
                }
            }
            b';' if depth == 0 => return offset + 1,
            _ => {}
        }
    }
    code.len()
}

fn blanked(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

/// Goes once over a text.
struct Cut<'a> {
    text: &'a [u8],
    at: usize,
    code: Vec<u8>,
    /// Begin and end of each comment.
    comments: Vec<(usize, usize)>,
}

impl Cut<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.text.get(self.at).copied() {
            let rest = &self.text[self.at..];
            match byte {
                b'/' if rest.starts_with(b"//") => self.comment(line_end(rest)),
                b'/' if rest.starts_with(b"/*") => self.comment(block_end(rest)),
                b'"' => self.blank(string_end(rest)),
                b'r' | b'b' if !self.in_word() && prefixed_end(rest).is_some() => {
                    self.blank(prefixed_end(rest).unwrap_or(1));
                }
                b'\'' => match char_end(rest) {
                    Some(length) => self.blank(length),
                    None => self.keep(), // a lifetime
                },
                _ => self.keep_plain(),
            }
        }
    }

    /// Keeps all up to the next byte that may begin a comment or a string.
    fn keep_plain(&mut self) {
        let rest = &self.text[self.at..];
        let next = rest.iter().skip(1).position(|byte| b"/\"'rb".contains(byte));
        let length = next.map_or(rest.len(), |next| next + 1);
        self.code.extend_from_slice(&rest[..length]);
        self.at += length;
    }

    fn in_word(&self) -> bool {
        self.code.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    }

    fn keep(&mut self) {
        self.code.push(self.text[self.at]);
        self.at += 1;
    }

    fn blank(&mut self, length: usize) {
        let end = (self.at + length).min(self.text.len());
        let blanks = self.text[self.at..end].iter();
        self.code.extend(blanks.map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        self.at = end;
    }

    fn comment(&mut self, length: usize) {
        self.comments.push((self.at, self.at + length));
        self.blank(length);
    }
}

fn line_end(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// The length of a block comment. Such comments nest.
fn block_end(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest[at..].starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a string in quotes.
fn string_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `b"…"`, `br"…"` or `b'…'`, if `rest` begins with one.
fn prefixed_end(rest: &[u8]) -> Option<usize> {
    let byte = usize::from(rest[0] == b'b');
    let raw = usize::from(rest.get(byte) == Some(&b'r'));
    let hashes = rest[byte + raw..].iter().take_while(|byte| **byte == b'#').count();
    let quote = byte + raw + hashes;
    match (rest.get(quote)?, raw, hashes) {
        (b'"', 0, 0) => Some(quote + string_end(&rest[quote..])),
        (b'\'', 0, 0) => Some(quote + char_end(&rest[quote..])?),
        (b'"', 1, _) => {
            let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let inside = &rest[quote + 1..];
            let length = inside.windows(end.len()).position(|window| window == end)?;
            Some(quote + 1 + length + end.len())
        }
        _ => None,
    }
}

/// The length of a `char`; `None` if it is a lifetime.
fn char_end(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let length = match rest.get(1)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All source files, in the order of their paths.
pub(crate) fn all() -> &'static [Source] {
    static ALL: OnceLock<Vec<Source>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut paths = Vec::new();
        for folder in FOLDERS {
            collect(&root().join(folder), &mut paths);
        }
        paths.sort();
        let name = |path: &Path| {
            let inside = path.strip_prefix(root()).expect("it is inside");
            inside.to_str().expect("paths are UTF-8").replace('\\', "/")
        };
        paths.iter().map(|path| Source::new(&name(path), &read(path))).collect()
    })
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_comments_and_strings() {
        let rows = [
            ("a // b", "a     ", vec![(1, "b")]),
            ("/// One.\n//! Two.", "        \n        ", vec![(1, "One."), (2, "Two.")]),
            ("a /* b /* c */ d */ e", "a                   e", vec![(1, "b /* c */ d */")]),
            ("f(\"// \\\" {\")", "f(         )", vec![]),
            ("r#\"a \" b\"# c", "           c", vec![]),
            ("br\"a\" b\"\\\"\" b'{' c", "                 c", vec![]),
            ("&'a str '{' '\\'' 'é' x", "&'a str               x", vec![]),
            ("for r in 'outer", "for r in 'outer", vec![]),
        ];
        for (text, code, comments) in rows {
            let source = Source::new("src/a.rs", text);
            assert_eq!(source.code, code, "{text}");
            let found: Vec<_> = source.comments.iter().map(|(n, it)| (*n, it.as_str())).collect();
            assert_eq!(found, comments, "{text}");
        }
    }

    #[test]
    fn code_for_tests_alone_is_not_shipped() {
        let source = Source::new("src/a.rs", "a\n#[cfg(test)]\nmod tests { fn b() {} }\nc");
        assert_eq!(source.shipped_code().split_whitespace().collect::<Vec<_>>(), ["a", "c"]);
        let source = Source::new("src/a.rs", "#[cfg(test)]\nmod tests;\nc");
        assert_eq!(source.shipped_code().trim(), "c");
        let row = |path: &str| Source::new(path, "").is_test();
        assert!(row("src/a/tests.rs") && row("src/a/tests/b.rs") && row("tests/it/a.rs"));
        assert!(!row("src/a.rs"));
    }
}
