//! Channels that are one `POST` of JSON for each notice.

use std::any::Any;
use std::fmt;

use serde_json::Value;

use super::ChannelSettings;
use super::poster::{AnswerRules, ChannelError, Poster};
use super::secret::Secret;
use crate::notify::Notice;
use crate::notify::delivery::{Channel, IncidentMemory, Posting};

/// A service that accepts each notice as one `POST` of JSON.
pub(super) trait HookService: AnswerRules + fmt::Debug + Clone + PartialEq {
    /// The memory that the service has of incidents.
    const MEMORY: IncidentMemory = IncidentMemory::Messages;

    /// Returns the URL of the receiver.
    fn url(&self) -> &Secret;

    /// Returns the value of the `Authorization` header.
    fn authorization(&self) -> Option<&Secret> {
        None
    }

    /// Returns the body that the service expects.
    fn body(&self, notice: &Notice) -> Value;
}

impl<S: HookService> ChannelSettings for S {
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        let poster = Poster::new(self.url(), self.authorization())?;
        Ok(Box::new(Hook { service: self.clone(), poster }))
    }

    fn url(&self) -> Option<&Secret> {
        Some(HookService::url(self))
    }

    fn is_same_as(&self, other: &dyn ChannelSettings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Self>() == Some(self)
    }
}

/// A channel to a [`HookService`].
struct Hook<S> {
    service: S,
    poster: Poster,
}

impl<S: HookService> Channel for Hook<S> {
    fn memory(&self) -> IncidentMemory {
        S::MEMORY
    }

    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        Box::pin(self.poster.post(self.service.body(notice), &self.service))
    }

    fn renew(&self) {
        self.poster.renew();
    }
}
