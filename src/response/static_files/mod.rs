//! Files that the server serves itself: it calls no application and runs no Python.
//!
//! [`path`] turns the path of a request into a file name, or nothing. [`folder`] opens the file, only below its folder.
//! [`conditions`] decides what the client gets. [`file_response`] makes the head. This file decides which folder serves a
//! path: folders come before every application.

mod conditions;
mod file_response;
mod folder;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
mod path;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Method};

use self::file_response::FileRequest;
use self::folder::Folder;
use crate::config::plan::StaticSpec;
use crate::config::startup_error::StartupError;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;

/// All folders, the longest prefix first.
#[derive(Debug)]
pub struct StaticFiles {
    entries: Vec<Arc<Entry>>,
    /// Their name in the access log.
    pub name: Arc<str>,
}

/// A folder and the options for its files.
#[derive(Debug)]
pub struct Entry {
    /// The segments of its prefix, decoded.
    segments: Vec<String>,
    folder: Folder,
    /// The value of `Cache-Control`; `None` leaves the field out.
    cache_control: Option<HeaderValue>,
    /// Files with a hash in their name never change.
    immutable: bool,
    /// The application answers if there is no such file here.
    falls_back: bool,
}

impl StaticFiles {
    /// The folders of the plan; `None` if there are none.
    ///
    /// # Errors
    /// When a folder cannot be opened, or when its `Cache-Control` is not valid in a header field.
    pub fn new(specs: &[StaticSpec]) -> Result<Option<Self>, StartupError> {
        let mut entries = specs.iter().map(Entry::new).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.segments.len()));
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        Ok((!entries.is_empty()).then(|| Self { entries, name: "static".into() }))
    }

    /// The folder with the longest prefix of a raw path, and the rest of the path.
    fn find<'a>(&self, path: &'a str) -> Option<(&Arc<Entry>, &'a str)> {
        self.entries.iter().find_map(|entry| Some((entry, path::below(&entry.segments, path)?)))
    }

    /// Starts to answer a request for a file. Returns `None` if an application should answer, as far as that is known
    /// without the disk. The future returns `None` if the disk decides so.
    pub fn respond(&self, head: &RequestHead) -> Option<BoxFuture<'static, Option<AppResponse>>> {
        let (entry, below) = self.find(head.path())?;
        let reads = matches!(head.parts.method, Method::GET | Method::HEAD);
        let wanted = path::wanted(below);
        if entry.falls_back && (!reads || wanted.is_none()) {
            return None;
        }
        if !reads {
            return Some(std::future::ready(Some(file_response::method_not_allowed())).boxed());
        }
        let Some(wanted) = wanted else { return Some(std::future::ready(Some(file_response::not_found())).boxed()) };
        let request = FileRequest::new(head, below, wanted);
        Some(file_response::respond(Arc::clone(entry), request).boxed())
    }
}

impl Entry {
    fn new(spec: &StaticSpec) -> Result<Self, StartupError> {
        let folder = Folder::new(&spec.dir, spec.follow_links);
        folder.check().map_err(|error| {
            let hint = "check that it exists and is readable, or remove it";
            StartupError::new(format!("cannot open the static folder `{}`: {error}", spec.dir), hint)
        })?;
        let value = |text: &String| {
            let wrong = |_| StartupError::new(format!("`{text}` cannot be in a header"), "see docs/static-files.md");
            HeaderValue::from_str(text).map_err(wrong)
        };
        Ok(Self {
            segments: segments(spec),
            folder,
            cache_control: spec.cache_control.as_ref().map(value).transpose()?,
            immutable: spec.immutable,
            falls_back: spec.fallback_to_app,
        })
    }
}

/// The index in `specs` of the folder that serves a raw path. `rsgi explain` asks this without a server.
pub fn place_of(specs: &[StaticSpec], path: &str) -> Option<usize> {
    let fits = |spec: &StaticSpec| path::below(&segments(spec), path).is_some();
    let fitting = specs.iter().enumerate().filter(|(_, spec)| fits(spec));
    fitting.max_by_key(|(_, spec)| segments(spec).len()).map(|(place, _)| place)
}

fn segments(spec: &StaticSpec) -> Vec<String> {
    spec.prefix.split('/').skip(1).map(str::to_owned).collect()
}
