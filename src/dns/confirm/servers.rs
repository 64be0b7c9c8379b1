//! The authoritative name servers of a zone: those of `confirm_servers`, or those that the system's
//! resolver names.
//!
//! `getaddrinfo` returns addresses alone, so the name servers of `/etc/resolv.conf` are asked for the NS
//! records. The addresses of the servers found are looked up by `getaddrinfo`, with all that the system
//! has for names. A resolver is never asked for a name that goavail changes: it would keep the old
//! answer.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::effect::{NameServer, PORT, shown_address};
use super::section::{ConfirmServer, ServerHost};
use crate::dns::message::Question;
use crate::dns::message::exchange::ask;
use crate::dns::message::rcode::rcode_word;
use crate::dns::message::set::owner;
use crate::file;
use crate::text::{error_chain, first_few};

/// The file that names the system's resolvers.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Maximum size of that file in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

/// Maximum number of resolvers that are asked. Source: resolv.conf(5), `MAXNS`.
const RESOLVERS: usize = 3;

/// Maximum time for the answer of a resolver.
const RESOLVER_LIMIT: Duration = Duration::from_secs(3);

/// Maximum time to look up the addresses of a name.
const ADDRESS_LIMIT: Duration = Duration::from_secs(5);

/// Maximum number of reasons in an error.
const REASONS: usize = 3;

/// Returns the name servers of the zone `domain`: `listed` ones, or those that the resolvers of
/// `resolv_conf` name.
///
/// # Errors
///
/// Fails in words if there are none, or none with an address.
pub(crate) async fn find(
    domain: &str,
    listed: &[ConfirmServer],
    resolv_conf: &Path,
) -> Result<Vec<NameServer>, String> {
    let found = if listed.is_empty() {
        let names = names_of(domain, resolv_conf).await?;
        // The final dot keeps the system from trying the name in its search domains.
        join_all(names.iter().map(|name| with_addresses(name, format!("{name}."), PORT))).await
    } else {
        join_all(listed.iter().map(of_configuration)).await
    };
    if found.iter().all(|server| server.addresses.is_empty()) {
        let mut reasons = Vec::new();
        for server in &found {
            let why = server.trouble.as_deref().unwrap_or("no address");
            reasons.push(format!("{}: {why}", server.name));
        }
        let reasons = first_few(&reasons, REASONS, "; ");
        return Err(format!("no name server of {domain} has an address: {reasons}"));
    }
    Ok(found)
}

/// Returns a name server of `confirm_servers`.
async fn of_configuration(server: &ConfirmServer) -> NameServer {
    match &server.host {
        ServerHost::Address(address) => {
            let address = SocketAddr::new(*address, server.port);
            NameServer { name: shown_address(address), addresses: vec![address], trouble: None }
        }
        ServerHost::Name(name) => with_addresses(name, name.clone(), server.port).await,
    }
}

/// Looks the addresses of a name server up. `spelling` is its name for the system.
async fn with_addresses(name: &str, spelling: String, port: u16) -> NameServer {
    let lookup = tokio::time::timeout(ADDRESS_LIMIT, tokio::net::lookup_host((spelling, port)));
    let (addresses, trouble) = match lookup.await {
        Ok(Ok(found)) => {
            let found: BTreeSet<SocketAddr> = found.collect();
            let trouble = found.is_empty().then(|| "no address".to_owned());
            (found.into_iter().collect(), trouble)
        }
        Ok(Err(error)) => (Vec::new(), Some(format!("no address: {error}"))),
        Err(_) => {
            let limit = ADDRESS_LIMIT.as_secs();
            (Vec::new(), Some(format!("no address found within {limit} s")))
        }
    };
    NameServer { name: name.to_owned(), addresses, trouble }
}

/// Returns the names of the zone's servers, by the resolvers of a file.
async fn names_of(domain: &str, resolv_conf: &Path) -> Result<BTreeSet<String>, String> {
    let path = resolv_conf.to_owned();
    let resolvers = tokio::task::spawn_blocking(move || resolvers_in(&path)).await;
    names_by(domain, &resolvers.map_err(|error| error.to_string())??).await
}

/// Returns the names of the zone's servers, by the first resolver that knows them.
async fn names_by(domain: &str, resolvers: &[SocketAddr]) -> Result<BTreeSet<String>, String> {
    let name = owner(domain)?;
    let question = Question { name: name.clone(), query_type: RecordType::NS, recursion: true };
    let mut reasons = Vec::new();
    for resolver in resolvers {
        let answered = ask(*resolver, &question, RESOLVER_LIMIT).await;
        let names =
            answered.map_err(|error| error_chain(&error)).and_then(|it| names_in(&it, &name));
        match names {
            Ok(names) => return Ok(names),
            Err(why) => reasons.push(format!("{}: {why}", shown_address(*resolver))),
        }
    }
    let reasons = first_few(&reasons, REASONS, "; ");
    Err(format!("no resolver names the name servers of {domain}: {reasons}"))
}

/// Returns the names of the servers in an answer about the zone `name`.
fn names_in(message: &Message, name: &Name) -> Result<BTreeSet<String>, String> {
    let code = message.metadata.response_code;
    if code != ResponseCode::NoError {
        return Err(rcode_word(code));
    }
    let mut names = BTreeSet::new();
    for record in message.answers.iter().filter(|record| record.name == *name) {
        if let RData::NS(server) = &record.data {
            let server = server.0.to_ascii().to_ascii_lowercase();
            names.insert(server.trim_end_matches('.').to_owned());
        }
    }
    names.remove("");
    if names.is_empty() {
        return Err("no NS record; it is no zone of its own there".to_owned());
    }
    Ok(names)
}

/// Reads the addresses of the system's resolvers.
fn resolvers_in(path: &Path) -> Result<Vec<SocketAddr>, String> {
    let text = file::read_text(path, LARGEST_FILE)
        .map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    Ok(resolvers(&text))
}

/// Returns the resolvers in the text of `resolv.conf`. Without any, the one of this machine is meant.
/// Source: resolv.conf(5).
fn resolvers(text: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        found.extend(words.next().and_then(resolver));
    }
    if found.is_empty() {
        found.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    found.truncate(RESOLVERS);
    found
}

/// Returns the address of a resolver. One of a link has its interface behind a `%`.
fn resolver(word: &str) -> Option<SocketAddr> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, PORT));
    }
    // The system translates the name of the interface. Nothing is looked up for an address.
    let is_address = word.split_once('%').is_some_and(|(it, _)| it.parse::<IpAddr>().is_ok());
    is_address.then(|| (word, PORT).to_socket_addrs().ok()?.next()).flatten()
}

#[cfg(test)]
mod tests;
