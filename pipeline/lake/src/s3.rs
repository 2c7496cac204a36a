//! Lakes in S3-compatible object stores: the place, the settings, the client, and whether the store keeps what commits rest on.
//!
//! ```text
//!   s3://BUCKET/PREFIX ─▶ S3Options::check ─▶ client (AWS_… where the options say nothing) ─▶ probe ─▶ a store as any other
//!                                              ▲ 412 = the entry is taken; 409 and whatever else is unclear = ask again
//! ```
//!
//! In: a URL, [`S3Options`], the environment.  Out: a store, or what to mend.  Owns: nothing.
//! Absent on purpose: locks in the store (a lease can run out under a process that only stalls; entries of the tables' logs, put
//! if absent, cannot), DynamoDB, uploads in parts (what a killed process leaves of them no listing shows, and it may hold
//! locations), and S3 directory buckets, whose listings have no order.
//! Why so: an answer of 409 says that another request for the same key was under way, not that it came through, so it is unclear;
//! object_store tells it as "already exists", which it is after 412 alone.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontier::Retries;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Certificate, ClientConfigKey, ClientOptions, CopyOptions, Error as StoreError, GetOptions,
    GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult,
    RetryConfig,
};
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::ownership;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How the client itself tries again what it may (5xx, throttling, lost connections): within what a person waits for a command
/// to fail; owners go on from there with waits of their own.
pub(crate) fn client_retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(3),
        base: 2.,
    };
    RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_secs(20) }
}

/// How an S3-compatible store is reached. What is unset is taken from the environment as other tools take it: `AWS_REGION`,
/// `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, web identities, a container's or a
/// machine's role.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// Where the store is, `https://minio.example.com:9000`; Amazon's own for the region if nobody says.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// Where a request names the bucket.
    pub addressing: Addressing,
    /// Whether an endpoint without TLS may be elsewhere than on this machine.
    pub allow_http: bool,
    /// Whom to trust beside the machine's own list, as a PEM file.
    pub ca: Option<PathBuf>,
    /// Whose requests they are.
    pub keys: Option<S3Keys>,
    /// How long one request may take, its body included.
    pub timeout: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            addressing: Addressing::Path,
            allow_http: false,
            ca: None,
            keys: None,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Where a request names the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// In the path: `https://endpoint/bucket/key`.
    Path,
    /// In the host's name: `https://bucket.endpoint/key`.
    Host,
}

/// An access key and its secret.
#[derive(Clone)]
pub struct S3Keys {
    /// The key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What of a place or of [`S3Options`] cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceProblem {
    /// The key of the configuration that it is about.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl PlaceProblem {
    fn new(key: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key, what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn into_error(self, place: &str) -> Error {
        Error::new(ErrorKind::Settings, format!("open lake {place}: {}: {}", self.what, self.remedy))
    }
}

impl S3Options {
    /// What can be said of `place` and of these options without asking the store.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self, place: &str) -> std::result::Result<(), PlaceProblem> {
        let bucket = bucket_of(place)?.1;
        match &self.endpoint {
            Some(endpoint) => check_endpoint(endpoint, self.allow_http).map(|_| ()),
            None if bucket.contains('.') && self.addressing == Addressing::Host => Err(PlaceProblem::new(
                "addressing",
                format!(
                    "the bucket `{bucket}` has a dot, which no certificate covers as part of a host's name"
                ),
                "set addressing = \"path\"",
            )),
            None => Ok(()),
        }
    }
}

/// The lake's root and its bucket.
pub(crate) fn bucket_of(place: &str) -> std::result::Result<(Url, String), PlaceProblem> {
    let shape = "write s3://BUCKET/PREFIX";
    let url = Url::parse(place)
        .map_err(|e| PlaceProblem::new("url", format!("`{place}` is no URL ({e})"), shape))?;
    let bucket = url.host_str().unwrap_or_default().to_owned();
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    if bucket.is_empty() || !is_plain || url.query().is_some() || url.fragment().is_some() {
        let what = format!("`{place}` is more or less than a bucket and a prefix");
        return Err(PlaceProblem::new("url", what, shape));
    }
    // What reads the tables' logs does not undo a URL's escapes.
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_.=/".contains(c);
    if !url.path().chars().all(is_safe) || url.path().contains("//") {
        let what = format!("the prefix in `{place}` has other characters than letters, digits and -_.=/");
        return Err(PlaceProblem::new("url", what, "name another prefix"));
    }
    if bucket.ends_with("--x-s3") || bucket.ends_with("-xa-s3") {
        let what = format!("`{bucket}` is a directory bucket, whose listings have no order");
        return Err(PlaceProblem::new("url", what, "use a general purpose bucket"));
    }
    Ok((url, bucket))
}

/// The endpoint, and whether it is without TLS.
fn check_endpoint(text: &str, allow_http: bool) -> std::result::Result<(Url, bool), PlaceProblem> {
    let problem = |what: String, remedy: &str| PlaceProblem::new("endpoint", what, remedy);
    let shape = "write https://HOST or https://HOST:PORT";
    let url =
        Url::parse(text).map_err(|e| problem(format!("the endpoint `{text}` is no URL ({e})"), shape))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !is_bare {
        return Err(problem(
            format!("the endpoint `{text}` is more or less than a scheme, a host and a port"),
            shape,
        ));
    }
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_http = url.scheme() == "http";
    if is_http && !is_loopback && !allow_http {
        return Err(problem(
            format!(
                "the endpoint `{text}` is not on this machine and has no TLS: anybody between could read and change the lake"
            ),
            "write https://, or set allow_http = true where the network is as private as this machine",
        ));
    }
    Ok((url, is_http))
}

/// The store of the lake at `place`, its root that of the bucket; and the lake's root.
pub(crate) fn open(
    place: &str,
    options: &S3Options,
    retries: RetryConfig,
) -> Result<(Arc<dyn ObjectStore>, Url)> {
    let settings = |problem: PlaceProblem| problem.into_error(place);
    options.check(place).map_err(settings)?;
    let (root, bucket) = bucket_of(place).map_err(settings)?;
    let mut builder = AmazonS3Builder::from_env();
    let of_env = |key| builder.get_config_value(&key);
    let named = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint].into_iter().find_map(of_env);
    let env_allows =
        of_env(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)).is_some_and(|text| text == "true");
    let endpoint = options.endpoint.clone().or(named);
    let endpoint = endpoint.map(|text| check_endpoint(&text, options.allow_http || env_allows)).transpose();
    let endpoint = endpoint.map_err(settings)?;
    let mut client = ClientOptions::new().with_timeout(options.timeout).with_connect_timeout(CONNECT_WITHIN);
    if let Some(path) = &options.ca {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            let what = format!("the certificates in {} cannot be read ({e})", path.display());
            settings(PlaceProblem::new("ca", what, "name a PEM file"))
        };
        let pem = std::fs::read(path).map_err(|e| failed(e.into()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| failed(e.into()))? {
            client = client.with_root_certificate(certificate);
        }
    }
    if let Some((mut url, is_http)) = endpoint {
        client = client.with_allow_http(is_http);
        if options.addressing == Addressing::Host {
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            let set = url.set_host(Some(&host));
            set.map_err(|e| {
                settings(PlaceProblem::new(
                    "addressing",
                    format!("`{host}` is no host ({e})"),
                    "set addressing = \"path\"",
                ))
            })?;
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        // The one for S3 alone would take precedence, if the environment names it.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, text);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(keys) = &options.keys {
        builder = builder.with_access_key_id(&keys.access_key).with_secret_access_key(&keys.secret_key);
    }
    let store = builder
        .with_bucket_name(&bucket)
        .with_virtual_hosted_style_request(options.addressing == Addressing::Host)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(client)
        .with_retry(retries)
        .build();
    let store = store.map_err(|e| {
        settings(PlaceProblem::new(
            "s3",
            format!("the client cannot be made ({e})"),
            "mend [lake.s3] or the variables AWS_…",
        ))
    })?;
    Ok((Arc::new(S3Store { inner: Arc::new(store) }), root))
}

/// Finds out whether the store at `prefix` keeps the first of two objects that are put under one name if absent, shows it and
/// lists it: what every commit rests on.
///
/// # Errors
/// What the store refuses, or that it keeps the second one.
pub(crate) async fn probe(
    store: &dyn ObjectStore,
    root: &Url,
    prefix: &Path,
    mut retries: Retries,
) -> Result<()> {
    let folder = prefix.clone().join("_muster");
    let path = folder.clone().join("conditional_put");
    let mut puts = 0;
    // The second try must be told that it is the second one. A lake that was opened before answers so at once.
    loop {
        let what = || format!("open lake {root}");
        match store.put_opts(&path, "the first one stays".into(), PutMode::Create.into()).await {
            Err(StoreError::AlreadyExists { .. }) => break,
            Ok(_) if puts == 0 => puts += 1,
            Ok(_) => {
                let what = format!(
                    "open lake {root}: this store takes no notice of `If-None-Match: *`, so that two processes could \
                     overwrite each other's commits: use one that does, such as Amazon S3 or MinIO"
                );
                return Err(Error::new(ErrorKind::NotConditional, what));
            }
            Err(StoreError::NotFound { .. }) => {
                let bucket = root.host_str().unwrap_or_default();
                let what = format!("open lake {root}: there is no bucket `{bucket}`: make it first");
                return Err(Error::new(ErrorKind::NoLake, what));
            }
            Err(error) => {
                let error = refused(what(), error);
                match retries.next_wait().filter(|_| error.action() == crate::Action::Retry) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                }
            }
        }
    }
    let listed = store.list(Some(&folder)).next().await;
    let found = match listed {
        Some(found) => Some(found.map_err(|e| refused(format!("list {root}_muster"), e))?),
        None => None,
    };
    if found.is_none() || store.head(&path).await.is_err() {
        let what = format!(
            "open lake {root}: what was written there is not shown: check what the key's policy allows"
        );
        return Err(Error::new(ErrorKind::Unwritable, what));
    }
    Ok(())
}

/// Whether anything at all lies at `prefix`.
pub(crate) async fn is_there(store: &dyn ObjectStore, root: &Url, prefix: &Path) -> Result<bool> {
    let what = || format!("open lake {root}");
    // One object first: what refuses a listing does not say why.
    match store.head(&ownership::path(prefix)).await {
        Ok(_) => return Ok(true),
        Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(refused(what(), error)),
    }
    match store.list(Some(prefix)).next().await {
        Some(Ok(_)) => Ok(true),
        None => Ok(false),
        Some(Err(error)) if is_no_bucket(&error) => Ok(false),
        Some(Err(error)) => Err(refused(what(), error)),
    }
}

/// A listing's errors have no kind: what S3 says of the bucket is in the text.
fn is_no_bucket(error: &StoreError) -> bool {
    error.to_string().contains("NoSuchBucket")
}

/// An error at the door. Without keys of its own a process asks the machine for some, and what cannot be asked then says little.
fn refused(what: String, error: StoreError) -> Error {
    let text = error.to_string();
    if text.contains("/latest/api/token") || text.contains("/latest/meta-data") {
        let what = format!(
            "{what}: nobody has told the access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the variables \
             in [lake.s3] access_key_env and secret_key_env"
        );
        return Error::caused(ErrorKind::Denied, what, error);
    }
    Error::store(what, error)
}

/// A client of S3 that says "already exists" where the store has seen to it, and nowhere else.
#[derive(Debug)]
struct S3Store {
    inner: Arc<dyn ObjectStore>,
}

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> StoreResult<PutResult> {
        match self.inner.put_opts(location, payload, opts).await {
            // After 412 the source is the store's own error of the condition.
            Err(StoreError::AlreadyExists { source, .. }) if !source.is::<StoreError>() => {
                Err(StoreError::Generic { store: "S3", source })
            }
            answer => answer,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
