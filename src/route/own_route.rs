//! Finds the route of the application that a request is for. Only metrics need it.
//!
//! Rules, mounts and fallbacks choose an application without looking at its routes. If the routes of the application
//! are known, requests are counted per route, so that the old and the new application can be compared route by route.
//!
//! Spec: PEP 3333 (`PATH_INFO`), ASGI 3.0 (`root_path`): a route is compared with the path below the mount.

use super::path::decode;
use super::router::{Router, compile_routes, table_query};
use super::table::{Found, Table};
use super::{AppIndex, MountSpec, Reason, RouteRequest, RouteSpec};

/// The known routes of all applications.
#[derive(Debug, Default)]
pub(super) struct OwnRoutes {
    apps: Box<[Option<OwnTable>]>,
    size: usize,
}

#[derive(Debug)]
struct OwnTable {
    table: Table,
    /// Whether the application has a prefix.
    is_mounted: bool,
    /// The paths of the rows, with the prefix.
    paths: Box<[String]>,
    /// The number of rows of all applications before this one.
    first: usize,
}

impl OwnRoutes {
    /// Compiles the routes. If a row cannot be read, the routes of its application count as unknown.
    pub(super) fn new(mounts: &[MountSpec], routes: &[Option<Vec<RouteSpec>>]) -> Self {
        let mut size = 0;
        let apps = routes.iter().enumerate().map(|(app, routes)| {
            let routes = routes.as_ref()?;
            let prefix = &mounts.iter().find(|mount| mount.app == AppIndex(app))?.prefix;
            let paths: Box<[String]> = routes.iter().map(|route| format!("{prefix}{}", route.path)).collect();
            let first = size;
            size += paths.len();
            Some(OwnTable { table: compile_routes(routes).ok()?, is_mounted: !prefix.is_empty(), paths, first })
        });
        let apps = apps.collect();
        Self { apps, size }
    }

    /// The number of rows.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn path(&self, place: usize) -> Option<&str> {
        let table = self.apps.iter().flatten().rfind(|table| table.first <= place)?;
        table.paths.get(place - table.first).map(String::as_str)
    }
}

impl Router {
    /// Adds the routes of all applications, in their order. `None` if they are unknown.
    #[must_use]
    pub fn with_own_routes(mut self, mounts: &[MountSpec], routes: &[Option<Vec<RouteSpec>>]) -> Self {
        self.own_routes = OwnRoutes::new(mounts, routes);
        self
    }

    /// The number of the route of `app` that a request is for, if it is known and not already in `reason`. `root` is
    /// the length of the mount in the raw path.
    #[must_use]
    pub fn own_place(&self, request: &RouteRequest<'_>, app: usize, root: usize, reason: Reason) -> Option<usize> {
        let table = self.own_routes.apps.get(app)?.as_ref()?;
        // After a rule, the application gets the whole path, which is not below its mount.
        if table.is_mounted && root == 0 || matches!(reason, Reason::WsgiTable(_)) {
            return None;
        }
        let below = request.raw_path.get(root..).filter(|path| !path.is_empty()).unwrap_or("/");
        match table.table.find(&decode(below), &table_query(request)) {
            Found::Row(index) => Some(self.places() + table.first + index),
            Found::Refused(_) | Found::Nothing => None,
        }
    }

    /// The path of the route with this number.
    #[must_use]
    pub fn own_path(&self, place: usize) -> Option<&str> {
        self.own_routes.path(place.checked_sub(self.places())?)
    }

    /// How many numbers there are with the routes of the applications.
    #[must_use]
    pub fn all_places(&self) -> usize {
        self.places() + self.own_routes.size()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its router should fail")]
    use rsgi_bridge::request::fields::RequestFields;

    use super::*;
    use crate::route::{Interface, Mode, RouteKind, Scheme};

    fn route(path: &str) -> RouteSpec {
        let (kind, path) = (RouteKind::Http, path.to_owned());
        RouteSpec { kind, methods: None, host: None, path, falls_through: false, refuses: false }
    }

    #[test]
    fn routes_of_fallbacks_and_mounts_have_their_own_places() {
        let mount =
            |app, interface, prefix: &str| MountSpec { app: AppIndex(app), interface, prefix: prefix.to_owned() };
        let mounts =
            [mount(0, Interface::Wsgi, ""), mount(1, Interface::Asgi, ""), mount(2, Interface::Wsgi, "/admin")];
        let mode = Mode::Table(vec![route("/new")]);
        let own = [Some(vec![route("/a"), route("/b/{id}")]), None, Some(vec![route("/"), route("/users")])];
        let router = Router::new(&mounts, &[], &mode).unwrap().with_own_routes(&mounts, &own);
        let fields = RequestFields::default();
        let found = |raw_path: &str, app: usize, root: usize| {
            let request = RouteRequest {
                method: "GET",
                raw_path,
                host: None,
                websocket: false,
                preflight_method: None,
                scheme: Scheme::Http,
                fields: &fields,
                client: None,
                random: || 0,
            };
            let place = router.own_place(&request, app, root, Reason::TableMiss)?;
            assert!(place >= router.places() && place < router.all_places());
            router.own_path(place).map(str::to_owned)
        };
        assert_eq!(found("/b/7", 0, 0).as_deref(), Some("/b/{id}"));
        assert_eq!(found("/nothing", 0, 0), None);
        assert_eq!(found("/new", 1, 0), None, "its routes are not known");
        assert_eq!(found("/admin/users", 2, 6).as_deref(), Some("/admin/users"));
        assert_eq!(found("/admin", 2, 6).as_deref(), Some("/admin/"));
        assert_eq!(found("/users", 2, 0), None, "a rule passes the whole path");
    }
}
