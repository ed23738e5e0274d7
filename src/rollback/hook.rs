//! Tells another program about a rollback: a command gets it as JSON on standard input, a URL with a POST.
//!
//! The hook runs on its own thread, with a timeout. If it fails, that is only logged. The command is an argument list,
//! so no shell parses it. The URL must be on this machine, so nobody can make rsgi send requests elsewhere.
//!
//! Spec: RFC 9112 3, 4 (one request, one status line).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::guard::Hook;

/// How long a hook may take.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The time between two checks whether the command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The longest status line, in bytes.
const MOST_LINE: u64 = 1024;

/// Calls the hook on its own thread. `document` is JSON.
pub fn call(hook: Hook, document: String) {
    let calling = std::thread::Builder::new().name("rsgi-hook".into()).spawn(move || {
        let called = match &hook {
            Hook::Command(words) => run(words, &document),
            Hook::Url(url) => post(url, &document),
        };
        if let Err(why) = called {
            crate::log::line(format_args!("error: the hook of a rollback failed: {why}"));
        }
    });
    if let Err(error) = calling {
        crate::log::line(format_args!("error: the hook of a rollback was not called: {error}"));
    }
}

fn run(words: &[String], document: &str) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let failed = |error: io::Error| format!("`{program}`: {error}");
    // Standard output has the access log, so the command writes to standard error.
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(io::stderr()).process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It fits into the buffer of a pipe. The command need not read it.
        let _unread = stdin.write_all(document.as_bytes());
    }
    let status = wait(&mut child).map_err(failed)?;
    match status {
        Some(true) => Ok(()),
        Some(false) => Err(format!("`{program}` ended with an error")),
        None => Err(format!("`{program}` took more than {} s and was killed", HOOK_TIMEOUT.as_secs())),
    }
}

/// Whether the command succeeded. `None` if it took too long and was killed.
fn wait(child: &mut Child) -> io::Result<Option<bool>> {
    let until = Instant::now() + HOOK_TIMEOUT;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status.success())),
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            // The supervisor reaps orphans, and was faster. The result is unknown.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::CHILD.raw_os_error()) => {
                return Ok(Some(true));
            }
            Err(error) => return Err(error),
        }
    }
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = pid {
        let _ended = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ended = child.wait();
    Ok(None)
}

fn post(url: &str, document: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{url}: {error}");
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let port = if authority.ends_with(']') || !authority.contains(':') { ":80" } else { "" };
    let addresses = format!("{authority}{port}").to_socket_addrs().map_err(failed)?;
    let mut connected = Err(io::Error::other("it is not on this machine"));
    // `localhost` may have two addresses, and the server may listen on one.
    for address in addresses.filter(|address| address.ip().is_loopback()) {
        connected = TcpStream::connect_timeout(&address, HOOK_TIMEOUT);
        if connected.is_ok() {
            break;
        }
    }
    let mut stream = connected.map_err(failed)?;
    stream
        .set_read_timeout(Some(HOOK_TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(HOOK_TIMEOUT)))
        .map_err(failed)?;
    let length = document.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{document}").as_bytes()).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream.take(MOST_LINE)).read_line(&mut line).map_err(failed)?;
    let status = line.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') { Ok(()) } else { Err(format!("{url} answered {:?}", line.trim_end())) }
}
