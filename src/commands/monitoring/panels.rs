//! The panels of the dashboard, row by row.
//!
//! In a query `$agent` and `$target` stand for the selectors of the variables of the dashboard.

/// The way in which a panel shows its queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PanelKind {
    /// A heading, which folds the panels below it.
    Row,
    /// One number without a judgement.
    Number,
    /// One number that is bad unless it is 0.
    Trouble,
    /// Lines over time.
    Lines,
    /// A band for each series: 1 is good, 0 is bad.
    Bands,
}

/// One panel of the dashboard.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) kind: PanelKind,
    pub(super) title: &'static str,
    /// The text behind the i of the panel.
    pub(super) about: &'static str,
    /// The unit in Grafana's words; empty for a plain number.
    pub(super) unit: &'static str,
    /// The queries, each with the legend of its series.
    pub(super) queries: &'static [(&'static str, &'static str)],
}

const fn row(title: &'static str) -> Panel {
    Panel { kind: PanelKind::Row, title, about: "", unit: "", queries: &[] }
}

const fn panel(
    kind: PanelKind,
    (title, about): (&'static str, &'static str),
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { kind, title, about, unit, queries }
}

/// All panels, in their order.
pub(super) const PANELS: &[Panel] = &[
    row("Now"),
    panel(
        PanelKind::Number,
        ("Agents", "Agents that Prometheus scrapes."),
        "",
        &[("count(goavail_build_info{$agent})", "")],
    ),
    panel(
        PanelKind::Trouble,
        (
            "Dead and in DNS",
            "Records of addresses that an agent sees down. A guard, the quorum or the provider keeps them in.",
        ),
        "",
        &[(
            "count(count without (instance, pod) (goavail_target_in_service{$target} == 1 and on (job, instance, service, target) goavail_target_up == 0)) or vector(0)",
            "",
        )],
    ),
    panel(
        PanelKind::Trouble,
        ("Down", "Addresses that at least one agent sees down."),
        "",
        &[(
            "count(count without (instance, pod) (goavail_target_up{$target} == 0)) or vector(0)",
            "",
        )],
    ),
    panel(
        PanelKind::Trouble,
        ("Isolated agents", "Agents that do not trust their own network. They withdraw nothing."),
        "",
        &[("sum(goavail_isolated{$agent})", "")],
    ),
    panel(
        PanelKind::Trouble,
        ("Critical incidents", "Open incidents, each counted by every agent that has it open."),
        "",
        &[("sum(goavail_incidents_open{$agent,severity=\"critical\"})", "")],
    ),
    panel(
        PanelKind::Number,
        ("In dry-run", "Agents that write nothing."),
        "",
        &[("sum(goavail_dry_run{$agent})", "")],
    ),
    row("Addresses"),
    panel(
        PanelKind::Bands,
        ("Health", "As each agent sees it; a gap is an address that it cannot ask."),
        "",
        &[("goavail_target_up{$target}", "{{service}} {{target}} from {{instance}}")],
    ),
    panel(
        PanelKind::Bands,
        ("In DNS", "Whether each name holds the record; in dry-run, whether it would."),
        "",
        &[(
            "max without (instance, pod) (goavail_target_in_service{$target})",
            "{{name}} {{target}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Round trip", "The newest of each address."),
        "s",
        &[("goavail_target_rtt_seconds{$target}", "{{service}} {{target}} from {{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Loss", "Share of the probes that were lost."),
        "percentunit",
        &[(
            "sum by (instance, service, target) (rate(goavail_probes_total{$target,outcome=\"loss\"}[$__rate_interval])) / sum by (instance, service, target) (rate(goavail_probes_total{$target,outcome=~\"reply|loss\"}[$__rate_interval]))",
            "{{service}} {{target}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        (
            "Age of the evidence",
            "Since a probe was last judged. Above a few intervals, nothing is known of the address.",
        ),
        "s",
        &[(
            "goavail_target_evidence_age_seconds{$target}",
            "{{service}} {{target}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Flips", "Changes of health in the last hour."),
        "",
        &[(
            "increase(goavail_flips_total{$target}[1h])",
            "{{service}} {{target}} {{to}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Back in", "Time until an address that is up again is put back."),
        "s",
        &[(
            "goavail_target_return_timestamp_seconds{$target} - time()",
            "{{service}} {{target}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        (
            "Limit replies",
            "Addresses that answer fewer probes than retry_interval asks for. Their death is noticed later.",
        ),
        "",
        &[(
            "count by (instance) (goavail_target_limits_replies{$target}) or 0 * goavail_isolated{$agent}",
            "{{instance}}",
        )],
    ),
    row("DNS"),
    panel(
        PanelKind::Lines,
        ("Changes", "Records withdrawn, restored and created in the last hour."),
        "",
        &[(
            "sum by (provider, zone, action, outcome) (increase(goavail_dns_changes_total{$agent}[1h]))",
            "{{zone}} {{action}} {{outcome}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Refusals", "What stood in the way of a withdrawal, in the last hour."),
        "",
        &[(
            "sum by (service, reason) (increase(goavail_refusals_total{$target}[1h]))",
            "{{service}} {{reason}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Verdicts", "Decisions about addresses in the last hour."),
        "",
        &[(
            "sum by (instance, service, to) (increase(goavail_verdicts_total{$target}[1h]))",
            "{{service}} {{to}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Requests to the provider", "Readings and changes, by outcome."),
        "reqps",
        &[(
            "sum by (provider, zone, outcome) (rate(goavail_dns_requests_total{$agent}[$__rate_interval]))",
            "{{provider}} {{zone}} {{outcome}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        (
            "Failover",
            "From the last reply to the provider's word that the address is out: mean over a day.",
        ),
        "s",
        &[(
            "sum by (instance) (increase(goavail_failover_seconds_sum{$agent}[1d])) / sum by (instance) (increase(goavail_failover_seconds_count{$agent}[1d]))",
            "{{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        (
            "Until visible",
            "With confirm: from the provider's word until every name server shows the change, mean over a day.",
        ),
        "s",
        &[(
            "sum by (instance) (increase(goavail_dns_visible_seconds_sum{$agent}[1d])) / sum by (instance) (increase(goavail_dns_visible_seconds_count{$agent}[1d]))",
            "{{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        (
            "Not visible",
            "With confirm: changes that a name server does not show after confirm_timeout.",
        ),
        "",
        &[("goavail_dns_not_visible{$agent}", "{{zone}} from {{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        (
            "Names left alone",
            "1 while a name has trouble of its own, and none of its addresses is withdrawn.",
        ),
        "",
        &[("max without (instance, pod) (goavail_name_failing{$agent})", "{{zone}} {{name}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Standbys in DNS", "Standbys that are in service by their verdicts."),
        "",
        &[("max without (instance, pod) (goavail_standby_in{$target})", "{{service}}")],
    ),
    row("Checks"),
    panel(
        PanelKind::Bands,
        ("Checks", "Each check on its own, of services with a check in the file."),
        "",
        &[("goavail_check_up{$target}", "{{service}} {{target}} {{check}} from {{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Phases", "How long each phase of the newest http or https probe took."),
        "s",
        &[(
            "max by (service, target, check, phase) (goavail_probe_phase_seconds{$target})",
            "{{service}} {{target}} {{check}} {{phase}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Certificates end in", "The certificate that each address presented last."),
        "s",
        &[(
            "min by (service, target, check) (goavail_certificate_expiry_seconds{$target}) - time()",
            "{{service}} {{target}} {{check}}",
        )],
    ),
    row("Agents"),
    panel(
        PanelKind::Lines,
        ("Probes", "Probes of all addresses, by outcome."),
        "reqps",
        &[(
            "sum by (instance, outcome) (rate(goavail_probes_total{$agent}[$__rate_interval]))",
            "{{outcome}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Round trips of all", "Median and 99th percentile."),
        "s",
        &[
            (
                "histogram_quantile(0.5, sum by (instance, le) (rate(goavail_probe_rtt_seconds_bucket{$agent}[$__rate_interval])))",
                "median from {{instance}}",
            ),
            (
                "histogram_quantile(0.99, sum by (instance, le) (rate(goavail_probe_rtt_seconds_bucket{$agent}[$__rate_interval])))",
                "99 % from {{instance}}",
            ),
        ],
    ),
    panel(
        PanelKind::Lines,
        ("Peers alive", "Peers whose votes count."),
        "",
        &[("goavail_peers_alive{$agent}", "{{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Votes", "Votes exchanged with peers, by outcome."),
        "reqps",
        &[(
            "sum by (instance, peer, outcome) (rate(goavail_votes_total{$agent}[$__rate_interval]))",
            "{{instance}} {{peer}} {{outcome}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Notices", "Notices to people in the last hour, by channel and outcome."),
        "",
        &[(
            "sum by (instance, channel, outcome) (increase(goavail_notices_total{$agent}[1h]))",
            "{{channel}} {{outcome}} from {{instance}}",
        )],
    ),
    panel(
        PanelKind::Lines,
        ("Incidents", "Open incidents, by severity."),
        "",
        &[("goavail_incidents_open{$agent}", "{{severity}} at {{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Reloads", "Configurations put in force or refused, in the last day."),
        "",
        &[("increase(goavail_reloads_total{$agent}[1d])", "{{outcome}} at {{instance}}")],
    ),
    panel(
        PanelKind::Lines,
        ("Caught panics", "Defects that were caught. Please report them."),
        "",
        &[(
            "sum by (instance, part) (increase(goavail_caught_panics_total{$agent}[1d]))",
            "{{part}} at {{instance}}",
        )],
    ),
];
