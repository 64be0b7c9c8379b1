//! Asking a running agent.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::control::{Done, Drain};
use super::model::Status;
use super::service::{ANSWER_WITHIN, Problem};
use crate::config::StatusConfig;

/// How long an agent may take to say how it is.
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// The longest answer that is read: a hundred times what ten thousand targets make.
const ANSWER_BYTES: usize = 512 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration gives the agent no place where it could be asked.
    #[error("the agent cannot be asked: neither Status.socket nor Status.listen is set")]
    Nowhere,
    /// Nobody is there, or nothing comes back.
    #[error("no agent answers on {place}")]
    NoAgent {
        /// Where it was asked.
        place: Place,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but not as an agent does.
    #[error("what answers on {place} is not a goavail agent")]
    NotAnAgent {
        /// Where it was asked.
        place: Place,
        /// What was wrong with the answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Orders need the control socket.
    #[error("{place} is read only; to drain and undrain, set Status.socket")]
    ReadOnly {
        /// Where it would have been asked.
        place: Place,
    },
    /// The agent answered no. The message is its own.
    #[error("{message}")]
    Refused {
        /// One word: a reason's, or `not_a_target`, `timeout` …
        error: String,
        /// Why, in words.
        message: String,
    },
}

/// Where an agent is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Its control socket.
    Socket(PathBuf),
    /// Its status listener.
    Listener(SocketAddr),
}

impl Place {
    /// Where the agent of this configuration is asked: on its socket if it has one.
    pub fn of(config: &StatusConfig) -> Result<Self, ClientError> {
        match (&config.socket, config.listen) {
            (Some(socket), _) => Ok(Self::Socket(socket.clone())),
            (None, Some(listen)) => Ok(Self::Listener(reachable(listen))),
            (None, None) => Err(ClientError::Nowhere),
        }
    }

    /// Asks how the agent is. It answers also while its loop hangs; then [`Status::is_stale`], and
    /// [`Place::healthy`] is false.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let (status, body) = self.ask(Method::GET, "/status", None, STATUS_WITHIN).await?;
        self.expect(status, &body)?;
        serde_json::from_slice(&body).map_err(|source| self.not_an_agent(source))
    }

    /// Whether the agent's loop turns.
    pub async fn healthy(&self) -> Result<bool, ClientError> {
        let (status, _) = self.ask(Method::GET, "/healthz", None, STATUS_WITHIN).await?;
        Ok(status == StatusCode::OK)
    }

    /// Orders a target out of DNS, and waits for what becomes of it.
    pub async fn drain(&self, target: IpAddr, drain: &Drain) -> Result<Done, ClientError> {
        let body = serde_json::to_vec(drain).map_err(|source| self.not_an_agent(source))?;
        self.order(&format!("/drain/{target}"), body).await
    }

    /// Gives a target back to the agent.
    pub async fn undrain(&self, target: IpAddr) -> Result<Done, ClientError> {
        self.order(&format!("/undrain/{target}"), Vec::new()).await
    }

    async fn order(&self, path: &str, body: Vec<u8>) -> Result<Done, ClientError> {
        if let Self::Listener(_) = self {
            return Err(ClientError::ReadOnly { place: self.clone() });
        }
        // A little longer than the agent waits, so that its own words arrive.
        let within = ANSWER_WITHIN + Duration::from_secs(2);
        let (status, body) = self.ask(Method::POST, path, Some(body), within).await?;
        self.expect(status, &body)?;
        serde_json::from_slice(&body).map_err(|source| self.not_an_agent(source))
    }

    fn expect(&self, status: StatusCode, body: &[u8]) -> Result<(), ClientError> {
        if status.is_success() {
            return Ok(());
        }
        let Ok(Problem { error, message }) = serde_json::from_slice(body) else {
            return Err(self.not_an_agent(format!("it answered with status {status}")));
        };
        Err(ClientError::Refused { error, message })
    }

    fn not_an_agent(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        ClientError::NotAnAgent { place: self.clone(), source: source.into() }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let no_agent = |source| ClientError::NoAgent { place: self.clone(), source };
        let asking = async {
            match self {
                Self::Socket(path_of) => {
                    let io = UnixStream::connect(path_of).await.map_err(no_agent)?;
                    self.exchange(io, method, path, body).await
                }
                Self::Listener(address) => {
                    let io = TcpStream::connect(address).await.map_err(no_agent)?;
                    self.exchange(io, method, path, body).await
                }
            }
        };
        let seconds = within.as_secs();
        let silent = || io::Error::other(format!("no answer within {seconds} s"));
        tokio::time::timeout(within, asking).await.unwrap_or_else(|_| Err(no_agent(silent())))
    }

    async fn exchange(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "goavail")
            .header(header::CONNECTION, "close")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|source| self.not_an_agent(source))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(io)).await.map_err(|source| self.not_an_agent(source))?;
        let asking = async {
            let answer = sender.send_request(request).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok((parts.status, body))
        };
        // The connection is driven here, so that nothing of it outlives the answer.
        let mut asking = std::pin::pin!(asking);
        let mut connection = std::pin::pin!(connection);
        let answer = tokio::select! {
            answer = &mut asking => answer,
            _ = &mut connection => asking.await,
        };
        answer.map_err(|source: Box<dyn std::error::Error + Send + Sync>| self.not_an_agent(source))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(out),
            Self::Listener(address) => address.fmt(out),
        }
    }
}

/// An agent that listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
