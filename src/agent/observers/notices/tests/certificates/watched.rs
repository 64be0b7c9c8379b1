//! Certificates as the observer of answers reports them.

use std::path::Path;
use std::sync::Arc;

use super::super::scenes::{SERVICE, Scene, settings};
use super::{KEY, pauses};
use crate::agent::ids::Ids;
use crate::agent::observers::Observer as _;
use crate::agent::observers::warnings::WarningObserver;
use crate::engine::event::Fact;
use crate::engine::ids::{EndpointId, TargetRef};
use crate::engine::settings::Settings;
use crate::engine::types::Outcome;
use crate::probe::details::{Details, ProbeDetails};
use crate::settings::{self, Asked, Config};

/// A scene with one target that is asked by HTTPS, and the observer of its answers.
struct Watch {
    scene: Scene,
    observer: WarningObserver,
    details: Arc<Details>,
    ids: Ids,
}

fn config(path: &str) -> Config {
    let text = format!(
        "check = {{ type = \"https\", path = \"{path}\" }}\n[Cloudflare]\ndns_domain = \"example.com\"\n\
         hostnames = [\"www\"]\nip_addresses = [\"192.0.2.1\"]\n"
    );
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    settings::parse(&text, Path::new("goavail.toml"), &asked, &|_| None).unwrap()
}

/// Returns the settings of the engine for a configuration.
fn of(config: &Config, ids: &Ids) -> Settings {
    let mut settings = settings();
    let its = settings.services.get_mut(&SERVICE).unwrap();
    its.checks[0].check.method = ids.endpoints(config)[0].method;
    settings
}

impl Watch {
    fn new() -> Self {
        let (details, ids) = (Arc::new(Details::default()), Ids::default());
        let scene = Scene::with(of(&config("/"), &ids));
        let observer = WarningObserver::new(Arc::clone(&details), ids.clone());
        Self { scene, observer, details, ids }
    }

    fn endpoint(&self) -> EndpointId {
        let address = super::address(1);
        let target = TargetRef { service: SERVICE, address };
        self.scene.engine().checks_of(target)[0].endpoint
    }

    /// Lets the target answer, with a certificate that ends soon or another one.
    async fn answers(&mut self, ends_soon: bool) {
        let id = self.endpoint();
        let endpoint = self.scene.engine().endpoint(id).unwrap();
        let crate::engine::types::Method::Request(request) = endpoint.method else { panic!() };
        let warning = ends_soon.then(|| "the certificate ends in 13 days".to_owned());
        self.details.put(request, endpoint.address, ProbeDetails { warning, ..Default::default() });
        let fact = Fact::Judged { endpoint: id, outcome: Outcome::Reply, rtt: None };
        self.observer.fact(self.scene.engine(), &fact);
        self.pass_on().await;
    }

    async fn pass_on(&mut self) {
        for change in self.observer.take_changes() {
            self.scene.certificate_is(&change).await;
        }
    }

    async fn reload(&mut self, path: &str) {
        let config = config(path);
        self.scene.reload(of(&config, &self.ids));
        self.observer.reloaded(&config);
        self.pass_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_is_no_news_about_a_certificate() {
    let mut watch = Watch::new();
    watch.answers(true).await;
    assert_eq!(watch.scene.told(), [format!("opened certificate_ends {KEY}")]);
    for _ in 0..2 {
        watch.reload("/").await;
        pauses(&mut watch.scene).await;
        watch.answers(true).await;
        assert_eq!(watch.scene.told(), [format!("standing certificate_ends {KEY}")]);
    }
    watch.answers(false).await;
    assert_eq!(watch.scene.told(), [format!("closed certificate_renewed {KEY}")]);
}

/// The certificate is renewed in the same minute in which the file is changed, with the same request or
/// another one in its place.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_renewed_during_a_reload_is_closed() {
    for path in ["/", "/healthz"] {
        let mut watch = Watch::new();
        watch.answers(true).await;
        watch.scene.told();
        watch.reload(path).await;
        pauses(&mut watch.scene).await;
        assert_eq!(watch.scene.told(), [format!("standing certificate_ends {KEY}")]);
        watch.answers(false).await;
        assert_eq!(watch.scene.told(), [format!("closed certificate_renewed {KEY}")], "{path}");
        pauses(&mut watch.scene).await;
        assert!(watch.scene.told().is_empty());
    }
}

/// A reload gives the target another request, by which the same certificate is seen.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_seen_by_another_request_still_ends_soon() {
    let mut watch = Watch::new();
    watch.answers(true).await;
    watch.reload("/healthz").await;
    watch.answers(true).await;
    pauses(&mut watch.scene).await;
    let want =
        [format!("opened certificate_ends {KEY}"), format!("standing certificate_ends {KEY}")];
    assert_eq!(watch.scene.told(), want);
}
