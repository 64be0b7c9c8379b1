//! The section `[Status]` of the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::address;
use crate::config::field::{Field, FieldReader, not_allowed};
use crate::config::keys::{Key, Section};
use crate::config::rule::path;
use crate::config::section::{ConfigSection, Described, SectionContext};

/// Maximum length of the path of a Unix socket: `sun_path` of unix(7) without its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// The settings of `[Status]`.
#[derive(Debug, Clone, Default)]
pub struct StatusConfig {
    /// The address of the read-only service.
    pub listen: Option<SocketAddr>,
    /// The path of the control socket.
    pub socket: Option<PathBuf>,
}

/// The values of `[Status]`.
pub(crate) struct StatusSection {
    listen: Field<SocketAddr>,
    socket: Field<PathBuf>,
}

impl ConfigSection for StatusSection {
    type Settings = StatusConfig;

    const SECTION: Section = Section::new("Status");

    const KEYS: &'static [Key] = &[Key::new("listen"), Key::new("socket")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            listen: values.one(Self::SECTION, "listen", address::listen),
            socket: values.one(Self::SECTION, "socket", path),
        }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> StatusConfig {
        let socket = self.socket.present().map(|at| (at, context.resolve(&at.value)));
        if let Some((at, path)) = &socket
            && path.as_os_str().len() > LONGEST_SOCKET_PATH
        {
            let allowed = format!("the path of a socket has at most {LONGEST_SOCKET_PATH} bytes");
            context.report.refuse(&at.spot, not_allowed(&at.shown, &allowed));
        }
        let listen = self.listen.value().copied();
        StatusConfig { listen, socket: socket.map(|(_, path)| path) }
    }

    fn describe(status: &StatusConfig) -> Vec<Described> {
        let words = match (&status.listen, &status.socket) {
            (None, None) => "cannot be asked".to_owned(),
            (Some(listen), None) => format!("read on {listen}"),
            (None, Some(socket)) => format!("socket {}", socket.display()),
            (Some(listen), Some(socket)) => {
                format!("read on {listen}, socket {}", socket.display())
            }
        };
        vec![("status", words)]
    }
}

impl StatusSection {
    /// Refuses the address of the read-only service if votes are received there.
    pub(crate) fn check_overlap(
        &self,
        votes_received_at: SocketAddr,
        context: &mut SectionContext<'_>,
    ) {
        let listen = self.listen.present();
        if let Some(at) = listen.filter(|at| overlap(at.value, votes_received_at)) {
            let allowed = "votes are received there (Members.local_addr); choose another port";
            context.report.refuse(&at.spot, not_allowed(&at.shown, allowed));
        }
    }
}

/// Whether two listeners need the same address and port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host = one.ip() == other.ip() || covers(one, other) || covers(other, one);
    one.port() == other.port() && same_host
}

/// Whether a listener at `wide` receives connections to the host of `narrow` too.
fn covers(wide: SocketAddr, narrow: SocketAddr) -> bool {
    // `[::]` also receives connections to IPv4 addresses.
    wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}
