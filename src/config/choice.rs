//! Settings and parts of the plan with a fixed set of words, as enums.
//!
//! Python has already checked the words. An unknown word here is an error, never a default.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// One of a fixed set of words.
pub trait Choice {
    /// The word, as users write it.
    fn word(self) -> &'static str;
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $name {
                $($(#[$variant_doc])* $variant,)*
            }

            impl Choice for $name {
                fn word(self) -> &'static str {
                    match self {
                        $(Self::$variant => $word,)*
                    }
                }
            }

            impl<'a, 'py> FromPyObject<'a, 'py> for $name {
                type Error = PyErr;

                fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                    let word: String = object.extract()?;
                    match word.as_str() {
                        $($word => Ok(Self::$variant),)*
                        _ => Err(PyValueError::new_err(format!(concat!("`{}` is no ", stringify!($name)), word))),
                    }
                }
            }
        )*
    };
}

choices! {
    /// The versions of HTTP that the server accepts.
    HttpVersions {
        /// Both.
        Auto = "auto",
        /// HTTP/1 only.
        One = "1",
        /// HTTP/2 only.
        Two = "2",
    }

    /// Whether clients need a certificate.
    ClientAuth {
        /// They may have one.
        Optional = "optional",
        /// They need one.
        Required = "required",
    }

    /// The oldest version of TLS that the server accepts.
    TlsVersion {
        /// TLS 1.2.
        OneTwo = "1.2",
        /// TLS 1.3.
        OneThree = "1.3",
    }

    /// How much of a request body is read before a WSGI application is called.
    RequestBuffering {
        /// A small body completely, a larger one until the buffer is full.
        Auto = "auto",
        /// All of it.
        Full = "full",
        /// Nothing.
        Off = "off",
    }

    /// The event loop of ASGI applications.
    LoopKind {
        /// uvloop if it is installed.
        Auto = "auto",
        /// The loop of `asyncio`.
        Asyncio = "asyncio",
        /// uvloop.
        Uvloop = "uvloop",
    }

    /// What drives the sockets.
    IoKind {
        /// Depends on the applications.
        Auto = "auto",
        /// Its own thread.
        Thread = "thread",
        /// The event loop.
        Loop = "loop",
        /// The WSGI threads.
        Pool = "pool",
    }

    /// Which ASGI applications get a lifespan.
    LifespanSupport {
        /// Those that support it.
        Auto = "auto",
        /// All of them. An application without support is a start-up error.
        On = "on",
        /// None.
        Off = "off",
    }

    /// Whether WebSocket messages are compressed.
    WebSocketCompression {
        /// If the client offers it.
        Auto = "auto",
        /// Never.
        Off = "off",
    }

    /// Which lines are logged.
    LogLevel {
        /// All lines.
        Debug = "debug",
        /// All except details for debugging.
        Info = "info",
        /// Warnings and errors.
        Warning = "warning",
        /// Errors.
        Error = "error",
    }

    /// On or off.
    Switch {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }

    /// The interface of an application.
    InterfaceKind {
        /// Called synchronously.
        Wsgi = "wsgi",
        /// Called as a coroutine.
        Asgi = "asgi",
    }

    /// What decides between applications without a prefix.
    ModeKind {
        /// Nothing: there is at most one.
        Mounts = "mounts",
        /// The routes of the ASGI application.
        Table = "table",
        /// The responses of the ASGI application.
        Probe = "probe",
        /// Whether the request is for a WebSocket.
        WebSocket = "websocket",
    }

    /// The kind of path of a rule.
    PathKind {
        /// A template, such as `/users/{id}`.
        Template = "path",
        /// A prefix of paths.
        Prefix = "prefix",
        /// A regular expression.
        Expression = "regex",
    }

    /// What a rule requires of a field.
    TestKind {
        /// It is present.
        Present = "present",
        /// It is absent.
        Absent = "absent",
        /// It has this text.
        Equals = "equals",
        /// It matches this regular expression.
        Expression = "regex",
    }

    /// Where a rule finds a field.
    PlaceKind {
        /// In the header fields.
        Header = "header",
        /// In the cookies.
        Cookie = "cookie",
    }

    /// The scheme of a request.
    SchemeKind {
        /// Not encrypted.
        Http = "http",
        /// Encrypted.
        Https = "https",
    }

    /// The kind of requests that a route of a framework takes.
    RequestKind {
        /// HTTP.
        Http = "http",
        /// WebSockets.
        WebSocket = "websocket",
        /// Both.
        Any = "any",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_of_the_choices() {
        Python::initialize();
        Python::attach(|py| {
            let extract = |word: &str| pyo3::types::PyString::new(py, word).extract::<ModeKind>();
            assert_eq!(extract("probe").unwrap(), ModeKind::Probe);
            assert_eq!(extract("probe").unwrap().word(), "probe");
            assert_eq!(extract("probes").unwrap_err().to_string(), "ValueError: `probes` is no ModeKind");
        });
    }
}
