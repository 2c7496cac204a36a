//! Questions to a registry by HTTP, each bounded in time and bytes.
//!
//! ```text
//! GET /schemas/ids/{id}                          {"schema": text, "schemaType"?: "AVRO" | "PROTOBUF" | "JSON", "references"?: [...]}
//! GET /subjects/{subject}/versions/{version}     the same, for each reference
//! 404 {"error_code": 40403, …}                   no such schema; any other refusal is an outage
//! ```
//!
//! In: an id.  Out: an [`Outcome`].  Owns: a connection pool.
//! Absent on purpose: redirects and the environment's proxies: they would send a password somewhere else.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use reqwest::header::ACCEPT;
use reqwest::{Certificate, Response, StatusCode, Url};
use schemas::decode::SchemaId;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Reference, Refused, Told};
use super::loader::Outcome;
use super::{Login, RegistryOptions};
use crate::error::{Error, ErrorKind};

/// What a registry calls an id that it does not know.
const NO_SUCH_SCHEMA: u32 = 40_403;

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Schemas that one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 64;

const ACCEPTED: &str = "application/vnd.schemaregistry.v1+json, application/json";

pub(super) struct Client {
    http: reqwest::Client,
    urls: Vec<Url>,
    login: Login,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<Option<&str>> = self.urls.iter().map(Url::host_str).collect();
        f.debug_struct("Client").field("hosts", &hosts).finish_non_exhaustive()
    }
}

/// What a registry says to one question.
enum Said<T> {
    Yes(T),
    /// 404, with its own error code.
    No(u32),
}

impl Client {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, Error> {
        let invalid =
            |what: String| Error::new(ErrorKind::InvalidOptions, format!("schema registry: {what}"));
        let url = |text: &str| match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err(invalid(format!("`{text}` is no URL such as \"https://registry:8081\""))),
        };
        let urls = options.url.split(',').map(url).collect::<Result<Vec<_>, _>>()?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(options.timeout);
        if let Some(ca) = &options.ca {
            builder = builder.tls_certs_only(certificates(ca)?);
        }
        let http = builder.build().map_err(|error| invalid(chain(&error)))?;
        Ok(Self { http, urls, login: options.login.clone() })
    }

    /// The schema of `id`, with all that it refers to.
    pub(super) async fn fetch(&self, id: SchemaId) -> Outcome {
        let told: Told = match self.ask(&["schemas", "ids", &id.0.to_string()]).await {
            Ok(Said::Yes(told)) => told,
            Ok(Said::No(NO_SUCH_SCHEMA)) => return Outcome::Missing,
            Ok(Said::No(code)) => return Outcome::Failed(format!("it answers 404 with error code {code}")),
            Err(why) => return Outcome::Failed(why),
        };
        let mut referred = Referred::default();
        match self.follow(told.references.unwrap_or_default(), &mut referred).await {
            Err(outcome) => outcome,
            Ok(()) => Outcome::Found(Answer {
                schema: told.schema,
                schema_type: told.schema_type,
                referred: referred.texts,
            }),
        }
    }

    /// Whether it is there and lets us in: the question that costs it least.
    pub(super) async fn greet(&self) -> Result<(), Error> {
        match self.ask::<Vec<String>>(&["schemas", "types"]).await {
            // Older ones do not know the question, and say so as registries do.
            Ok(_) => Ok(()),
            Err(why) => Err(Error::new(ErrorKind::Unreachable, format!("ask the schema registry: {why}"))),
        }
    }

    /// Loads `references`, each behind its own.
    fn follow<'a>(
        &'a self,
        references: Vec<Reference>,
        into: &'a mut Referred,
    ) -> Pin<Box<dyn Future<Output = Result<(), Outcome>> + Send + 'a>> {
        Box::pin(async move {
            for reference in references {
                let Reference { subject, version } = &reference;
                if !into.seen.insert((subject.clone(), *version)) {
                    continue;
                }
                if into.seen.len() > REFERENCES_MAX {
                    let what = format!("it refers to more than {REFERENCES_MAX} schemas");
                    return Err(Outcome::Unusable(what));
                }
                let path = ["subjects", subject, "versions", &version.to_string()];
                let told: Told = match self.ask(&path).await {
                    Ok(Said::Yes(told)) => told,
                    Ok(Said::No(_)) => {
                        let what =
                            format!("it refers to version {version} of `{subject}`, which is not there");
                        return Err(Outcome::Unusable(what));
                    }
                    Err(why) => return Err(Outcome::Failed(why)),
                };
                self.follow(told.references.unwrap_or_default(), into).await?;
                into.texts.push(told.schema);
            }
            Ok(())
        })
    }

    /// Asks one address after the other, until one answers as a registry does; else why the last one did not.
    async fn ask<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Said<T>, String> {
        let mut last = String::new();
        for url in &self.urls {
            match self.ask_one(url, path).await {
                Ok(said) => return Ok(said),
                Err(why) => last = format!("{}: {why}", url.host_str().unwrap_or_default()),
            }
        }
        Err(last)
    }

    async fn ask_one<T: DeserializeOwned>(&self, url: &Url, path: &[&str]) -> Result<Said<T>, String> {
        let mut url = url.clone();
        url.path_segments_mut().map_err(|()| "no URL of a server".to_owned())?.pop_if_empty().extend(path);
        let request = self.http.get(url).header(ACCEPT, ACCEPTED);
        let request = match &self.login {
            Login::None => request,
            Login::User { user, password } => request.basic_auth(user, Some(password)),
            Login::Token(token) => request.bearer_auth(token),
        };
        let mut answer = request.send().await.map_err(|error| chain(&error))?;
        let status = answer.status();
        let body = body(&mut answer).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Said::Yes)
                .map_err(|error| format!("it answers otherwise than a registry does: {error}")),
            StatusCode::NOT_FOUND => serde_json::from_slice(&body)
                .map(|Refused { error_code }| Said::No(error_code))
                .map_err(|_| "it answers 404 otherwise than a registry does: is the URL right?".to_owned()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("it answers {}: look at the user or token", status.as_u16()))
            }
            _ => Err(format!("it answers {}", status.as_u16())),
        }
    }
}

#[derive(Default)]
struct Referred {
    seen: HashSet<(String, u32)>,
    texts: Vec<String>,
}

async fn body(answer: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| chain(&error))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let doing = format!("read the schema registry's certificates {}", path.display());
    let pem = std::fs::read(path).map_err(|error| Error::io(&doing, error))?;
    Certificate::from_pem_bundle(&pem)
        .map_err(|error| Error::new(ErrorKind::InvalidOptions, format!("{doing}: {}", chain(&error))))
}

/// An error with its causes: reqwest's own text names none of them. Its URL is left out: it may hold a password.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { "no answer".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
