//! The table of requests, and the check that carries them out.
//!
//! The engine knows a request by its id alone. Its settings are here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::http::HttpSettings;
use super::{Check, Opens, Tools};
use crate::engine::event::ProbeRequest;
use crate::engine::ids::RequestId;
use crate::engine::types::{Answer, Endpoint, Method};

/// The settings of a request, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RequestSettings {
    /// A request by HTTP, with or without TLS.
    Http(HttpSettings),
}

/// The requests of this process. It only grows: a reload keeps the id of settings that stay, and
/// that of settings that come back.
#[derive(Debug, Default)]
pub struct Requests(RwLock<RequestTable>);

#[derive(Debug, Default)]
struct RequestTable {
    ids: HashMap<Arc<RequestSettings>, RequestId>,
    settings: Vec<Arc<RequestSettings>>,
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
        let Method::Request(id) = request.endpoint.method else {
            return Answer::Fault("not a request".to_owned());
        };
        let Some(settings) = tools.requests.get(id) else {
            return Answer::Fault(format!("no request has the id {id}"));
        };
        match &*settings {
            // Boxed: otherwise the task of each echo request would have room for it.
            RequestSettings::Http(settings) => {
                let (routes, details) = (tools.icmp.routes(), &*tools.details);
                Box::pin(tools.http.probe(request, (id, settings), routes, details)).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
