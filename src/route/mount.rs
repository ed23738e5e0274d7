//! Applications at prefixes: `/api` owns `/api` and `/api/x`, never `/apix`. The longest prefix wins.
//!
//! Unlike a rule, a mount moves the application's root. The matched part becomes `SCRIPT_NAME` (PEP 3333) or `root_path`
//! (ASGI). So it also reports how long that part is in the raw path, including escapes.

use super::error::RouteError;
use super::path::raw_length;
use super::{AppIndex, Interface, MountSpec};

/// An application at a prefix.
#[derive(Debug)]
struct Mount {
    /// Its index in the operator's list.
    index: usize,
    app: AppIndex,
    interface: Interface,
    prefix: Box<[u8]>,
    segments: usize,
}

/// All mounts with a prefix, longest first.
#[derive(Debug)]
pub(super) struct Mounts(Box<[Mount]>);

/// The mount of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) index: usize,
    pub(super) app: AppIndex,
    pub(super) root: usize,
}

impl Mounts {
    /// Takes the applications that have a prefix.
    pub(super) fn new(specs: &[MountSpec]) -> Result<Self, RouteError> {
        let mut mounts = Vec::new();
        for (index, spec) in specs.iter().enumerate().filter(|(_, spec)| !spec.prefix.is_empty()) {
            mounts.push(Mount::new(index, spec)?);
        }
        // Two different prefixes of the same length cannot both match a path. Equal ones are an error.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.prefix.len()));
        Ok(Self(mounts.into()))
    }

    /// Whether no application has a prefix.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mount with the longest prefix of the decoded path. WebSockets ignore WSGI applications.
    pub(super) fn find(&self, path: &[u8], raw_path: &str, websocket: bool) -> Option<Mounted> {
        let visible = |mount: &&Mount| !websocket || mount.interface == Interface::Asgi;
        let mount = self.0.iter().filter(visible).find(|mount| mount.owns(path))?;
        Some(Mounted { index: mount.index, app: mount.app, root: raw_length(raw_path, mount.segments) })
    }
}

impl Mount {
    fn new(index: usize, spec: &MountSpec) -> Result<Self, RouteError> {
        if !spec.prefix.starts_with('/') || spec.prefix.ends_with('/') {
            return Err(RouteError::Prefix(spec.prefix.clone()));
        }
        let prefix: Box<[u8]> = spec.prefix.as_bytes().into();
        let segments = spec.prefix.matches('/').count();
        Ok(Self { index, app: spec.app, interface: spec.interface, prefix, segments })
    }

    fn owns(&self, path: &[u8]) -> bool {
        path.strip_prefix(&*self.prefix).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

/// Refuses two applications at one prefix.
pub(super) fn require_distinct(specs: &[MountSpec]) -> Result<(), RouteError> {
    let mut seen = std::collections::BTreeSet::new();
    match specs.iter().map(|spec| spec.prefix.as_str()).find(|prefix| !prefix.is_empty() && !seen.insert(*prefix)) {
        Some(prefix) => Err(RouteError::PrefixTwice(prefix.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot mount its applications should fail")]
    use super::super::path::decode;
    use super::*;

    fn spec(app: usize, interface: Interface, prefix: &str) -> MountSpec {
        MountSpec { app: AppIndex(app), interface, prefix: prefix.to_owned() }
    }

    fn find(mounts: &Mounts, raw_path: &str, websocket: bool) -> Option<(usize, usize)> {
        mounts.find(&decode(raw_path), raw_path, websocket).map(|mounted| (mounted.app.0, mounted.root))
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let mounts = Mounts::new(&[spec(0, Interface::Wsgi, "/api")]).unwrap();
        for (path, found) in [
            ("/api", Some(4)),
            ("/api/", Some(4)),
            ("/api/x", Some(4)),
            ("/api//x", Some(4)),
            ("/%61p%69/x", Some(8)),
            ("/apix", None),
            ("/api%2Fx", None),
            ("/API", None),
            ("//api", None),
            ("/x/../api", None),
            ("/", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(find(&mounts, path, false).map(|(_, root)| root), found, "{path}");
        }
    }

    #[test]
    fn the_longest_wins_and_a_websocket_sees_only_asgi() {
        let specs =
            [spec(0, Interface::Asgi, "/a"), spec(1, Interface::Wsgi, "/a/b"), spec(2, Interface::Asgi, "/a/b/c")];
        let mounts = Mounts::new(&specs).unwrap();
        assert_eq!(find(&mounts, "/a/b/x", false), Some((1, 4)));
        assert_eq!(find(&mounts, "/a/b/x", true), Some((0, 2)));
        assert_eq!(find(&mounts, "/a/b/c", true), Some((2, 6)));
    }

    #[test]
    fn prefixes_are_checked() {
        for prefix in ["api", "/", "/api/"] {
            assert_eq!(
                Mounts::new(&[spec(0, Interface::Wsgi, prefix)]).unwrap_err(),
                RouteError::Prefix(prefix.to_owned())
            );
        }
        let twice = [spec(0, Interface::Wsgi, "/a"), spec(1, Interface::Asgi, "/a")];
        assert_eq!(require_distinct(&twice), Err(RouteError::PrefixTwice("/a".to_owned())));
    }
}
