//! Tells the extension which versions of its libraries it is made of, for `rsgi --version`.
//!
//! Only the lock file knows them, and it is not there when the server runs.

use std::{env, fs, io, path::Path};

/// What a report of a fault needs: the libraries that speak with clients or with Python.
const NAMED: [&str; 6] = ["tokio", "hyper", "tokio-tungstenite", "rustls", "pyo3", "pyo3-async-runtimes"];

fn main() -> io::Result<()> {
    let folder = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let lock = Path::new(&folder).join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = fs::read_to_string(lock)?;
    let found: Vec<String> =
        NAMED.iter().filter_map(|name| Some(format!("{name} {}", version_in(&text, name)?))).collect();
    println!("cargo::rustc-env=RSGI_LIBRARIES={}", found.join(", "));
    println!("cargo::rustc-env=RSGI_PROFILE={}", env::var("PROFILE").unwrap_or_default());
    Ok(())
}

/// The version of a package in the text of a lock file.
fn version_in<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, entry) = lock.split_once(&format!("\nname = \"{name}\"\n"))?;
    let (_, rest) = entry.split_once("version = \"")?;
    Some(rest.split_once('"')?.0)
}
