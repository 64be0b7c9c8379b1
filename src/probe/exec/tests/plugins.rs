//! The plugins of others: Debian's monitoring-plugins.

use super::*;

/// The folder of the monitoring plugins.
const PLUGINS: &str = "/usr/lib/nagios/plugins";

/// Answers each connection with a head of HTTP.
fn serve(status: &'static str) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // To the end of the head: unread bytes would reset the connection.
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    port
}

#[tokio::test]
async fn the_monitoring_plugins_are_understood() {
    if !std::path::Path::new(PLUGINS).join("check_http").exists() {
        return skip("there are no monitoring plugins; install monitoring-plugins-basic");
    }
    let good = serve("200 OK").to_string();
    let bad = serve("503 Service Unavailable").to_string();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let rows: [(&[&str], &str, &str); 10] = [
        (&["check_dummy", "0"], "reply", ""),
        (&["check_dummy", "1", "a bit slow"], "reply", "WARNING: a bit slow"),
        (&["check_dummy", "2", "dead"], "failed", "CRITICAL: dead"),
        (&["check_dummy", "3"], "fault", "UNKNOWN"),
        (&["check_tcp", "-H", "{address}", "-p", &good], "reply", ""),
        (&["check_tcp", "-H", "{address}", "-p", &closed], "failed", "refused"),
        (&["check_http", "-H", "{host}", "-I", "{address}", "-p", &good], "reply", ""),
        (&["check_http", "-H", "{host}", "-I", "{address}", "-p", &bad], "failed", "503"),
        (&["check_http", "--no-such-option"], "fault", "exit code 3"),
        (&["negate", "FOLDER/check_dummy", "2"], "reply", ""),
    ];
    for (line, want, words) in rows {
        let mut line: Vec<_> = line.iter().map(|it| it.replace("FOLDER", PLUGINS)).collect();
        line[0] = format!("{PLUGINS}/{}", line[0]);
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        let answer = run(&command(&line), AMPLE).await;
        let found = match &answer.answer {
            Answer::Reply(_) => "reply",
            Answer::Failed(_) => "failed",
            Answer::Fault(_) => "fault",
            _ => "none of these",
        };
        assert_eq!(found, want, "{line:?}: {answer:?}");
        let message = answer.warning.as_deref().unwrap_or_else(|| reason(&answer));
        assert!(message.contains(words), "{line:?}: {message}");
    }
}
