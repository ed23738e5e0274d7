//! Settings and parts of the plan that are one of a few words, as enums.
//!
//! Python has checked the words already. A word that is unknown here is an error and never a default.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// One of a few words.
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
    /// The versions of HTTP that are spoken.
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

    /// The oldest version of TLS that is spoken.
    TlsVersion {
        /// TLS 1.2.
        OneTwo = "1.2",
        /// TLS 1.3.
        OneThree = "1.3",
    }

    /// How much of a request body is here before a WSGI application is called.
    RequestBuffering {
        /// A small body whole, else its beginning.
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
        /// The one of `asyncio`.
        Asyncio = "asyncio",
        /// uvloop.
        Uvloop = "uvloop",
    }

    /// Who drives the sockets.
    IoKind {
        /// What suits the applications.
        Auto = "auto",
        /// A thread that does nothing else.
        Thread = "thread",
        /// The event loop.
        Loop = "loop",
        /// The WSGI threads.
        Pool = "pool",
    }

    /// Whether ASGI applications have a lifespan.
    LifespanSupport {
        /// Those that know it.
        Auto = "auto",
        /// All of them.
        On = "on",
        /// None.
        Off = "off",
    }

    /// Whether WebSocket messages are compressed.
    WebSocketCompression {
        /// Where the client offers it.
        Auto = "auto",
        /// Never.
        Off = "off",
    }

    /// Which lines are logged.
    LogLevel {
        /// All.
        Debug = "debug",
        /// All but those for developers of rsgi.
        Info = "info",
        /// What may be wrong.
        Warning = "warning",
        /// What is wrong.
        Error = "error",
    }

    /// Something that is on or off.
    Switch {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }

    /// How an application is called.
    InterfaceKind {
        /// Synchronously.
        Wsgi = "wsgi",
        /// As a coroutine.
        Asgi = "asgi",
    }

    /// What decides between applications without a prefix.
    ModeKind {
        /// There is one at most.
        Mounts = "mounts",
        /// The routes of the ASGI application.
        Table = "table",
        /// The responses of the ASGI application.
        Probe = "probe",
        /// Whether the request is for a WebSocket.
        WebSocket = "websocket",
    }

    /// What the path of a rule is.
    PathKind {
        /// A template, such as `/users/{id}`.
        Template = "path",
        /// The beginning of paths.
        Prefix = "prefix",
        /// An expression.
        Expression = "regex",
    }

    /// What a rule asks of a field.
    TestKind {
        /// That it is there.
        Present = "present",
        /// That it is not.
        Absent = "absent",
        /// That it is this text.
        Equals = "equals",
        /// That it matches this expression.
        Expression = "regex",
    }

    /// Where a field of a rule is.
    PlaceKind {
        /// In the header section.
        Header = "header",
        /// In a cookie.
        Cookie = "cookie",
    }

    /// Whether a request is encrypted.
    SchemeKind {
        /// It is not.
        Http = "http",
        /// It is.
        Https = "https",
    }

    /// Requests that a route of a framework is for.
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
