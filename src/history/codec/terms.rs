//! The words that settings, events and facts use.

use crate::engine::event::{Drain, DrainScope};
use crate::engine::ids::{
    EndpointId, OrderNumber, RequestId, RoomId, ServiceId, TargetRef, Ticket, ZoneId,
};
use crate::engine::journal::EndpointUse;
use crate::engine::place::Place;
use crate::engine::plan::{Desired, Family, Observed, SetKey};
use crate::engine::types::{
    Endpoint, Health, IsolationCause, Method, Outcome, Pace, PeerKind, PeerState, Thresholds,
    Verdict, Vote, WithdrawalCause,
};
use crate::history::bytes::{coded_enum, coded_key, coded_number, coded_struct};

coded_key!(EndpointId, RequestId, RoomId, ServiceId, ZoneId);
coded_number!(OrderNumber, Ticket);

coded_struct!(TargetRef { service, address });
coded_struct!(Endpoint { address, method });
coded_struct!(Pace { interval, timeout, retry_interval });
coded_struct!(Thresholds { failure, recovery });
coded_struct!(SetKey { name, family });
coded_struct!(Observed { sets, unfit, uncertain, parts, caution });
coded_struct!(Drain { until, reason, forced, scope });
coded_struct!(DrainScope { names, others });

coded_enum!(Method { 0 Echo, 1 Connect(port), 2 Request(id) });
coded_enum!(Outcome { 0 Reply, 1 Loss, 2 Fault });
coded_enum!(Health { 0 AssumedUp, 1 Up, 2 Down });
coded_enum!(Vote { 0 Up, 1 Down });
coded_enum!(Verdict { 0 InService, 1 Withdrawn(cause) });
coded_enum!(WithdrawalCause { 0 Down, 1 Drained, 2 Asked, 3 StandingBy });
coded_enum!(IsolationCause { 0 NoCanary, 1 NothingCanBeAsked });
coded_enum!(PeerState { 0 Gone, 1 Alive(kind) });
coded_enum!(PeerKind { 0 Native, 1 Legacy });
coded_enum!(Family { 0 A, 1 Aaaa });
coded_enum!(Place { 0 Everywhere, 1 Continent(code), 2 Country(code), 3 Subdivision(country, part) });
coded_enum!(Desired {
    0 Serve, 1 Withdraw, 2 WithdrawAnyway, 3 WithdrawFirst, 4 StandBy(below), 5 Stay,
});
coded_enum!(EndpointUse { 0 Target { service, address, check }, 1 Canary(endpoint) });
