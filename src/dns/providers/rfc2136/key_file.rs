//! Key files in BIND's syntax, as `tsig-keygen` prints them: `key "name" { algorithm hmac-sha256;
//! secret "…"; };`.

use super::key::{KeyAlgorithm, TsigKey};

/// A word of the file, with its line.
struct Token {
    line: usize,
    text: String,
    /// Whether it stands in quotes, where it is never punctuation.
    is_quoted: bool,
}

/// Reads the only key in a file.
///
/// # Errors
///
/// Fails in words that name the line, and hold none of the secret.
pub(super) fn parse(text: &str) -> Result<TsigKey, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let mut keys = Vec::new();
    while let Some(token) = tokens.next() {
        if token.is_quoted || token.text != "key" {
            let what = "only key statements are allowed, as tsig-keygen prints them";
            return Err(format!("line {}: {what}", token.line));
        }
        keys.push(statement(token.line, &mut tokens)?);
    }
    match <[TsigKey; 1]>::try_from(keys) {
        Ok([key]) => Ok(key),
        Err(keys) if keys.is_empty() => Err("it has no key".to_owned()),
        Err(keys) => Err(format!("it has {} keys; one is allowed", keys.len())),
    }
}

/// Reads a statement after the word `key`.
fn statement(line: usize, tokens: &mut impl Iterator<Item = Token>) -> Result<TsigKey, String> {
    let name = word(line, "the name of the key", tokens)?;
    punctuation(name.line, "{", tokens)?;
    let (mut algorithm, mut secret) = (None, None);
    loop {
        let option = next(line, tokens)?;
        match option.text.as_str() {
            "}" if !option.is_quoted => break,
            "algorithm" => {
                let word = word(option.line, "the algorithm", tokens)?;
                let parsed = KeyAlgorithm::parse(&word.text).map_err(|allowed| {
                    format!("line {}: the algorithm is not allowed; {allowed}", word.line)
                })?;
                algorithm = Some(parsed);
            }
            "secret" => secret = Some(word(option.line, "the secret", tokens)?),
            _ => {
                let what = "a key has an algorithm and a secret, and nothing else";
                return Err(format!("line {}: {what}", option.line));
            }
        }
        punctuation(option.line, ";", tokens)?;
    }
    punctuation(line, ";", tokens)?;
    let algorithm = algorithm.ok_or_else(|| format!("line {line}: the key has no algorithm"))?;
    let secret = secret.ok_or_else(|| format!("line {line}: the key has no secret"))?;
    let key = TsigKey::new(&name.text, algorithm, &secret.text);
    key.map_err(|why| format!("line {line}: the key is not valid: {why}"))
}

fn next(line: usize, tokens: &mut impl Iterator<Item = Token>) -> Result<Token, String> {
    tokens.next().ok_or_else(|| format!("line {line}: the key statement has no end"))
}

fn word(
    line: usize,
    what: &str,
    tokens: &mut impl Iterator<Item = Token>,
) -> Result<Token, String> {
    let token = next(line, tokens)?;
    if !token.is_quoted && matches!(token.text.as_str(), "{" | "}" | ";") {
        return Err(format!("line {}: {what} is missing", token.line));
    }
    Ok(token)
}

fn punctuation(
    line: usize,
    mark: &str,
    tokens: &mut impl Iterator<Item = Token>,
) -> Result<(), String> {
    let token = next(line, tokens)?;
    if token.is_quoted || token.text != mark {
        return Err(format!("line {}: {mark} is missing", token.line));
    }
    Ok(())
}

/// Divides a file into words and marks, without its comments: `//`, `#` and `/* … */`.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let (length, token) = match first {
            _ if rest.starts_with("/*") => {
                let end = rest.find("*/");
                let end = end.ok_or_else(|| format!("line {line}: a comment has no end"))?;
                (end + "*/".len(), None)
            }
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
            '"' => {
                let end =
                    rest[1..].find(['"', '\n']).filter(|end| rest[1 + end..].starts_with('"'));
                let end = end.ok_or_else(|| format!("line {line}: a quote has no end"))?;
                (end + 2, Some((rest[1..=end].to_owned(), true)))
            }
            '{' | '}' | ';' => (1, Some((first.to_string(), false))),
            _ if first.is_whitespace() => (first.len_utf8(), None),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"#".contains(c));
                let end = end.unwrap_or(rest.len());
                (end, Some((rest[..end].to_owned(), false)))
            }
        };
        tokens.extend(token.map(|(text, is_quoted)| Token { line, text, is_quoted }));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "key \"ddns.example.com\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n";

    #[test]
    fn a_file_of_tsig_keygen_is_read_and_its_comments_are_not() {
        let key = parse(GOOD).unwrap();
        assert_eq!((key.name.as_str(), key.algorithm), ("ddns.example.com", KeyAlgorithm::Sha256));
        let bare =
            "/* ours\n */ key ddns. { # a\n secret c2Vj//+=; // b\n algorithm HMAC-SHA512; } ;";
        assert_eq!(parse(&bare.replace("c2Vj//+=", "c2VjcmV0")).unwrap().name, "ddns");
        // A comment begins after a blank, so a secret may hold two slashes.
        assert!(parse(&GOOD.replace("\"c2VjcmV0\"", "c2Vj//+=")).unwrap_err().contains("base64"));
        assert!(parse(&GOOD.replace("\"c2VjcmV0\"", "c2Vj//++")).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_without_the_secret() {
        for (from, to, want) in [
            (GOOD, "", "it has no key"),
            (GOOD, "options { };", "line 1: only key statements are allowed"),
            ("hmac-sha256", "hmac-md5", "line 2: the algorithm is not allowed; hmac-sha256"),
            ("\talgorithm hmac-sha256;\n", "", "line 1: the key has no algorithm"),
            ("\tsecret \"c2VjcmV0\";\n", "", "line 1: the key has no secret"),
            ("c2VjcmV0\"", "c2VjcmV0", "line 3: a quote has no end"),
            ("c2VjcmV0", "c2VjcmV", "line 1: the key is not valid: its secret is not in base64"),
            ("};", "", "the key statement has no end"),
            ("secret", "password", "line 3: a key has an algorithm and a secret"),
            ("256;", "256", "line 3: ; is missing"),
            ("\"ddns.example.com\"", "", "line 1: the name of the key is missing"),
            (GOOD, "/* x", "line 1: a comment has no end"),
        ] {
            let why = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(why.contains(want) && !why.contains("c2Vj"), "{why}");
        }
        assert_eq!(parse(&GOOD.repeat(2)).unwrap_err(), "it has 2 keys; one is allowed");
    }
}
