//! One static folder: how to open a file in it, and why a file cannot be opened.
//!
//! Only this file touches the disk. It blocks, and runs on tokio's blocking threads. `cap-std` opens only below the
//! folder, including links, in one step of the kernel where possible (`openat2`). So nothing can be exchanged between a
//! check and the opening.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions as DirOptions, OpenOptionsExt as _};
use rsgi_bridge::response::sink::Stamp;
use rustix::io::Errno;

use crate::response::encoding::Encoding;

/// Without it a named pipe would hold the thread until somebody writes into it.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The copies of a file that may stand beside it, the smallest first.
pub const SIDECARS: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip];

/// A folder whose files are served.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Links may lead out of it.
    follows: bool,
    /// That one does has been said.
    said: AtomicBool,
}

/// What is at a name.
#[derive(Debug)]
pub enum FoundFile {
    /// A file, open.
    File(Opened),
    /// A folder.
    Folder,
    /// Nothing that can be served.
    Nothing,
    /// A file that must not be read.
    Forbidden,
}

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its size and its time, as they were when it was opened.
    pub stamp: Stamp,
}

/// An open file as one client gets it.
#[derive(Debug)]
pub struct Representation {
    /// The file, or the copy of it that stands beside it compressed.
    pub opened: Opened,
    /// How it is compressed.
    pub encoding: Option<Encoding>,
    /// Whether another client may get another one.
    pub varies: bool,
}

impl Folder {
    /// The folder at `path`.
    pub fn new(path: &str, follows: bool) -> Self {
        Self { path: path.into(), follows, said: AtomicBool::new(false) }
    }

    /// Sees that the folder can be opened.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> io::Result<()> {
        self.dir().map(drop)
    }

    /// Opened for each request: who puts another folder in its place, or turns a link, means that one.
    fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.path, ambient_authority())
    }

    /// Opens what is at `name`.
    ///
    /// # Errors
    /// When the disk fails, or the process may open no more files.
    pub fn open(&self, name: &Path) -> io::Result<FoundFile> {
        match self.opened(name) {
            Ok(file) => Self::found(file),
            Err(error) => self.missed(name, error),
        }
    }

    fn opened(&self, name: &Path) -> io::Result<File> {
        if self.follows {
            return OpenOptions::new().read(true).custom_flags(NONBLOCK).open(self.path.join(name));
        }
        let mut options = DirOptions::new();
        options.read(true).custom_flags(NONBLOCK);
        self.dir()?.open_with(name, &options).map(cap_std::fs::File::into_std)
    }

    fn found(file: File) -> io::Result<FoundFile> {
        let metadata = file.metadata()?;
        Ok(if metadata.is_dir() {
            FoundFile::Folder
        } else if metadata.is_file() {
            FoundFile::File(Opened { stamp: Stamp::of(&metadata), file })
        } else {
            FoundFile::Nothing
        })
    }

    fn missed(&self, name: &Path, error: io::Error) -> io::Result<FoundFile> {
        use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
        match error.kind() {
            NotFound | NotADirectory | InvalidFilename | InvalidInput => Ok(FoundFile::Nothing),
            PermissionDenied => {
                self.say_forbidden(name, &error);
                Ok(FoundFile::Forbidden)
            }
            // A socket, which cannot be opened at all, or links in a circle.
            _ if [Errno::NXIO, Errno::LOOP].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) => {
                Ok(FoundFile::Nothing)
            }
            _ => Err(error),
        }
    }

    /// Once: a client could have it said as often as it likes.
    fn say_forbidden(&self, name: &Path, error: &io::Error) {
        if self.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let (name, folder) = (name.strip_prefix(".").unwrap_or(name).display(), self.path.display());
        // The kernel's own refusals have a number.
        let why = if error.raw_os_error().is_some() {
            error.to_string()
        } else {
            "it is a link that leaves the folder; `--static-follow-links` allows that".to_owned()
        };
        crate::log::line(format_args!("warning: `{name}` in the static folder `{folder}` is not served: {why}"));
    }

    /// The file at `name` as a client gets it that takes `wanted`, the best first.
    pub fn represent(&self, name: &Path, opened: Opened, wanted: &[Encoding]) -> Representation {
        let copies = SIDECARS.map(|encoding| (encoding, self.sidecar(name, &opened, encoding)));
        let varies = copies.iter().any(|(_, copy)| copy.is_some());
        let mut copies: Vec<_> = copies.into_iter().filter_map(|(encoding, copy)| Some((encoding, copy?))).collect();
        let best = wanted.iter().find_map(|wanted| copies.iter().position(|(encoding, _)| encoding == wanted));
        match best.map(|place| copies.swap_remove(place)) {
            Some((encoding, copy)) => Representation { opened: copy, encoding: Some(encoding), varies },
            None => Representation { opened, encoding: None, varies },
        }
    }

    /// The compressed copy beside a file. One that is older is of another version of it.
    fn sidecar(&self, name: &Path, original: &Opened, encoding: Encoding) -> Option<Opened> {
        let suffix = match encoding {
            Encoding::Brotli => ".br",
            Encoding::Zstd => ".zst",
            Encoding::Gzip => ".gz",
        };
        let mut copy = name.as_os_str().to_owned();
        copy.push(suffix);
        match self.opened(Path::new(&copy)).and_then(Self::found) {
            Ok(FoundFile::File(copy)) if copy.stamp.seconds >= original.stamp.seconds => Some(copy),
            _ => None,
        }
    }
}

impl Opened {
    /// Reads all of a small part at once.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has become shorter.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut part = vec![0; length];
        self.file.read_exact_at(&mut part, offset)?;
        Ok(part.into())
    }
}

/// Whether a name has a hash of the content in it, as build tools write it: a part between dots or hyphens, at least six
/// hexadecimal digits with a letter and a number among them. The last part says the type.
pub fn is_hashed(name: &Path) -> bool {
    let name = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    let is_hash = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() >= 6 && part.bytes().all(|byte| byte.is_ascii_hexdigit()) && (1..part.len()).contains(&digits)
    };
    stem.split(['.', '-']).skip(1).any(is_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_told_from_a_version() {
        for (name, hashed) in [
            ("app.3f2a1b.js", true),
            ("base.0a1b2c3d4e5f.css", true),
            ("main-0a1b2c3d.chunk.js", true),
            ("a/b/app.3f2a1b.js.map", true),
            ("app.js", false),
            ("jquery-3.7.1.min.js", false),
            ("report-20240101.pdf", false),
            ("3f2a1b.js", false),
            ("app.decade.js", false),
            ("app.3f2a1b", false),
            ("app.3f2a1.js", false),
        ] {
            assert_eq!(is_hashed(Path::new(name)), hashed, "{name}");
        }
    }
}
