//! The client of a running agent.

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

use super::StatusConfig;
use super::control::{
    ANSWER_WITHIN, CommandDone, CommandTarget, DrainRequest, ErrorBody, UndrainRequest,
};
use super::explain::{EXPLAINED_WITHIN, ExplainAnswer};
use super::model::Status;
use crate::text::one_line;

/// Maximum time for a query of the status.
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// Maximum size of a response in bytes: a hundred times the status of ten thousand targets.
const ANSWER_BYTES: usize = 512 << 20;

/// The reason why a query or a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration names neither a socket nor a listener.
    #[error("the agent cannot be queried: neither Status.socket nor Status.listen is set")]
    Nowhere,
    /// The connection failed, or there was no response.
    #[error("no agent answers on {address}")]
    NoAgent {
        /// The address of the agent.
        address: AgentAddress,
        /// The error of the connection.
        #[source]
        source: io::Error,
    },
    /// The response is not one of an agent.
    #[error("the program that answers on {address} is not a goavail agent")]
    NotAnAgent {
        /// The address of the program.
        address: AgentAddress,
        /// The error in its response.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The agent is of a version that does not know the question.
    #[error(
        "the agent on {address}{version} cannot explain: it is older than this program; restart it"
    )]
    TooOld {
        /// The address of the agent.
        address: AgentAddress,
        /// Its version in words, if it said one.
        version: String,
    },
    /// Commands need the control socket.
    #[error("{address} is read only; for drain, undrain and return, set Status.socket")]
    ReadOnly {
        /// The address of the agent.
        address: AgentAddress,
    },
    /// The agent refused. The message is its own.
    #[error("{message}")]
    Refused {
        /// One word: a reason, or `not_a_target`, `timeout` …
        error: String,
        /// The reason for people.
        message: String,
    },
}

/// The address of a running agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentAddress {
    /// Its control socket.
    Socket(PathBuf),
    /// Its status listener.
    Listener(SocketAddr),
}

impl AgentAddress {
    /// Returns the address of the agent with this configuration: its socket if it has one.
    ///
    /// # Errors
    ///
    /// Fails if it has neither a socket nor a listener.
    pub fn of(config: &StatusConfig) -> Result<Self, ClientError> {
        match (&config.socket, config.listen) {
            (Some(socket), _) => Ok(Self::Socket(socket.clone())),
            (None, Some(listen)) => Ok(Self::Listener(reachable(listen))),
            (None, None) => Err(ClientError::Nowhere),
        }
    }

    /// Queries the status. An agent with a stalled event loop answers, too; then [`Status::is_stale`].
    ///
    /// # Errors
    ///
    /// Fails without the response of an agent.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let (status, body) = self.request(Method::GET, "/status", None, STATUS_WITHIN).await?;
        self.expect(status, &body)?;
        serde_json::from_slice(&body).map_err(|source| self.not_an_agent(source))
    }

    /// Queries the explanation of an address: in one service, or in all that have it.
    ///
    /// # Errors
    ///
    /// Fails if no agent answers, it does not know the address, or it is too old.
    pub async fn explain(&self, target: &CommandTarget) -> Result<ExplainAnswer, ClientError> {
        let path = format!("/explain/{target}");
        // A little longer than the agent waits, so that its own message arrives.
        let within = EXPLAINED_WITHIN + Duration::from_secs(2);
        let (status, body) = self.request(Method::GET, &path, None, within).await?;
        if status == StatusCode::NOT_FOUND && body.is_empty() {
            // A program that knows the status is an agent, and an unknown path is that of a newer one.
            let version = self.status().await?.agent.version;
            let version = format!(" (goavail {})", one_line(&version, '?'));
            return Err(ClientError::TooOld { address: self.clone(), version });
        }
        self.expect(status, &body)?;
        serde_json::from_slice(&body).map_err(|source| self.not_an_agent(source))
    }

    /// Drains an address, and waits for the result.
    ///
    /// # Errors
    ///
    /// Fails if the agent does not answer or refuses.
    pub async fn drain(
        &self,
        target: &CommandTarget,
        drain: &DrainRequest,
    ) -> Result<CommandDone, ClientError> {
        let body = serde_json::to_vec(drain).map_err(|source| self.not_an_agent(source))?;
        self.command(&format!("/drain/{target}"), body).await
    }

    /// Gives an address back to the agent.
    ///
    /// # Errors
    ///
    /// Fails if the agent does not answer or refuses.
    pub async fn undrain(
        &self,
        target: &CommandTarget,
        undrain: UndrainRequest,
    ) -> Result<CommandDone, ClientError> {
        // An older agent knows no options.
        let path = format!("/undrain/{target}{}", if undrain.now { "?now=true" } else { "" });
        self.command(&path, Vec::new()).await
    }

    /// Ends the wait of an address to be put back.
    ///
    /// # Errors
    ///
    /// Fails if the agent does not answer or refuses.
    pub async fn put_back(&self, target: &CommandTarget) -> Result<CommandDone, ClientError> {
        self.command(&format!("/return/{target}"), Vec::new()).await
    }

    async fn command(&self, path: &str, body: Vec<u8>) -> Result<CommandDone, ClientError> {
        if let Self::Listener(_) = self {
            return Err(ClientError::ReadOnly { address: self.clone() });
        }
        // A little longer than the agent waits, so that its own message arrives.
        let within = ANSWER_WITHIN + Duration::from_secs(2);
        let (status, body) = self.request(Method::POST, path, Some(body), within).await?;
        self.expect(status, &body)?;
        serde_json::from_slice(&body).map_err(|source| self.not_an_agent(source))
    }

    fn expect(&self, status: StatusCode, body: &[u8]) -> Result<(), ClientError> {
        if status.is_success() {
            return Ok(());
        }
        let Ok(ErrorBody { error, message }) = serde_json::from_slice(body) else {
            return Err(self.not_an_agent(format!("it answered with status {status}")));
        };
        Err(ClientError::Refused { error, message })
    }

    fn not_an_agent(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        ClientError::NotAnAgent { address: self.clone(), source: source.into() }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let exchange = async {
            match self {
                Self::Socket(socket) => {
                    let io = UnixStream::connect(socket).await;
                    let io = io.map_err(|source| self.no_agent(source))?;
                    self.exchange(io, method, path, body).await
                }
                Self::Listener(address) => {
                    let io = TcpStream::connect(address).await;
                    let io = io.map_err(|source| self.no_agent(source))?;
                    self.exchange(io, method, path, body).await
                }
            }
        };
        tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| {
            let silence = format!("no answer within {} s", within.as_secs());
            Err(self.no_agent(io::Error::other(silence)))
        })
    }

    fn no_agent(&self, source: io::Error) -> ClientError {
        ClientError::NoAgent { address: self.clone(), source }
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
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
            Ok((parts.status, body))
        };
        // The connection runs here, so that nothing of it outlives the response.
        let mut exchange = std::pin::pin!(exchange);
        let mut connection = std::pin::pin!(connection);
        let answer = tokio::select! {
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        };
        answer.map_err(|source: Box<dyn std::error::Error + Send + Sync>| self.not_an_agent(source))
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(out),
            Self::Listener(address) => address.fmt(out),
        }
    }
}

/// Returns the address for queries: loopback for an agent that listens on all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
