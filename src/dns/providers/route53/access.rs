//! Access to Route 53: the client with its credentials, which may expire while the agent runs.
//!
//! A chain of credentials reads its files once. If Route 53 refuses the credentials, the chain is
//! therefore rebuilt and the request repeated: at the first such refusal after a success, and later
//! only if the chain has other credentials by then. A key that stays refused is used once in each
//! attempt of the caller, and the next attempt finds a renewed key.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::config::{Region, SharedHttpClient};
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};

use super::Route53Config;
use super::credentials::Chain;
use super::failure::{RefusalCertainty, credentials_refused, requested_pause};
use super::{client, profiles};
use crate::config::Env;
use crate::dns::account::{Account, AccountMember, RequestOrder, RequestPace};
use crate::text::causes;

/// The source of the settings of a chain of credentials.
pub(super) enum Source {
    /// The environment and the files of the process.
    Process,
    /// The profile with this name in the files of the process.
    Profile(String),
    /// The code that built the provider; any number of times.
    Made(Box<dyn Fn() -> ConfigLoader + Send + Sync>),
    /// The same, once. The chain cannot be rebuilt then.
    Once(Mutex<Option<Box<ConfigLoader>>>),
}

impl Source {
    /// Returns the settings of a chain. `http` serves sources that need requests, such as a role.
    fn loader(&self, config: &Route53Config, http: &SharedHttpClient) -> Option<ConfigLoader> {
        match self {
            Self::Process => Some(aws_config::defaults(BehaviorVersion::latest())),
            // AWS's own chain would prefer keys in the environment.
            Self::Profile(name) => {
                let requests = ProviderConfig::default()
                    .with_http_client(http.clone())
                    .with_region(Some(Region::new(config.region.clone())));
                let profile = ProfileFileCredentialsProvider::builder().configure(&requests);
                let profile = profile.profile_name(name).build();
                let loader = aws_config::defaults(BehaviorVersion::latest()).profile_name(name);
                Some(loader.credentials_provider(profile))
            }
            Self::Made(make) => Some(make()),
            Self::Once(loader) => {
                let loader = loader.lock().unwrap_or_else(PoisonError::into_inner).take();
                loader.map(|loader| *loader)
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Process => "Process",
            Self::Profile(_) => "Profile",
            Self::Made(_) => "Made",
            Self::Once(_) => "Once",
        })
    }
}

/// The limit of Route 53: five requests a second for each account. Source: "Quotas" in the Route 53
/// developer guide.
const PACE: RequestPace = RequestPace { every: Duration::from_millis(200), burst: 5 };

/// The client, with its credentials.
#[derive(Debug)]
pub(super) struct Access {
    config: Route53Config,
    source: Source,
    /// Kept when credentials are renewed, to keep the open connections.
    http: SharedHttpClient,
    current: Mutex<Current>,
    /// The pauses of all zones with these credentials.
    account: AccountMember,
}

#[derive(Debug, Clone)]
struct Current {
    client: Client,
    chain: Arc<Chain>,
    /// Whether the credentials were refused, without a success since.
    refused: bool,
}

impl Access {
    /// Creates a client. Credentials are looked up with the first request.
    pub(super) async fn new(config: &Route53Config, source: Source, account: &Account) -> Self {
        let http = client::http_client();
        let loader = source.loader(config, &http).unwrap_or_default();
        let (client, chain) = build(config, &source, loader, http.clone()).await;
        let current = Mutex::new(Current { client, chain, refused: false });
        Self { config: config.clone(), source, http, current, account: account.join() }
    }

    /// Returns the pauses of all zones with these credentials.
    pub(super) fn account(&self) -> &Account {
        self.account.account()
    }

    /// Sends a request when it is its turn among those of all zones with these credentials. Repeats it
    /// with renewed credentials if it was refused because of them.
    pub(super) async fn send<T, E, F>(
        &self,
        turn: RequestOrder,
        send: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.account.take_turn(turn, PACE).await;
        self.account.check().map_err(SdkError::construction_failure)?;
        let used = self.current();
        let refusal = match Box::pin(send(used.client)).await {
            Ok(answer) => {
                self.change(|current| current.refused = false);
                return Ok(answer);
            }
            Err(refusal) => refusal,
        };
        if let Some(pause) = requested_pause(&refusal) {
            self.account.pause_for(pause);
        }
        let certainty = credentials_refused(&refusal);
        let again = match certainty {
            Some(certainty) => Box::pin(self.renewed(&used.chain, certainty)).await,
            // A chain without credentials has read its files and would not read them again.
            None if causes(&refusal).any(|c| c.downcast_ref::<CredentialsError>().is_some()) => {
                Box::pin(self.rebuild()).await;
                None
            }
            None => None,
        };
        let Some(client) = again else { return Err(refusal) };
        match Box::pin(send(client)).await {
            Ok(answer) => {
                tracing::info!("AWS credentials were renewed");
                self.change(|current| current.refused = false);
                Ok(answer)
            }
            // The first refusal is more informative than one without a reason.
            Err(again)
                if certainty == Some(RefusalCertainty::Certain)
                    && credentials_refused(&again) == Some(RefusalCertainty::Possible) =>
            {
                Err(refusal)
            }
            Err(again) => Err(again),
        }
    }

    /// Returns a client with renewed credentials, if the request that was refused with those of
    /// `used` is to be repeated.
    async fn renewed(&self, used: &Arc<Chain>, certainty: RefusalCertainty) -> Option<Client> {
        let before = self.current();
        // A concurrent request may have been refused and have renewed them already.
        let chain =
            if Arc::ptr_eq(&before.chain, used) { self.rebuild().await? } else { before.chain };
        let differ = chain.look_up().await != used.last_used();
        let first = certainty == RefusalCertainty::Certain && !before.refused;
        self.change(|current| current.refused = true);
        (first || differ).then(|| self.current().client)
    }

    /// Rebuilds the chain, if its settings are still available.
    async fn rebuild(&self) -> Option<Arc<Chain>> {
        let loader = self.source.loader(&self.config, &self.http)?;
        let (client, chain) = build(&self.config, &self.source, loader, self.http.clone()).await;
        self.change(|current| {
            (current.client, current.chain) = (client.clone(), Arc::clone(&chain));
        });
        Some(chain)
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Current)) {
        change(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn build(
    config: &Route53Config,
    source: &Source,
    loader: ConfigLoader,
    http: SharedHttpClient,
) -> (Client, Arc<Chain>) {
    let files = match source {
        Source::Process => look_at_files(None).await,
        Source::Profile(name) => look_at_files(Some(name.clone())).await,
        Source::Made(_) | Source::Once(_) => Files::default(),
    };
    let mut loader = client::configured(config, loader, http);
    if files.endless {
        // Reading them would take forever; the chain reports the reason for having no credentials.
        let nothing = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "");
        loader = loader.profile_files(nothing.build());
    }
    let settings = loader.load().await;
    let chain = Arc::new(Chain::new(settings.credentials_provider(), files.broken, files.lacking));
    let settings = aws_sdk_route53::config::Builder::from(&settings)
        .credentials_provider(Arc::clone(&chain).shared())
        .build();
    (Client::from_conf(settings), chain)
}

/// The problems of the process's profile files.
#[derive(Debug, Default)]
struct Files {
    /// The reason why they cannot be used.
    broken: Option<String>,
    /// Whether the reason is a file without an end.
    endless: bool,
    /// The reason why the selected profile has no credentials.
    lacking: Option<String>,
}

/// Looks at the files with the selected profile: the one with this name, or that of the environment.
async fn look_at_files(profile: Option<String>) -> Files {
    // This takes up to the time limit of a file.
    let reading = tokio::task::spawn_blocking(move || match profile {
        Some(profile) => {
            let files = read_files(&|name| profiles::of_profile(&profile, &variable, name));
            let lacking = files.lacking.and_then(|_| profiles::missing_named(&profile, &variable));
            Files { lacking, ..files }
        }
        None => read_files(&variable),
    });
    reading.await.unwrap_or_default()
}

fn read_files(env: Env<'_>) -> Files {
    let endless = profiles::endless_file(env);
    if endless.is_some() {
        return Files { broken: endless, endless: true, lacking: None };
    }
    let broken = profiles::broken_profile(env);
    Files { broken, endless: false, lacking: profiles::missing_profile(env) }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
