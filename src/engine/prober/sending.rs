//! Sends the probes: when one is due, there is room for it, and a retry has its budget.

use std::time::Duration;

use super::Prober;
use crate::engine::action::{Action, ProbeRequest};
use crate::engine::context::Context;
use crate::engine::ids::{EndpointId, ProbeId, RoomId};
use crate::engine::schedule::Item;
use crate::engine::types::Pace;

/// Upper bound on the time beyond the timeout during which the prober listens for a late reply.
const LATE_WINDOW: Duration = Duration::from_secs(5);

impl Prober {
    /// Sends the next probe of an endpoint if it is due, and schedules the next look at it.
    pub(in crate::engine) fn resume(&mut self, id: EndpointId, context: &mut Context) {
        self.suspect_if_overdue(id, context);
        self.send_if_due(id, context);
        self.arm(id, context);
    }

    /// Schedules an endpoint for its next moment, unless that is scheduled already. This
    /// invalidates an entry for an earlier moment.
    pub(in crate::engine) fn arm(&mut self, id: EndpointId, context: &mut Context) {
        let now = context.now;
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if watched.armed.is_some_and(|armed| armed <= now) {
            // The next tick processes the entry. Its lateness shows whether this process ran.
            return;
        }
        // Nothing is scheduled for the past: being late for it would look like a stall.
        let pace = Pace { timeout: watched.patience(), ..watched.pace() };
        let wake = watched.watch.wake(pace, watched.is_watchful()).max(now);
        if watched.armed != Some(wake) {
            watched.armed = Some(wake);
            context.schedule.add(wake, Item::Watch(id));
        }
    }

    /// Sends the probe of an endpoint if it is due and there is room.
    pub(super) fn send_if_due(&mut self, id: EndpointId, context: &mut Context) {
        let now = context.now;
        let Some(watched) = self.endpoints.get(id) else { return };
        let own = context.settings.room_of(watched.watch.endpoint.method);
        let most = context.settings.most_in_flight;
        let room = if watched.connects() { self.room.check(own, most) } else { Ok(()) };
        if !watched.watch.is_due(now) || !self.may_retry(id, context) {
            return;
        }
        if room.is_ok() {
            self.rehearse_if_due(id, context);
        }
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        let pace = watched.pace();
        if let Err(full) = room {
            // The end of another probe starts it sooner than that.
            watched.watch.put_off(now + pace.interval);
            if !std::mem::replace(&mut watched.waits, true) {
                self.room.wait(id, full);
            }
            return;
        }
        let seq = self.next_seq;
        self.next_seq = seq.next();
        let nth = watched.watch.send(seq, now, pace);
        // A TCP connection holds a descriptor, so the prober does not wait for a late one.
        let connects = watched.connects();
        if connects {
            self.room.enter(seq, own.map(|own| own.id));
        }
        let late = if connects { Duration::ZERO } else { LATE_WINDOW };
        context.act(Action::Probe(ProbeRequest {
            id: ProbeId { endpoint: id, seq },
            endpoint: watched.watch.endpoint,
            nth,
            flow: watched.watch.flow(),
            timeout: pace.timeout,
            listen_for: pace.timeout + pace.timeout.min(late),
        }));
    }

    /// Gives the room that an ended probe has left to the endpoint that has waited longest.
    pub(super) fn start_next_waiting(&mut self, left: Option<RoomId>, context: &mut Context) {
        while let Some(id) = self.room.next_waiting(left) {
            if let Some(watched) = self.endpoints.get_mut(id)
                && std::mem::replace(&mut watched.waits, false)
            {
                watched.watch.put_off(context.now);
                self.send_if_due(id, context);
                self.arm(id, context);
                return;
            }
        }
    }
}
