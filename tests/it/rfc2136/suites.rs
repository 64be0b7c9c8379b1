//! The contract suite against each server.

use std::net::IpAddr;

use goavail::testing::dns::{Capabilities, RFC2136_CAPABILITIES, Rfc2136};

use super::OnServer;
use super::servers::Software;
use crate::contract::{Call, Entry, Fault, FaultSignal, ProviderUnderTest, contract_suite};

/// Implements the harness of the contract for one server.
macro_rules! harness {
    ($name:ident, $module:ident, $software:expr) => {
        /// A zone on this server.
        struct $name(OnServer);

        impl ProviderUnderTest for $name {
            type Provider = Rfc2136;

            const CAPABILITIES: Capabilities = RFC2136_CAPABILITIES;

            fn is_here() -> bool {
                $software.is_here()
            }

            async fn start() -> Self {
                Self(OnServer::start($software).await)
            }

            async fn provider(&self) -> Rfc2136 {
                self.0.provider()
            }

            async fn with_wrong_credentials(&self) -> Rfc2136 {
                self.0.with_key("goavail", "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=")
            }

            async fn of_unknown_zone(&self) -> Rfc2136 {
                self.0.of_unknown_zone()
            }

            async fn out_of_reach(&self) -> Rfc2136 {
                OnServer::out_of_reach()
            }

            async fn seed(&self, entries: &[Entry]) {
                self.0.seed(entries);
            }

            async fn adorn(&self, name: &str, address: IpAddr) {
                self.0.adorn(name, address);
            }

            async fn remove(&self, name: &str, address: IpAddr) {
                self.0.remove(name, address);
            }

            async fn holds(&self) -> Vec<Entry> {
                self.0.holds()
            }

            async fn inject(&self, on: Call, fault: Fault) -> FaultSignal {
                self.0.inject(on, fault)
            }
        }

        mod $module {
            use super::{contract_suite, $name};

            contract_suite!($name);
        }
    };
}

harness!(OnBind, bind, Software::Bind);
harness!(OnKnot, knot, Software::Knot);
harness!(OnPowerDns, powerdns, Software::PowerDns);
