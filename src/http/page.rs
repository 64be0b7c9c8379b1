//! Web pages received in place of an API's answer.

/// Whether the text is a web page.
pub(crate) fn is_html(text: &str) -> bool {
    let start = text.trim_start().get(..64).unwrap_or(text.trim_start()).to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head")
}

/// Describes a body that is not the expected answer: a page by its title, if it has one. `line` makes one
/// line of a text.
pub(crate) fn describe(body: &[u8], line: impl Fn(&str) -> String) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]);
    match title(&text) {
        Some(title) => format!("a page titled \"{}\"", line(&title)),
        None if is_html(&text) => format!("a page without a title: {}", line(&text)),
        None => format!("the text: {}", line(&text)),
    }
}

/// Returns the title of the page, if it has one that is not empty.
pub(crate) fn title(text: &str) -> Option<String> {
    // Only ASCII letters change, so every index is valid in both texts.
    let lower = text.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = text[start..end].trim();
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let plain = entities.iter().fold(title.to_owned(), |text, (entity, c)| text.replace(entity, c));
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_by_its_title() {
        let cases = [
            ("a block page", "<!DOCTYPE html><html><title>Access Denied</title>", "Access Denied"),
            ("attributes, case, space", "<HTML><TITLE lang=en>\n Log in </TITLE>", "Log in"),
            ("entities", "<title>A &amp; B &lt;C&gt;</title>", "A & B <C>"),
            (
                "letters beyond ASCII",
                "<p>İ</p><title>Zugriff gesperrt für Ö</title>",
                "Zugriff gesperrt für Ö",
            ),
            ("an empty title", "<title> </title>", "-"),
            ("a title without an end", "<title>Acc", "-"),
            ("no title", "<html><body>no</body></html>", "-"),
        ];
        for (name, text, want) in cases {
            assert_eq!(title(text).as_deref().unwrap_or("-"), want, "{name}");
        }
        assert!(is_html(" \n<!DOCTYPE HTML>") && !is_html("error code: 1020"));
    }
}
