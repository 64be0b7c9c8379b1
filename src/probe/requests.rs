//! The table of requests, and the check that carries them out.
//!
//! The engine knows a request by its id alone. Its settings are here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::details::ProbeDetails;
use super::dns::settings::DnsSettings;
use super::exec::ExecAnswer;
use super::exec::settings::{ExecPool, ExecSettings};
use super::http::HttpSettings;
use super::{Check, Opens, Tools, dns};
use crate::engine::event::ProbeRequest;
use crate::engine::ids::{RequestId, RoomId};
use crate::engine::settings::RequestRoom;
use crate::engine::types::{Answer, Endpoint, Method};
use crate::panics::caught;

/// The name of this part in the counter of caught panics.
const PART: &str = "a check";

/// The settings of a request, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RequestSettings {
    /// A request by HTTP, with or without TLS.
    Http(HttpSettings),
    /// A command that is run.
    Exec(ExecSettings),
    /// A query to a name server.
    Dns(DnsSettings),
}

/// The requests of this process. It only grows: a reload keeps the id of settings that stay, and
/// that of settings that come back.
#[derive(Debug, Default)]
pub struct Requests(RwLock<RequestTable>);

#[derive(Debug, Default)]
struct RequestTable {
    ids: HashMap<Arc<RequestSettings>, RequestId>,
    settings: Vec<Arc<RequestSettings>>,
    /// The keys of the pools of commands.
    pools: HashMap<ExecPool, RoomId>,
}

impl Requests {
    /// Returns the id of these settings. Equal settings have the same id for as long as the process
    /// runs.
    pub fn id_of(&self, settings: &RequestSettings) -> RequestId {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = table.ids.get(settings) {
            return *id;
        }
        let (id, settings) = (RequestId::from(table.settings.len()), Arc::new(settings.clone()));
        table.settings.push(Arc::clone(&settings));
        table.ids.insert(settings, id);
        id
    }

    /// Returns the rooms of all requests that are bounded in number.
    pub fn rooms(&self) -> BTreeMap<RequestId, RequestRoom> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let RequestTable { settings, pools, .. } = &mut *table;
        let commands = settings.iter().enumerate().filter_map(|(id, settings)| match &**settings {
            RequestSettings::Exec(settings) => Some((RequestId::from(id), settings.pool())),
            RequestSettings::Http(_) | RequestSettings::Dns(_) => None,
        });
        commands
            .map(|(request, pool)| {
                let (next, most) = (RoomId::from(pools.len()), pool.max_running());
                (request, RequestRoom { id: *pools.entry(pool).or_insert(next), most })
            })
            .collect()
    }

    /// Returns the settings with this id. `None` if this table did not issue it.
    pub fn get(&self, id: RequestId) -> Option<Arc<RequestSettings>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.settings.get(usize::from(id)).cloned()
    }
}

/// The check by a request of the table.
#[derive(Debug)]
pub(crate) struct Requested;

impl Check for Requested {
    const NAME: &'static str = "request";
    const OPENS: Opens = Opens::Connection;

    fn covers(endpoint: Endpoint) -> bool {
        matches!(endpoint.method, Method::Request(_))
    }

    fn in_words(_: Endpoint) -> String {
        "by requests".to_owned()
    }

    async fn probe(tools: &Tools, request: &ProbeRequest) -> Answer {
        // Boxed: otherwise the task of each echo request would have room for it. The answer of a target
        // is read by parsers of others.
        let answer = caught(PART, Box::pin(carry_out(tools, request))).await;
        answer.unwrap_or_else(|panicked| Answer::Fault(panicked.to_string()))
    }
}

/// Carries out a request of the table.
async fn carry_out(tools: &Tools, request: &ProbeRequest) -> Answer {
    let Method::Request(id) = request.endpoint.method else {
        return Answer::Fault("not a request".to_owned());
    };
    let Some(settings) = tools.requests.get(id) else {
        return Answer::Fault(format!("no request has the id {id}"));
    };
    let (routes, details) = (tools.icmp.routes(), &*tools.details);
    match &*settings {
        RequestSettings::Http(settings) => {
            tools.http.probe(request, (id, settings), routes, details).await
        }
        RequestSettings::Exec(settings) => {
            let ExecAnswer { answer, warning } = tools.exec.probe(settings, request).await;
            let facts = ProbeDetails { warning, ..ProbeDetails::default() };
            details.put(id, request.endpoint.address, facts);
            answer
        }
        RequestSettings::Dns(settings) => dns::ask(settings, request, routes).await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::dns::settings::{DnsTransport, parse_query, parse_rcode, parse_type};
    use crate::probe::exec::settings::{DEFAULT_MAX_RUNNING, Replaced};
    use crate::probe::icmp::Icmp;

    fn command(program: &str, service: &str) -> RequestSettings {
        let command = vec![program.to_owned(), "{service}".to_owned()];
        let values = Replaced { service: Some(service.to_owned()), ..Replaced::default() };
        RequestSettings::Exec(ExecSettings::new(command, values, None, DEFAULT_MAX_RUNNING))
    }

    /// A probe with a timeout beyond the end of time, which the clock's arithmetic panics at.
    #[tokio::test]
    async fn a_panic_in_a_request_is_a_fault_of_this_machine() {
        let requests = Arc::<Requests>::default();
        let dns = DnsSettings {
            query: parse_query("www.example.com").unwrap(),
            query_type: parse_type("A").unwrap(),
            rcode: parse_rcode("NOERROR").unwrap(),
            answer: None,
            port: 53,
            transport: DnsTransport::Udp,
        };
        let http = HttpSettings::new("www.example.com", 80, None);
        let icmp = Icmp::new();
        let tools = Tools::new(icmp, Arc::clone(&requests), Arc::default());
        for settings in [RequestSettings::Dns(dns), RequestSettings::Http(http)] {
            let method = Method::Request(requests.id_of(&settings));
            let endpoint = Endpoint { address: [127, 0, 0, 1].into(), method };
            let probe = ProbeRequest::first(endpoint, Duration::MAX);
            let answer = Requested::probe(&tools, &probe).await;
            let is_caught =
                matches!(&answer, Answer::Fault(why) if why.starts_with("a check panicked: "));
            assert!(is_caught, "{settings:?}: {answer:?}");
        }
    }

    #[test]
    fn the_services_of_a_check_share_one_room() {
        let requests = Requests::default();
        let http = RequestSettings::Http(HttpSettings::new("a.example", 80, None));
        let ids =
            [&command("/bin/x", "a"), &http, &command("/bin/x", "b"), &command("/bin/y", "a")]
                .map(|settings| requests.id_of(settings));
        let rooms = requests.rooms();
        let [one, other, another] = [ids[0], ids[2], ids[3]].map(|id| rooms[&id]);
        assert_eq!(one, other);
        assert_ne!(one.id, another.id);
        assert_eq!(one.most, DEFAULT_MAX_RUNNING);
        assert_eq!(rooms.get(&ids[1]), None);
        assert_eq!(requests.rooms(), rooms, "they keep their keys");
    }

    #[test]
    fn equal_settings_have_one_id() {
        let requests = Requests::default();
        let [one, other] = ["a.example", "b.example"]
            .map(|host| RequestSettings::Http(HttpSettings::new(host, 80, None)));
        let id = requests.id_of(&one);
        assert_ne!(requests.id_of(&other), id);
        assert_eq!(requests.id_of(&one.clone()), id);
        assert_eq!(requests.get(id).as_deref(), Some(&one));
        assert_eq!(requests.get(RequestId::from(7)), None);
    }
}
