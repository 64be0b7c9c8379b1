//! Name servers that behave (BIND's), and peers that do not. A test of a defect that users of another
//! program reported names its project and number.

mod name_server;
mod peers;

use super::settings::{WantedRecord, parse_query, parse_type};
use super::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;

/// Long enough for an answer on a busy machine.
const AMPLE: Duration = Duration::from_secs(30);

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

fn question(query: &str, query_type: &str, port: u16) -> DnsSettings {
    DnsSettings {
        query: parse_query(query).unwrap(),
        query_type: parse_type(query_type).unwrap(),
        rcode: ResponseCode::NoError,
        answer: None,
        port,
        transport: DnsTransport::Udp,
    }
}

fn wanting(settings: DnsSettings, answer: &str) -> DnsSettings {
    let answer = WantedRecord::parse(answer, settings.query_type).unwrap();
    DnsSettings { answer: Some(answer), ..settings }
}

async fn asked(address: IpAddr, settings: &DnsSettings, timeout: Duration) -> Answer {
    let probe = ProbeRequest::first(Endpoint::echo(address), timeout);
    ask(settings, &probe, &Routes::default()).await
}

async fn asked_here(settings: &DnsSettings, timeout: Duration) -> Answer {
    asked(Ipv4Addr::LOCALHOST.into(), settings, timeout).await
}

/// Returns the loss or fault in words, or `reply`.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Reply(_) => "reply".to_owned(),
        Answer::Failed(WrongAnswer { kind, reason }) => format!("{kind}: {reason}"),
        Answer::Unreachable(reason) => format!("unreachable: {reason}"),
        Answer::TimedOut(reason) => format!("timed out: {reason}"),
        Answer::Fault(reason) => format!("fault: {reason}"),
        other => format!("{other:?}"),
    }
}

/// Whether a text has all parts of `want`, in their order. Dots stand between them.
fn has(text: &str, want: &str) -> bool {
    let mut rest = Some(text);
    for part in want.split(" … ") {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
    }
    rest.is_some()
}
