//! The section of the page about changes, as name servers show them.

use std::fmt::Write as _;

use super::html::{text, time};
use crate::status::model::{EffectProgress, Status};

/// Writes the section, if the proof of effect has seen a change.
pub(super) fn section(out: &mut String, status: &Status) {
    let mut effects = status.zones.iter().flat_map(|zone| &zone.effects).peekable();
    if effects.peek().is_none() {
        return;
    }
    out.push_str("<section id=\"effects\">\n<h2>Seen at the name servers</h2>\n<ul>\n");
    for effect in effects {
        let (mood, word) = match effect.state {
            EffectProgress::Visible => ("good", "visible"),
            EffectProgress::Waiting => ("warn", "not visible yet"),
            EffectProgress::NotVisible => ("bad", "not visible"),
        };
        let _ = writeln!(
            out,
            "<li><span class=\"state {mood}\">{word}</span> <b>{}</b> <small>{}</small><br>{}<ul>",
            text(&effect.change),
            time(effect.at, status.at),
            text(&effect.words),
        );
        for server in &effect.servers {
            let _ = writeln!(out, "<li><small>{}</small></li>", text(&server.in_words()));
        }
        out.push_str("</ul></li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}
