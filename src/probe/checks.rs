//! The registry of checks.
//!
//! A check is a module beside this one with a type that implements [`Check`], and a line in
//! `registry!` below. The registry is an enum and not a table of objects: a probe is on the hot
//! path, and each of its calls is known to the compiler.

use super::icmp::Echo;
use super::requests::Requested;
use super::tcp::Connect;
use super::{Check, Opens, Tools};
use crate::engine::event::ProbeRequest;
use crate::engine::types::{Answer, Endpoint};

/// Declares a registry: an enum with a variant for each check. The last check takes the endpoints
/// that none of the others covers.
macro_rules! registry {
    ($(#[$about:meta])* $visible:vis $registry:ident: $($(#[$doc:meta])* $variant:ident => $check:ty,)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visible enum $registry {
            $($(#[$doc])* $variant,)+
        }

        impl $registry {
            /// All checks, in the order of the registry.
            $visible const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the check that probes this endpoint.
            $visible fn of(endpoint: Endpoint) -> Self {
                let mut last = Self::ALL[0];
                for check in Self::ALL {
                    if check.covers(endpoint) {
                        return *check;
                    }
                    last = *check;
                }
                last
            }

            /// Returns the name in the status, and the value of `--type`.
            $visible fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => <$check>::NAME,)+
                }
            }

            /// Returns the resource that is opened for its probes.
            $visible fn opens(self) -> Opens {
                match self {
                    $(Self::$variant => <$check>::OPENS,)+
                }
            }

            /// Whether the endpoint is probed by this check.
            $visible fn covers(self, endpoint: Endpoint) -> bool {
                match self {
                    $(Self::$variant => <$check>::covers(endpoint),)+
                }
            }

            /// Describes the probes of this endpoint for `goavail check`.
            $visible fn in_words(self, endpoint: Endpoint) -> String {
                match self {
                    $(Self::$variant => <$check>::in_words(endpoint),)+
                }
            }

            /// Sends one probe. Gives up after the request's `listen_for`, and always completes.
            $visible async fn probe(self, tools: &Tools, request: &ProbeRequest) -> Answer {
                match self {
                    $(Self::$variant => <$check>::probe(tools, request).await,)+
                }
            }

            /// Takes a probe that leaves together with others. `false` if its check sends each by itself.
            $visible fn enqueue(self, tools: &Tools, request: &ProbeRequest) -> bool {
                match self {
                    $(Self::$variant => <$check>::enqueue(tools, request),)+
                }
            }
        }
    };
}

registry! {
    /// The kind of a check.
    pub(crate) CheckKind:
    /// A TCP connection that is opened and closed again.
    Tcp => Connect,
    /// A request of the table of requests.
    Request => Requested,
    /// An echo request.
    Icmp => Echo,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::engine::types::Method;
    use crate::probe::icmp::Icmp;

    /// A check of port 7, where nothing is sent.
    struct Dummy;

    impl Check for Dummy {
        const NAME: &'static str = "dummy";
        const OPENS: Opens = Opens::Connection;

        fn covers(endpoint: Endpoint) -> bool {
            endpoint.method == Method::Connect(7)
        }

        fn in_words(_: Endpoint) -> String {
            "by nothing at all".to_owned()
        }

        async fn probe(_: &Tools, request: &ProbeRequest) -> Answer {
            Answer::Reply(request.timeout)
        }
    }

    registry! {
        /// The registry with one more line.
        LongerRegistry:
        /// The check of this test.
        Dummy => Dummy,
        /// A TCP connection, as above.
        Tcp => Connect,
        /// An echo request, as above.
        Icmp => Echo,
    }

    fn endpoint(port: Option<u16>) -> Endpoint {
        Endpoint { address: IpAddr::from([127, 0, 0, 1]), method: Method::of_port(port) }
    }

    #[tokio::test]
    async fn a_check_is_a_type_and_a_line_in_the_registry() {
        let (endpoint, timeout) = (endpoint(Some(7)), Duration::from_millis(5));
        let check = LongerRegistry::of(endpoint);
        assert_eq!((check.name(), check.opens()), ("dummy", Opens::Connection));
        assert_eq!(check.in_words(endpoint), "by nothing at all");
        let request = ProbeRequest::first(endpoint, timeout);
        let icmp = Icmp::new();
        let tools = Tools::new(icmp, Arc::default(), Arc::default());
        assert!(!check.enqueue(&tools, &request), "it sends each by itself");
        assert_eq!(check.probe(&tools, &request).await, Answer::Reply(timeout));
    }

    #[test]
    fn each_endpoint_has_its_check() {
        let rows = [
            (None, CheckKind::Icmp, "ip", Opens::SharedSocket, "by echo requests"),
            (Some(443), CheckKind::Tcp, "tcp", Opens::Connection, "by TCP connects to port 443"),
        ];
        for (port, check, name, opens, words) in rows {
            let endpoint = endpoint(port);
            assert_eq!(CheckKind::of(endpoint), check, "{name}");
            assert_eq!((check.name(), check.opens()), (name, opens));
            assert_eq!(check.in_words(endpoint), words);
            let covering = CheckKind::ALL.iter().filter(|check| check.covers(endpoint)).count();
            assert_eq!(covering, 1, "{name}");
        }
    }
}
