//! The English of comments, and the names that are no longer used.

use std::collections::{BTreeMap, BTreeSet};

use crate::ratchet::{Excess, hold};
use crate::source::{self, Source};

/// Words that begin a clause where English has a noun: "the change" is shorter than `what a write asked for`.
const QUESTION_WORDS: [&str; 8] =
    ["what", "whatever", "who", "whoever", "whom", "whomever", "whose", "of which"];

/// The question words in a thousand words of comment are fewer.
const PER_THOUSAND: usize = 3;

/// A doc comment has as many words at least.
const DOC_WORDS: usize = 3;

/// Names of types and functions that gave way to a better one, and that one. A module does not bear the
/// name of such a type either.
const GONE: [(&str, &str); 20] = [
    ("Aftermath", "PendingWrites"),
    ("Chosen", "the registry of providers"),
    ("Courier", "VoteSender"),
    ("Desk", "Mailbox"),
    ("Estate", "Handover"),
    ("Keeper", "StateStore"),
    ("Letter", "PendingVote"),
    ("Line", "PipelinedConnection"),
    ("Office", "VoteListener"),
    ("Seldom", "LogLimiter"),
    ("Shift", "Reconciler"),
    ("Showing", "StatusObserver"),
    ("Teller", "NoticeObserver"),
    ("Wished", "DesiredSince"),
    ("asked_in_vain", "set_fault"),
    ("given", "the name of the thing that is given"),
    ("laid_by", "parked"),
    ("let_next_in", "start_next_waiting"),
    ("play_on", "advance_rehearsal"),
    ("succeed", "inherit_from"),
];

#[test]
fn comments_have_nouns_where_english_has_them() {
    let advice = format!(
        "Fewer than {PER_THOUSAND} in 1,000 words of comment may be {}. Name the thing: \"the change\" \
         and not \"what a write asked for\".",
        QUESTION_WORDS.join(", ")
    );
    let (mut words, mut questions) = (0, 0);
    let mut found = Vec::new();
    for file in source::all() {
        let (in_file, places) = question_words(file);
        words += in_file;
        questions += places.len();
        if too_many(places.len(), in_file) {
            found.push(Excess { name: file.path.clone(), number: places.len(), places });
        }
    }
    println!("{questions} question words in {words} words of comment");
    hold("question-words", &advice, &found);
}

#[test]
fn doc_comments_say_something() {
    let advice =
        format!("A doc comment has {DOC_WORDS} words at least: complete it, or delete it.");
    let found = source::all().iter().filter_map(|file| {
        let places = short_docs(file);
        let excess = Excess { name: file.path.clone(), number: places.len(), places };
        (excess.number > 0).then_some(excess)
    });
    hold("short-docs", &advice, &found.collect::<Vec<_>>());
}

#[test]
fn names_that_gave_way_do_not_come_back() {
    let mut found = BTreeMap::<String, Excess>::new();
    for file in source::all().iter().filter(|file| file.path.starts_with("src/")) {
        for (name, better, line) in gone_names(file) {
            let new = Excess { name: name.clone(), number: 0, places: vec![] };
            let excess = found.entry(name).or_insert(new);
            excess.number += 1;
            excess.places.push(format!("{}:{line}: now {better}", file.path));
        }
    }
    let advice = "Use the word that docs/architecture.md has for it.";
    hold("gone-names", advice, &found.into_values().collect::<Vec<_>>());
}

/// Whether so many question words are too many in so many words of comment.
fn too_many(questions: usize, words: usize) -> bool {
    questions > 0 && questions * 1_000 >= words * PER_THOUSAND
}

/// The number of words in the comments of a file, and the places of its question words.
fn question_words(file: &Source) -> (usize, Vec<String>) {
    let (mut count, mut places) = (0, Vec::new());
    let mut before = String::new();
    for (line, comment) in &file.comments {
        for word in words(comment) {
            count += 1;
            let two = format!("{before} {word}");
            if QUESTION_WORDS.contains(&word.as_str()) || QUESTION_WORDS.contains(&two.as_str()) {
                places.push(format!("{}:{line}: {comment}", file.path));
            }
            before = word;
        }
    }
    (count, places)
}

/// The words of a comment in small letters, without code in backquotes.
fn words(comment: &str) -> Vec<String> {
    let prose = comment.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let parts = prose.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let letters = parts.map(|part| part.trim_matches('\'').trim_end_matches("'s").to_lowercase());
    letters.filter(|word| word.chars().any(char::is_alphabetic)).collect()
}

/// The places of doc comments that are too short.
fn short_docs(file: &Source) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let commented: BTreeSet<usize> = file.comments.iter().map(|(line, _)| *line).collect();
    let mut places = Vec::new();
    let mut doc = String::new();
    for (index, line) in lines.iter().enumerate() {
        let doc_line = line.strip_prefix("///").filter(|_| commented.contains(&(index + 1)));
        let Some(text) = doc_line else { continue };
        doc.push_str(text);
        let goes_on = lines.get(index + 1).is_some_and(|next| next.starts_with("///"));
        if !goes_on {
            if doc.split_whitespace().count() < DOC_WORDS {
                places.push(format!("{}:{}: {}", file.path, index + 1, doc.trim()));
            }
            doc.clear();
        }
    }
    places
}

/// The definitions under a name that is gone: the name, the better word, the line.
fn gone_names(file: &Source) -> Vec<(String, &'static str, usize)> {
    let mut found = Vec::new();
    for (nth, line) in file.code.lines().enumerate() {
        let Some((kind, name)) = definition(line) else { continue };
        let gone = GONE.iter().find(|(gone, _)| match kind {
            "mod" => gone.to_lowercase() == name,
            _ => *gone == name,
        });
        found.extend(gone.map(|(_, better)| (name.to_owned(), *better, nth + 1)));
    }
    found
}

/// The keyword and the name of the item that begins on a line of code, if one does.
pub(crate) fn definition(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub")
            || word.ends_with(')')
            || ["async", "const", "unsafe"].contains(word)
    });
    let kind = words.next()?;
    if !["struct", "enum", "trait", "type", "fn", "mod"].contains(&kind) {
        return None;
    }
    let name = words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then_some((kind, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_words_are_found_in_comments_alone() {
        let rows = [
            ("/// Returns what a write asked for.", 6, 1),
            ("// Whoever gave an order, whose answer is out: what's next?", 10, 3),
            ("// The set, each record of which is withdrawn.", 8, 1),
            ("// The records which a write made, when it ended, and how many.", 12, 0),
            ("// The word `what` is code.", 4, 0),
            ("let what = \"who\"; // the name", 2, 0),
            ("// The somewhat whole truth", 4, 0),
        ];
        for (text, words, questions) in rows {
            let (count, places) = question_words(&Source::new("src/a.rs", text));
            assert_eq!((count, places.len()), (words, questions), "{text}");
        }
    }

    #[test]
    fn question_words_are_counted_against_the_length_of_the_comments() {
        let rows = [(0, 0, false), (1, 333, true), (1, 334, false), (3, 1_000, true)];
        for (questions, words, want) in rows {
            assert_eq!(too_many(questions, words), want, "{questions} in {words}");
        }
    }

    #[test]
    fn docs_of_one_or_two_words_are_found() {
        let rows = [
            ("/// Whose.\na: u8,", 1),
            ("/// The time.\n#[serde(default)]\na: u8,", 1),
            ("/// The time of death.\na: u8,", 0),
            ("/// The time\n/// of death.\na: u8,", 0),
            ("// Whose.\n", 0),
            ("let a = \"\n/// Whose.\n\";", 0),
        ];
        for (text, count) in rows {
            assert_eq!(short_docs(&Source::new("src/a.rs", text)).len(), count, "{text}");
        }
    }

    #[test]
    fn definitions_under_gone_names_are_found() {
        let rows = [
            ("pub(crate) struct Desk {", Some("Desk")),
            ("pub(in crate::dns) async fn laid_by(&self) {", Some("laid_by")),
            ("mod showing;", Some("showing")),
            ("trait Line<T> {", Some("Line")),
            ("struct Timeline;", None),
            ("fn line(&self) -> usize {", None),
            ("let desk = given(line);", None),
            ("// struct Desk", None),
        ];
        for (text, want) in rows {
            let found = gone_names(&Source::new("src/a.rs", text));
            assert_eq!(found.first().map(|(name, ..)| name.as_str()), want, "{text}");
        }
    }
}
