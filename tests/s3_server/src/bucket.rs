//! The objects, and what S3 says to requests about them.
//!
//! In: requests.  Out: answers.  Owns: the objects and the uploads under way.
//! Source: the API reference of Amazon S3 for `PutObject`, `GetObject`, `HeadObject`, `ListObjectsV2`, `DeleteObjects`,
//! `DeleteObject` and the multipart upload, as of 2024-11 (conditional writes); listings are in the order of the keys' bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;

use jiff::Timestamp;

use crate::http::{Answer, Request, escaped, unescaped};
use crate::{ACCESS_KEY, BUCKET};

/// Keys and common prefixes of one page of a listing: few, so that every listing has pages.
const PAGE: usize = 40;

#[derive(Debug)]
struct Object {
    bytes: Vec<u8>,
    tag: String,
    at: Timestamp,
}

/// The one bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Whether `If-None-Match` is passed over.
    pub(crate) ignores_conditions: bool,
    objects: BTreeMap<String, Object>,
    /// By id: the key, and the parts by number.
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    written: u64,
}

impl Bucket {
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Answer {
        let signed = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/");
        if !request.header("authorization").is_some_and(|text| text.starts_with(&signed)) {
            return Answer::error(403, "InvalidAccessKeyId", "the access key id you provided does not exist");
        }
        let (bucket, key) = request.path.split_once('/').unwrap_or((request.path.as_str(), ""));
        if bucket != BUCKET {
            return Answer::error(404, "NoSuchBucket", "the specified bucket does not exist");
        }
        let asks = |name: &str| request.query.contains_key(name);
        match request.method.as_str() {
            "GET" if key.is_empty() && asks("list-type") => self.list(request),
            "GET" | "HEAD" => self.get(key, request),
            "POST" if key.is_empty() && asks("delete") => self.delete_all(request),
            "POST" if asks("uploads") => self.begin(key),
            "POST" if asks("uploadId") => self.complete(key, request),
            "PUT" if request.header("x-amz-copy-source").is_some() => {
                Answer::error(501, "NotImplemented", "copy")
            }
            "PUT" if asks("partNumber") => self.part(request),
            "PUT" => self.put(key, request),
            "DELETE" if asks("uploadId") => {
                self.uploads.remove(&request.query["uploadId"]);
                Answer::empty(204)
            }
            "DELETE" => {
                self.objects.remove(key);
                Answer::empty(204)
            }
            other => Answer::error(501, "NotImplemented", other),
        }
    }

    fn put(&mut self, key: &str, request: &Request) -> Answer {
        let is_conditional = request.header("if-none-match") == Some("*") && !self.ignores_conditions;
        if is_conditional && self.objects.contains_key(key) {
            return Answer::error(412, "PreconditionFailed", "a condition you specified did not hold");
        }
        let tag = self.store(key, request.body.clone());
        Answer { headers: vec![("etag", tag)], ..Answer::empty(200) }
    }

    fn store(&mut self, key: &str, bytes: Vec<u8>) -> String {
        self.written += 1;
        let tag = format!("\"{:032x}\"", self.written);
        self.objects.insert(key.to_owned(), Object { bytes, tag: tag.clone(), at: Timestamp::now() });
        tag
    }

    fn get(&self, key: &str, request: &Request) -> Answer {
        let Some(object) = self.objects.get(key) else {
            return Answer::error(404, "NoSuchKey", "the specified key does not exist");
        };
        let size = object.bytes.len();
        let mut headers = vec![
            ("etag", object.tag.clone()),
            ("last-modified", object.at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("accept-ranges", "bytes".to_owned()),
        ];
        let Some(range) = request.header("range") else {
            return Answer { status: 200, headers, body: object.bytes.clone() };
        };
        let Some((from, until)) = range_of(range, size).filter(|(from, until)| from < until) else {
            return Answer::error(416, "InvalidRange", "the requested range is not satisfiable");
        };
        headers.push(("content-range", format!("bytes {from}-{}/{size}", until - 1)));
        Answer { status: 206, headers, body: object.bytes[from..until].to_vec() }
    }

    fn list(&self, request: &Request) -> Answer {
        let text = |name: &str| request.query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        // A token is the last key or common prefix of the page before.
        let after = text("start-after").max(text("continuation-token"));
        let (mut contents, mut folders, mut last) = (String::new(), BTreeSet::new(), "");
        let mut entries = 0;
        let mut is_truncated = false;
        for (key, object) in self
            .objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
        {
            let rest = &key[prefix.len()..];
            let folder = rest.find(delimiter).filter(|_| !delimiter.is_empty());
            let entry = folder.map_or(key.as_str(), |at| &key[..prefix.len() + at + delimiter.len()]);
            if entry <= after || folders.contains(entry) {
                continue;
            }
            if entries == PAGE {
                is_truncated = true;
                break;
            }
            (entries, last) = (entries + 1, entry);
            if folder.is_some() {
                folders.insert(entry);
                continue;
            }
            write!(
                contents,
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                escaped(key),
                object.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
                escaped(&object.tag),
                object.bytes.len()
            )
            .unwrap();
        }
        for folder in folders {
            write!(contents, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(folder))
                .unwrap();
        }
        if is_truncated {
            write!(contents, "<NextContinuationToken>{}</NextContinuationToken>", escaped(last)).unwrap();
        }
        Answer::xml(&format!(
            "<ListBucketResult><Name>{BUCKET}</Name><KeyCount>{entries}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>\
             {contents}</ListBucketResult>"
        ))
    }

    fn delete_all(&mut self, request: &Request) -> Answer {
        let text = String::from_utf8_lossy(&request.body);
        let mut deleted = String::new();
        for part in text.split("<Key>").skip(1) {
            let key = part.split("</Key>").next().unwrap_or_default();
            self.objects.remove(&unescaped(key));
            write!(deleted, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
        }
        Answer::xml(&format!("<DeleteResult>{deleted}</DeleteResult>"))
    }

    fn begin(&mut self, key: &str) -> Answer {
        self.written += 1;
        let id = format!("upload-{}", self.written);
        self.uploads.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
        Answer::xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>",
            escaped(key)
        ))
    }

    fn part(&mut self, request: &Request) -> Answer {
        let number = request.query["partNumber"].parse::<u32>();
        let upload = request.query.get("uploadId").and_then(|id| self.uploads.get_mut(id));
        let (Ok(number), Some((_, parts))) = (number, upload) else {
            return Answer::error(404, "NoSuchUpload", "the specified upload does not exist");
        };
        parts.insert(number, request.body.clone());
        Answer { headers: vec![("etag", format!("\"part-{number}\""))], ..Answer::empty(200) }
    }

    fn complete(&mut self, key: &str, request: &Request) -> Answer {
        let Some((of, parts)) = self.uploads.remove(&request.query["uploadId"]) else {
            return Answer::error(404, "NoSuchUpload", "the specified upload does not exist");
        };
        assert_eq!(of, key, "an upload is completed under the key it was begun with");
        let tag = self.store(key, parts.into_values().flatten().collect());
        Answer::xml(&format!(
            "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
            escaped(&tag)
        ))
    }
}

/// The bytes that `Range: bytes=…` asks for, half open.
fn range_of(text: &str, size: usize) -> Option<(usize, usize)> {
    let (from, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        return Some((size.saturating_sub(last.parse().ok()?), size));
    }
    let last = if last.is_empty() { size } else { last.parse::<usize>().ok()? + 1 };
    Some((from.parse().ok()?, last.min(size)))
}
