//! The state that probes share.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_check_that_a_reload_has_replaced_is_discarded() {
    let (prober, settings) = (HttpProber::default(), HttpSettings::new("www.example.com", 80, None));
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
