//! The names of things within the engine: small numbers, each kind with a type of its own.

use std::fmt;
use std::net::IpAddr;

/// Defines the key of a list: an index with a type of its own. It has 32 bits, since no list has four
/// billion items, and a large agent's schedule holds millions of keys.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }

        impl From<$name> for usize {
            fn from(key: $name) -> Self {
                Self::try_from(key.0).unwrap_or(Self::MAX)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

/// Defines a number that only grows.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(u64);

        impl $name {
            /// Returns the number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

key! {
    /// The key of a watched endpoint in the prober. It stays the same for as long as the endpoint
    /// is watched.
    EndpointId
}

impl EndpointId {
    /// The key of no endpoint, for a target that is not probed.
    pub const NONE: Self = Self(u32::MAX);
}

key! {
    /// The key of a service. A service that is removed leaves its key unused.
    ServiceId
}

key! {
    /// The key of a zone. A zone that is removed leaves its key unused.
    ZoneId
}

key! {
    /// The key of a request that a check sends: any probe but an echo request or a TCP connect. Only the
    /// prober knows the request itself.
    RequestId
}

key! {
    /// The key of the room that requests of one kind share: only so many are under way at once.
    RoomId
}

key! {
    /// The key of a target in its service. It stays the same for as long as the target is watched.
    TargetId
}

number! {
    /// The number of a probe. No number is used twice.
    ProbeSeq
}

number! {
    /// The number of an order to a reconciler. It grows with each order, so that a report can name
    /// its order. No order has the number 0. It is unique within a service.
    OrderNumber
}

number! {
    /// The ticket of an operator's command, handed back with its answer.
    Ticket
}

/// The flow of a probe, which selects the identifier of its echo requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlowId(u16);

impl FlowId {
    /// Returns the flow after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl From<u16> for FlowId {
    fn from(number: u16) -> Self {
        Self(number)
    }
}

impl From<FlowId> for u16 {
    fn from(flow: FlowId) -> Self {
        flow.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A target, by its service and address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetRef {
    /// The service that watches the address.
    pub service: ServiceId,
    /// The address of the target.
    pub address: IpAddr,
}

/// A target, by its service and its key there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TargetKey {
    /// The service that watches the target.
    pub(super) service: ServiceId,
    /// The key of the target in that service.
    pub(super) target: TargetId,
}

impl ServiceId {
    /// The service `default`: the only one of a file without services, and the one that votes
    /// without a service are about.
    pub const DEFAULT: Self = Self(0);
}

impl ZoneId {
    /// The zone of the service `default`.
    pub const DEFAULT: Self = Self(0);
}

impl TargetRef {
    /// Returns the target of the service `default` at an address.
    pub const fn of_default(address: IpAddr) -> Self {
        Self { service: ServiceId::DEFAULT, address }
    }
}

impl Default for ServiceId {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The name of one probe, to be handed back with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeId {
    /// The endpoint that is probed.
    pub endpoint: EndpointId,
    /// The number of the probe.
    pub seq: ProbeSeq,
}
