//! Where the agent can be asked: the control socket and the status listener.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

/// Why the agent cannot be asked. Each one ends the start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another agent answers there.
    #[error("control socket {}: another agent listens there; stop it, or give this one its own", .0.display())]
    Living(PathBuf),
    /// Something else has that name, and it is not ours to remove.
    #[error("control socket {}: there is something that is not a socket; remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The directory cannot be opened.
    #[error("control socket {}: its directory cannot be used; create it, or choose another path", path.display())]
    Directory {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("control socket {}: cannot listen there", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The port cannot be opened.
    #[error("status listener {address}: cannot listen there; does another agent run?")]
    Port {
        /// The address and port.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens the status listener.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let open = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    open().map_err(|source| ListenError::Port { address, source })
}

/// Opens the control socket at `path`, for its owner only, in the place of one that a dead agent
/// left behind.
///
/// The second value removes the socket when it is dropped, unless another has taken its place.
pub fn open_control(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let broken = |source| ListenError::Socket { path: path.to_owned(), source };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let unusable = |source| ListenError::Directory { path: path.to_owned(), source };
    let directory = File::open(directory).map_err(unusable)?;
    // Of two agents that start at once, one looks after the other has bound.
    lock(&directory).map_err(unusable)?;
    clear(path)?;
    let socket = bind(path).map_err(broken)?;
    let file = SocketFile::of(path).map_err(broken)?;
    let listener = UnixListener::from_std(socket.into()).map_err(broken)?;
    Ok((listener, file))
}

/// Holds the directory until it is closed. An agent holds it for a moment only.
fn lock(directory: &File) -> io::Result<()> {
    for _ in 0..50 {
        match directory.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "it is locked by another process"))
}

/// Removes what a dead agent left at `path`.
fn clear(path: &Path) -> Result<(), ListenError> {
    let broken = |source| ListenError::Socket { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(broken(error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match knock(path) {
        Ok(()) => Err(ListenError::Living(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(broken)
        }
        // Its queue is full, so somebody holds it.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(ListenError::Living(path.to_owned()))
        }
        Err(error) => Err(broken(error)),
    }
}

/// Connects without waiting: an agent that hangs with a full queue must not make this one hang.
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Binds, closes the socket to others, and only then listens: at no moment can anybody else
/// connect.
fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(128)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The control socket's entry in its directory; dropping it removes the entry.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Nothing is lost if it stays: the next agent finds it dead and replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device, inode, and the time of its last change in seconds and nanoseconds: inodes alone are
/// used again at once.
type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
