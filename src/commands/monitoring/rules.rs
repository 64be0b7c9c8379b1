//! `goavail rules`: alert rules for Prometheus, about the metrics of this version.

/// The rules for agents that are scraped by the job `goavail`.
const RULES: &str = include_str!("rules.yml");

/// The selector of the job in the rules.
const JOB: &str = "{job=\"goavail\"}";

/// Returns the rules for agents that are scraped by this job.
///
/// # Errors
///
/// Fails if the name has characters that a rule would have to escape.
pub(crate) fn rules(job: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@ ".contains(c);
    if job.is_empty() || !job.chars().all(is_plain) {
        return Err(format!(
            "--job: {job:?} is not allowed; letters, digits, spaces and _-./:@ are"
        ));
    }
    Ok(RULES.replace(JOB, &format!("{{job=\"{job}\"}}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_stands_in_each_rule_about_the_scrapes() {
        let rules = rules("dns agents/eu-1").unwrap();
        assert_eq!(rules.matches("{job=\"dns agents/eu-1\"}").count(), 2);
        assert!(!rules.contains(JOB), "{rules}");
    }

    #[test]
    fn a_job_that_would_end_its_quotes_is_refused() {
        for job in ["", "a\"b", "a\\b", "a\nb", "{{ x }}"] {
            let refused = rules(job).unwrap_err();
            assert!(refused.starts_with("--job: ") && !refused.contains('\n'), "{refused}");
        }
    }
}
