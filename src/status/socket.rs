//! The control socket and the status listener.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

/// The reason why the agent cannot listen. Each one ends the start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another agent listens there.
    #[error("control socket {}: another agent listens there; stop it, or give this one its own", .0.display())]
    Living(PathBuf),
    /// The path names a file that is not a socket, and is not removed.
    #[error("control socket {}: the file there is not a socket; remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The directory cannot be opened.
    #[error("control socket {}: its directory cannot be used; create it, or choose another path", path.display())]
    Directory {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be created.
    #[error("control socket {}: cannot listen there", path.display())]
    Socket {
        /// The path of the socket.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The port cannot be opened.
    #[error("status listener {address}: cannot listen there; is another agent running?")]
    Port {
        /// The address of the listener.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

/// Opens the status listener.
///
/// # Errors
///
/// Fails if the port cannot be opened.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address).map_err(|source| ListenError::Port { address, source })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Opens the control socket at `path`, for its owner only. It replaces the socket of an agent that no
/// longer runs.
///
/// The second value removes the socket when it is dropped, unless another one has replaced it.
///
/// # Errors
///
/// Fails if another agent listens there, or the socket cannot be created.
pub fn open_control(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    // If two agents start at once, one of them checks the path after the other has bound its socket.
    let _locked = lock_directory(path)
        .map_err(|source| ListenError::Directory { path: path.to_owned(), source })?;
    clear(path)?;
    bind_control(path).map_err(|source| broken(path, source))
}

fn broken(path: &Path, source: io::Error) -> ListenError {
    ListenError::Socket { path: path.to_owned(), source }
}

fn bind_control(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = bind(path)?;
    let file = SocketFile::of(path)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Locks the directory of `path` until the file is closed. An agent holds the lock for a moment.
fn lock_directory(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?,
        _ => File::open(".")?,
    };
    for _ in 0..50 {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "it is locked by another process"))
}

/// Removes the socket at `path` if no agent listens there.
fn clear(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(broken(path, error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match try_connect(path) {
        Ok(()) => Err(ListenError::Living(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| broken(path, source))
        }
        // Its queue is full, so a process holds it.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(ListenError::Living(path.to_owned()))
        }
        Err(error) => Err(broken(path, error)),
    }
}

/// Connects without waiting: an agent that hangs with a full queue must not make this one hang.
fn try_connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Binds the socket, restricts it to its owner, and then listens: at no time can another user connect.
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
    identity: FileIdentity,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A failure does no harm: the next agent replaces the socket.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The device, the inode, and the time of its last change in seconds and nanoseconds: inode numbers
/// alone are reused at once.
type FileIdentity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<FileIdentity> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
