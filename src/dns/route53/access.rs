//! As whom Route 53 is asked: the client with its credentials, which may end while the agent runs.
//!
//! A chain of credentials reads its files once. So when Route 53 says no to the credentials, the chain
//! is built anew and the request made once more: at the first such refusal after a success, and later
//! only if the chain has other credentials now. A key that stays refused is thus asked for once in
//! each attempt of the caller, and a renewed one is found by the next.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::SharedHttpClient;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};

use super::client;
use super::credentials::Chain;
use super::failure::{Doubt, causes, doubt};
use crate::config::Route53Config;

/// Where the settings of a chain of credentials come from.
pub(super) enum Source {
    /// The process's environment and files.
    Process,
    /// Whoever built the provider; as often as wanted.
    Made(Box<dyn Fn() -> ConfigLoader + Send + Sync>),
    /// The same, once; then the chain cannot be built anew.
    Once(Mutex<Option<Box<ConfigLoader>>>),
}

impl Source {
    fn loader(&self) -> Option<ConfigLoader> {
        match self {
            Self::Process => Some(aws_config::defaults(BehaviorVersion::latest())),
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
            Self::Made(_) => "Made",
            Self::Once(_) => "Once",
        })
    }
}

/// Who asks, and with which credentials.
#[derive(Debug)]
pub(super) struct Access {
    config: Route53Config,
    source: Source,
    /// Kept when credentials are renewed, so that open connections are.
    http: SharedHttpClient,
    current: Mutex<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    client: Client,
    chain: Arc<Chain>,
    /// The credentials were refused, and nothing has succeeded since.
    refused: bool,
}

impl Access {
    /// Asks nobody anything: credentials are looked for when the first request is made.
    pub(super) async fn new(config: &Route53Config, source: Source) -> Self {
        let http = client::http_client();
        let loader = source.loader().unwrap_or_default();
        let (client, chain) = build(config, &source, loader, http.clone()).await;
        let current = Mutex::new(Current { client, chain, refused: false });
        Self { config: config.clone(), source, http, current }
    }

    /// Makes a request, and once more with renewed credentials if it was refused for them.
    pub(super) async fn ask<T, E, F>(
        &self,
        send: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let used = self.current();
        let refusal = match Box::pin(send(used.client)).await {
            Ok(answer) => {
                self.change(|current| current.refused = false);
                return Ok(answer);
            }
            Err(refusal) => refusal,
        };
        let doubted = doubt(&refusal);
        let again = match doubted {
            Some(doubt) => Box::pin(self.renewed(&used.chain, doubt)).await,
            // A chain that gave nothing has read its files, and would not do so again.
            None if causes(&refusal).any(|c| c.downcast_ref::<CredentialsError>().is_some()) => {
                Box::pin(self.rebuild()).await;
                None
            }
            None => None,
        };
        let Some(client) = again else { return Err(refusal) };
        match Box::pin(send(client)).await {
            Ok(answer) => {
                tracing::info!("credentials of AWS were renewed");
                self.change(|current| current.refused = false);
                Ok(answer)
            }
            // The first refusal says more than one that gives no reason.
            Err(again)
                if doubted == Some(Doubt::Certain) && doubt(&again) == Some(Doubt::Possible) =>
            {
                Err(refusal)
            }
            Err(again) => Err(again),
        }
    }

    /// A client with renewed credentials, if the request that was refused with those of `used` is
    /// to be made once more.
    async fn renewed(&self, used: &Arc<Chain>, doubt: Doubt) -> Option<Client> {
        let before = self.current();
        // Another request may have been refused at the same moment and renewed them already.
        let chain =
            if Arc::ptr_eq(&before.chain, used) { self.rebuild().await? } else { before.chain };
        let differ = chain.look_ahead().await != used.handed_out();
        let first = doubt == Doubt::Certain && !before.refused;
        self.change(|current| current.refused = true);
        (first || differ).then(|| self.current().client)
    }

    /// Builds the chain anew, if its settings are still to be had.
    async fn rebuild(&self) -> Option<Arc<Chain>> {
        let loader = self.source.loader()?;
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
        Source::Process => look_at_files().await,
        Source::Made(_) | Source::Once(_) => Files::default(),
    };
    let mut loader = client::settled(config, loader, http);
    if files.endless {
        // Whoever reads them would wait for ever; the chain says why it has nothing.
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

/// What is wrong with the process's profile files.
#[derive(Debug, Default)]
struct Files {
    /// Why they cannot be used.
    broken: Option<String>,
    /// Whether that is because the end of one does not come.
    endless: bool,
    /// Why the profile that is asked for gives no credentials.
    lacking: Option<String>,
}

async fn look_at_files() -> Files {
    let look = || {
        let env = |name: &str| std::env::var(name).ok();
        let endless = crate::config::endless_file(&env);
        if endless.is_some() {
            return Files { broken: endless, endless: true, lacking: None };
        }
        let broken = crate::config::broken_profile(&env);
        Files { broken, endless: false, lacking: crate::config::missing_profile(&env) }
    };
    // It may take as long as a file may.
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}
