//! The state that probes share.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_check_that_a_reload_has_replaced_is_discarded() {
    let (prober, settings) =
        (HttpProber::default(), HttpSettings::new("www.example.com", 80, None));
    let [replaced, kept] = [0, 1].map(RequestId::from);
    let old = Arc::downgrade(&prober.prepared(replaced, &settings).unwrap());
    let new = Arc::downgrade(&prober.prepared(kept, &settings).unwrap());
    for _ in 0..6 {
        tokio::time::advance(Duration::from_mins(5)).await;
        prober.prepared(kept, &settings).unwrap();
    }
    assert!(old.upgrade().is_some(), "nothing else was prepared");
    prober.prepared(RequestId::from(2), &settings).unwrap();
    assert!(old.upgrade().is_none(), "it was not used for half an hour");
    assert!(new.upgrade().is_some(), "it is in use");
}

/// Answers each request with a large body.
async fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(10_000));
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn a_search_that_does_not_end_in_time_is_no_loss_of_the_target() {
    let (prober, mut settings) =
        (HttpProber::default(), HttpSettings::new("a", server().await, None));
    settings.body.matches = BodyPattern::new("b").ok();
    let id = RequestId::from(0);
    let prepared = prober.prepared(id, &settings).unwrap();
    let _held = prepared.search.as_ref().unwrap().hold().await;
    // A slow machine may need longer than this for the body.
    let mut timeout = Duration::from_millis(50);
    loop {
        let probe = ProbeRequest::first(Endpoint::echo(Ipv4Addr::LOCALHOST.into()), timeout);
        let (routes, details) = (Routes::default(), Details::default());
        let answer = prober.probe(&probe, (id, &settings), &routes, &details).await;
        let body = details.get(id, probe.endpoint.address).and_then(|it| it.phases.body);
        match answer {
            Answer::Fault(reason) => {
                assert!(
                    reason.starts_with("the search for body_regex did not end within "),
                    "{reason}"
                );
                break;
            }
            answer => assert!(body.is_none(), "the body was read: {answer:?}"),
        }
        timeout *= 2;
    }
}
