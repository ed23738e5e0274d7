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

/// Without this flag, opening a named pipe would block the thread until something writes into the pipe.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The codings of compressed copies that may be beside a file, the smallest first.
pub const SIDECARS: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip];

/// A folder whose files are served.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Links may lead out of the folder.
    follows: bool,
    /// The warning about a file that is not served was logged.
    said: AtomicBool,
}

/// What a name refers to.
#[derive(Debug)]
pub enum FoundFile {
    /// An open file.
    File(Opened),
    /// A folder.
    Folder,
    /// Nothing that can be served.
    Nothing,
    /// A file that may not be read.
    Forbidden,
}

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its size and its time when it was opened.
    pub stamp: Stamp,
}

/// An open file in the form that one client gets.
#[derive(Debug)]
pub struct Representation {
    /// The file, or its compressed copy.
    pub opened: Opened,
    /// The coding of the copy.
    pub encoding: Option<Encoding>,
    /// Whether other clients may get another representation.
    pub varies: bool,
}

impl Folder {
    /// The folder at `path`.
    pub fn new(path: &str, follows: bool) -> Self {
        Self { path: path.into(), follows, said: AtomicBool::new(false) }
    }

    /// Checks that the folder can be opened.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn check(&self) -> io::Result<()> {
        self.dir().map(drop)
    }

    /// Opens the folder for each request, so that a deployment can replace the folder or change a link.
    fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.path, ambient_authority())
    }

    /// Opens the file at `name`.
    ///
    /// # Errors
    /// When the disk fails, or when the process has too many open files.
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
            // A socket, which cannot be opened, or links in a circle.
            _ if [Errno::NXIO, Errno::LOOP].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) => {
                Ok(FoundFile::Nothing)
            }
            _ => Err(error),
        }
    }

    /// Logs the refusal of a file once, because clients could fill the log otherwise.
    fn say_forbidden(&self, name: &Path, error: &io::Error) {
        if self.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let (name, folder) = (name.strip_prefix(".").unwrap_or(name).display(), self.path.display());
        // Errors of the kernel have a number. `cap-std` refuses a link without one.
        let why = if error.raw_os_error().is_some() {
            error.to_string()
        } else {
            "it is a link that leaves the folder; `--static-follow-links` allows that".to_owned()
        };
        crate::log::line(format_args!("warning: `{name}` in the static folder `{folder}` is not served: {why}"));
    }

    /// The representation of the file at `name` for a client that accepts `wanted`, the best first.
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

    /// The compressed copy beside a file. A copy that is older than the file is ignored, because it has old content.
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
    /// Reads a small part at once.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has become shorter.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut part = vec![0; length];
        self.file.read_exact_at(&mut part, offset)?;
        Ok(part.into())
    }
}

/// Whether a file name has a hash of the content, as build tools write it: a part between dots or hyphens with at least
/// six hexadecimal digits, among them a letter and a number. The first part and the extension do not count.
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
