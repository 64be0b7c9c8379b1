//! The control socket and the status listener: permissions, leftovers and obstacles.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use goavail::testing::status::{ListenError, listen, open_control};
use tokio::net::UnixStream;

#[tokio::test]
async fn the_control_socket_is_for_its_owner_and_goes_with_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let (listener, file) = open_control(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop((listener, file));
    assert!(!path.exists());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing else is left");
}

#[tokio::test]
async fn a_dead_agents_socket_is_replaced_and_a_living_ones_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // as after a kill -9
    let (listener, file) = open_control(&path).unwrap();
    let error = open_control(&path).unwrap_err();
    assert!(matches!(error, ListenError::Living(_)), "{error}");
    let connecting = UnixStream::connect(&path).await;
    assert!(connecting.is_ok(), "the first one still listens");
    // A hanging agent with a full queue is alive as well, and nobody waits for it.
    let mut waiting = vec![connecting];
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), UnixStream::connect(&path)).await
    {
        waiting.push(Ok(stream));
    }
    let error = open_control(&path).unwrap_err();
    assert!(matches!(error, ListenError::Living(_)), "{error}");
    drop((listener, file));
}

#[tokio::test]
async fn the_entry_of_a_successor_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let (listener, file) = open_control(&path).unwrap();
    drop(listener);
    let (_successor, _its_file) = open_control(&path).unwrap();
    drop(file);
    assert!(UnixStream::connect(&path).await.is_ok());
}

#[tokio::test]
async fn an_obstacle_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("file");
    fs::write(&plain, "precious").unwrap();
    let taken = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = |error: ListenError| error.to_string();
    let cases = [
        (error(open_control(&plain).unwrap_err()), "the file there is not a socket"),
        (
            error(open_control(&directory.path().join("no/such/control.sock")).unwrap_err()),
            "its directory cannot be used; create it",
        ),
        (
            error(open_control(&directory.path().join("x".repeat(120))).unwrap_err()),
            "cannot listen there",
        ),
        (error(listen(address).unwrap_err()), "is another agent running?"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(fs::read_to_string(&plain).unwrap(), "precious");
}
