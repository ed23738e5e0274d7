//! Converts the parts of a plan to what the router takes.

use super::{AppSpec, PlanField, PlanRule, Rollback, Route, path_spec};
use crate::config::choice::{PlaceKind, RequestKind, SchemeKind, TestKind};
use crate::rollback::{Advance, Guard, Hook};
use crate::route::{
    AppIndex, FieldPlace, FieldSpec, FieldTest, Interface, MountSpec, Percent, RouteKind, RouteSpec, RuleSpec, Scheme,
};

pub(super) fn mount((index, app): (usize, &AppSpec)) -> MountSpec {
    let interface = if app.is_wsgi() { Interface::Wsgi } else { Interface::Asgi };
    MountSpec { app: AppIndex(index), interface, prefix: app.prefix.clone() }
}

pub(super) fn rule(rule: &PlanRule) -> RuleSpec {
    RuleSpec {
        methods: rule.methods.clone(),
        host: rule.host.clone(),
        path: path_spec(rule.kind, &rule.path),
        fields: rule.fields.iter().map(field).collect(),
        scheme: rule.scheme.map(scheme),
        websocket: rule.websocket,
        app: AppIndex(rule.app),
        share: rule.share.map(Percent::of_buckets),
        text: rule.text.clone(),
        source: rule.source.clone(),
    }
}

pub(super) fn guard(rollback: &Rollback) -> Guard {
    let command = rollback.command.clone().map(Hook::Command);
    Guard {
        window: rollback.window.0,
        minimum: rollback.minimum,
        failures: rollback.failures,
        p99: rollback.p99,
        hook: command.or_else(|| rollback.url.clone().map(Hook::Url)),
        advance: rollback.advance.as_ref().map(|own| Advance { steps: own.steps.clone(), after: own.after.0 }),
    }
}

fn scheme(kind: SchemeKind) -> Scheme {
    match kind {
        SchemeKind::Http => Scheme::Http,
        SchemeKind::Https => Scheme::Https,
    }
}

fn field(field: &PlanField) -> FieldSpec {
    let test = match field.test {
        TestKind::Present => FieldTest::Present,
        TestKind::Absent => FieldTest::Absent,
        TestKind::Expression => FieldTest::Matches(field.value.clone()),
        TestKind::Equals => FieldTest::Equals(field.value.clone()),
    };
    let place = match field.place {
        PlaceKind::Header => FieldPlace::Header,
        PlaceKind::Cookie => FieldPlace::Cookie,
    };
    FieldSpec { place, name: field.name.clone(), test }
}

pub(super) fn route(route: &Route) -> RouteSpec {
    let kind = match route.kind {
        RequestKind::Http => RouteKind::Http,
        RequestKind::WebSocket => RouteKind::WebSocket,
        RequestKind::Any => RouteKind::Any,
    };
    RouteSpec {
        kind,
        methods: route.methods.clone(),
        host: route.host.clone(),
        path: route.path.clone(),
        falls_through: route.falls_through,
        refuses: route.refuses,
    }
}
