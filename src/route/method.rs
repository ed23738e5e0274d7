//! Methods as bits, and which methods of a row match a request.
//!
//! - In a rule, GET includes HEAD, because operators mean that.
//! - In a route of an application, it does not, because the application may answer HEAD with 405. The reader of its
//!   routes lists HEAD if it is answered.
//! - A CORS preflight matches like the method that it asks for.
//!
//! Methods are case-sensitive, and the method of a request is compared exactly. (RFC 9110 section 9.3.2; Fetch,
//! "CORS-preflight request")

const GET: u16 = 1;
const HEAD: u16 = 1 << 1;
const OPTIONS: u16 = 1 << 2;

/// The bit of a standard method, or 0 for any other.
fn bit(method: &str) -> u16 {
    match method {
        "GET" => GET,
        "HEAD" => HEAD,
        "OPTIONS" => OPTIONS,
        "POST" => 1 << 3,
        "PUT" => 1 << 4,
        "DELETE" => 1 << 5,
        "PATCH" => 1 << 6,
        "TRACE" => 1 << 7,
        "CONNECT" => 1 << 8,
        "QUERY" => 1 << 9,
        _ => 0,
    }
}

/// The methods of a rule or route.
#[derive(Debug)]
pub(super) enum Methods {
    All,
    Listed { standard: u16, others: Box<[String]> },
}

impl Methods {
    /// Reads a list of methods, in any letter case. `None` means all.
    pub(super) fn new(methods: Option<&[String]>) -> Self {
        let Some(methods) = methods else {
            return Self::All;
        };
        let mut standard = 0;
        let mut others = Vec::new();
        for method in methods.iter().map(|method| method.to_ascii_uppercase()) {
            match bit(&method) {
                0 => others.push(method),
                known => standard |= known,
            }
        }
        Self::Listed { standard, others: others.into() }
    }

    /// Whether any of the request methods is among these.
    pub(super) fn include(&self, request: &RequestMethods<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Listed { standard, others } => {
                request.any
                    || standard & request.standard != 0
                    || request.other.is_some_and(|other| others.iter().any(|own| own == other))
            }
        }
    }
}

/// The methods of which a row must have at least one to match the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestMethods<'a> {
    any: bool,
    standard: u16,
    other: Option<&'a str>,
}

impl<'a> RequestMethods<'a> {
    /// Every row matches, whatever its methods.
    pub(super) const ANY: Self = Self { any: true, standard: 0, other: None };

    /// The opening handshake of a WebSocket, in any HTTP version.
    pub(super) const HANDSHAKE: Self = Self { any: false, standard: GET, other: None };

    /// The methods for rules: GET includes HEAD.
    pub(super) fn of_rule(method: &'a str, preflight: Option<&'a str>) -> Self {
        let request = Self::of_route(method, preflight);
        let follows = if request.standard & HEAD == 0 { 0 } else { GET };
        Self { standard: request.standard | follows, ..request }
    }

    /// The methods for routes of applications: HEAD must be listed.
    pub(super) fn of_route(method: &'a str, preflight: Option<&'a str>) -> Self {
        let request = Self::method(method);
        match preflight {
            // OPTIONS is a standard method, so `other` is free for the method that the preflight asks for.
            Some(wanted) if method == "OPTIONS" => {
                let wanted = Self::method(wanted);
                Self { standard: request.standard | wanted.standard, ..wanted }
            }
            _ => request,
        }
    }

    fn method(method: &'a str) -> Self {
        match bit(method) {
            0 => Self { any: false, standard: 0, other: Some(method) },
            standard => Self { any: false, standard, other: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owns(listed: &[&str], method: &str, preflight: Option<&str>) -> bool {
        let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
        Methods::new(Some(&listed)).include(&RequestMethods::of_rule(method, preflight))
    }

    fn route_owns(listed: &[&str], method: &str, preflight: Option<&str>) -> bool {
        let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
        Methods::new(Some(&listed)).include(&RequestMethods::of_route(method, preflight))
    }

    #[test]
    fn in_a_rule_head_follows_get_and_not_the_other_way_round() {
        assert!(owns(&["GET"], "GET", None));
        assert!(owns(&["GET"], "HEAD", None));
        assert!(owns(&["HEAD"], "HEAD", None));
        assert!(!owns(&["HEAD"], "GET", None));
        assert!(!owns(&["POST"], "HEAD", None));
    }

    #[test]
    fn a_route_has_head_only_where_it_says_so() {
        assert!(route_owns(&["GET"], "GET", None));
        assert!(!route_owns(&["GET"], "HEAD", None));
        assert!(!route_owns(&["GET"], "OPTIONS", Some("HEAD")));
        assert!(route_owns(&["GET", "HEAD"], "HEAD", None));
        assert!(route_owns(&["GET", "HEAD"], "OPTIONS", Some("HEAD")));
    }

    #[test]
    fn a_preflight_follows_the_method_it_asks_for() {
        assert!(owns(&["POST"], "OPTIONS", Some("POST")));
        assert!(owns(&["GET"], "OPTIONS", Some("HEAD")));
        assert!(owns(&["OPTIONS"], "OPTIONS", Some("POST")));
        assert!(owns(&["PURGE"], "OPTIONS", Some("PURGE")));
        assert!(!owns(&["GET"], "OPTIONS", Some("POST")));
        assert!(!owns(&["GET"], "OPTIONS", None));
        assert!(!owns(&["POST"], "GET", Some("POST")), "only OPTIONS is a preflight");
    }

    #[test]
    fn other_methods_are_compared_exactly() {
        assert!(owns(&["purge"], "PURGE", None), "a listed method may be written in any case");
        assert!(!owns(&["PURGE"], "purge", None));
        assert!(!owns(&["GET"], "get", None));
        assert!(!owns(&[], "GET", None));
        assert!(Methods::new(None).include(&RequestMethods::of_rule("BREW", None)));
    }
}
