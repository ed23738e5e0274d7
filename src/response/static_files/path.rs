//! From the path of a request to a file name below a folder, or nothing.
//!
//! This protects the rest of the disk from clients. It has no I/O. As in the router, a path is split into segments at its
//! raw slashes and then decoded. Nothing is merged or resolved. Names that another program could read differently are
//! refused.
//!
//! Spec: RFC 3986 2.1, 3.3; RFC 8615 (`.well-known`).

use std::path::PathBuf;

use rsgi_bridge::request::text::percent_decode;

/// The file or folder that a path asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name relative to the folder; `.` is the folder itself.
    pub name: PathBuf,
    /// The path ends with a slash, so it names a folder.
    pub is_folder: bool,
}

/// The part of the raw path below `prefix`: empty, or starting with a slash. The segments of the prefix are decoded.
pub fn below<'a>(prefix: &[String], raw_path: &'a str) -> Option<&'a str> {
    let mut rest = raw_path;
    for segment in prefix {
        let path = rest.strip_prefix('/')?;
        let end = path.find('/').unwrap_or(path.len());
        let (first, after) = path.split_at_checked(end)?;
        if *percent_decode(first.as_bytes()) != *segment.as_bytes() {
            return None;
        }
        rest = after;
    }
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The file that the raw path below a prefix asks for; `None` if it cannot be a file name.
pub fn wanted(below: &str) -> Option<Wanted> {
    let mut name = PathBuf::from(".");
    let Some(path) = below.strip_prefix('/') else { return Some(Wanted { name, is_folder: false }) };
    let (folders, last) = path.rsplit_once('/').map_or((None, path), |(folders, last)| (Some(folders), last));
    for segment in folders.into_iter().flat_map(|folders| folders.split('/')) {
        name.push(file_name(segment)?);
    }
    if !last.is_empty() {
        name.push(file_name(last)?);
    }
    Some(Wanted { name, is_folder: last.is_empty() })
}

/// The file name of a segment. Hidden names, which start with a dot, are refused, except `.well-known`.
fn file_name(segment: &str) -> Option<String> {
    let name = String::from_utf8(percent_decode(segment.as_bytes()).into_owned()).ok()?;
    let odd = |letter: char| matches!(letter, '/' | '\\') || letter.is_control();
    let hidden = name.starts_with('.') && name != ".well-known";
    (!name.is_empty() && !hidden && !name.contains(odd)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let prefix = ["static".to_owned(), "a b".to_owned()];
        for (path, rest) in [
            ("/static/a%20b", Some("")),
            ("/static/a%20b/", Some("/")),
            ("/%73tatic/a%20b/x//y", Some("/x//y")),
            ("/static/a%20bc", None),
            ("/static%2Fa%20b", None),
            ("/static//a%20b", None),
            ("/static", None),
            ("static/a%20b", None),
            ("*", None),
        ] {
            assert_eq!(below(&prefix, path), rest, "{path}");
        }
        assert_eq!(below(&[], "/x"), Some("/x"));
        assert_eq!(below(&[], "*"), None);
    }

    #[test]
    fn a_path_is_a_name_or_nothing() {
        let name = |path| wanted(path).map(|wanted| (wanted.name.to_string_lossy().into_owned(), wanted.is_folder));
        for (path, found) in [
            ("", Some((".", false))),
            ("/", Some((".", true))),
            ("/a.css", Some(("./a.css", false))),
            ("/css/a.css", Some(("./css/a.css", false))),
            ("/css/", Some(("./css", true))),
            ("/caf%C3%A9.txt", Some(("./café.txt", false))),
            ("/100%.txt", Some(("./100%.txt", false))),
            ("/.well-known/security.txt", Some(("./.well-known/security.txt", false))),
            ("/a..b", Some(("./a..b", false))),
            ("/..", None),
            ("/.", None),
            ("/../x", None),
            ("/%2e%2e/x", None),
            ("/..%2fx", None),
            ("/x%2f..%2fy", None),
            ("/..%5cx", None),
            ("/a\\b", None),
            ("/a%00.css", None),
            ("/%c0%ae%c0%ae/x", None),
            ("/%c0%af", None),
            ("/%ff", None),
            ("/.git/config", None),
            ("/a/.env", None),
            ("//a", None),
            ("/a//b", None),
            ("/a/./b", None),
            ("/%0a", None),
        ] {
            assert_eq!(name(path), found.map(|(name, folder)| (name.to_owned(), folder)), "{path}");
        }
    }
}
