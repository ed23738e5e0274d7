//! Captures a sampled request, from its head to the end of its response.
//!
//! It only watches, so the client gets the same response at the same time. It has a copy of the head, and bounded
//! copies of the bodies. If anything is not as expected, the request is dropped and counted.
//!
//! Spec: RFC 9110 13.1 (conditional requests), 14 (ranges).

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use rsgi_bridge::response::response_fields::ResponseFields;

use super::copied_request::CopiedRequest;
use super::counters::Dropped;
use super::queue::QueuedRequest;
use super::record::{EXCEPTION, ShadowRecord, reason};
use super::rules::Rules;
use super::shadowing::Shadowing;
use crate::request::app_load::AppLoad;
use crate::request::body_copy::BodyCopy;
use crate::request::head::RequestHead;
use crate::response::app_response::AppResponse;
use crate::response::follower::Follower;

/// The status of responses that depend on what the client already has.
const CONDITIONAL: [StatusCode; 4] = [
    StatusCode::PARTIAL_CONTENT,
    StatusCode::NOT_MODIFIED,
    StatusCode::PRECONDITION_FAILED,
    StatusCode::RANGE_NOT_SATISFIABLE,
];

/// A sampled request.
#[derive(Debug)]
pub struct Capture {
    shadowing: Arc<Shadowing>,
    /// The rules, and the index of its own rule, if a second application gets the request.
    rule: Option<(Arc<Rules>, usize)>,
    label: String,
    /// Whether it is recorded.
    records: bool,
    request: CopiedRequest,
    /// The body of the request, if it has one.
    body: Option<Arc<BodyCopy>>,
    began: Instant,
    response: Option<CapturedResponse>,
    /// What copies the response's body.
    by: Copier,
}

#[derive(Debug)]
struct CapturedResponse {
    app: Arc<AppLoad>,
    record: ShadowRecord,
    /// The `Content-Length` of the head.
    declared: Option<u64>,
    copy: Arc<BodyCopy>,
}

/// What copies the body of a response.
#[derive(Debug, PartialEq, Eq)]
enum Copier {
    /// The response, while it is sent to the client.
    Sender,
    /// Another part has copied it, or will do so before it is sent.
    Another,
}

impl Capture {
    /// Starts with the complete head.
    pub fn new(
        shadowing: Arc<Shadowing>,
        (rule, label, records): (Option<(Arc<Rules>, usize)>, String, bool),
        (head, mount): (&RequestHead, usize),
        body: Option<Arc<BodyCopy>>,
    ) -> Self {
        let request = CopiedRequest::new(head, mount);
        let (began, response, by) = (head.began, None, Copier::Sender);
        Self { shadowing, rule, label, records, request, body, began, response, by }
    }

    fn follow(&mut self, response: &mut AppResponse, app: Option<&Arc<AppLoad>>) -> Result<bool, Dropped> {
        if let AppResponse::Error(error) = response
            && reason(error) != EXCEPTION
        {
            return Err(Dropped::Refused);
        }
        // A request whose client has left has no permit any more.
        let app = Arc::clone(app.ok_or(Dropped::ClientLeft)?);
        let to = self.rule.as_ref().and_then(|(rules, place)| rules.at(*place)).map(|rule| rule.to);
        if to == Some(app.index) {
            self.rule = None;
        }
        if self.rule.is_none() && !self.records {
            return Ok(false);
        }
        let copy = Arc::new(BodyCopy::new(self.shadowing.limit));
        let took = self.began.elapsed();
        if matches!(response, AppResponse::Error(_)) {
            copy.end();
            self.by = Copier::Another;
            self.response =
                Some(CapturedResponse { app, record: ShadowRecord::failed(EXCEPTION, took), declared: None, copy });
            return Ok(true);
        }
        if let AppResponse::Whole(_, body) = response {
            copy.push(body);
            copy.end();
            self.by = Copier::Another;
        }
        let Some(head) = response.head_mut() else { return Err(Dropped::Refused) };
        if CONDITIONAL.contains(&head.status) {
            return Err(Dropped::Conditional);
        }
        if is_event_stream(&head.fields) {
            return Err(Dropped::Stream);
        }
        let declared = if head.allows_body(self.request.is_head()) { head.content_length } else { Some(0) };
        let record =
            ShadowRecord { status: head.status.as_u16(), fields: head.fields.clone(), took, ..ShadowRecord::default() };
        self.response = Some(CapturedResponse { app, record, declared, copy });
        Ok(true)
    }

    fn into_waiting(self) -> Result<QueuedRequest, Dropped> {
        let Self { rule, label, mut request, body, began, response, by, .. } = self;
        let CapturedResponse { app, mut record, declared, copy } = response.ok_or(Dropped::ClientLeft)?;
        record.body = copy.take();
        if by == Copier::Sender {
            record.took = began.elapsed();
            record.body.ended |= declared == Some(record.body.size);
        }
        if !record.body.ended {
            return Err(Dropped::ClientLeft);
        }
        if let Some(body) = body {
            request.body = body.take();
            if !request.body.is_complete() {
                return Err(Dropped::Body);
            }
        }
        Ok(QueuedRequest { rule, label, request: Arc::new(request), app, primary: Arc::new(record) })
    }
}

impl Follower for Capture {
    fn request_body(&self) -> Option<Arc<BodyCopy>> {
        self.body.clone()
    }

    fn responded(&mut self, response: &mut AppResponse, app: Option<&Arc<AppLoad>>) -> bool {
        let dropped = match self.follow(response, app) {
            Ok(followed) => return followed,
            Err(dropped) => dropped,
        };
        self.shadowing.counters.dropped(dropped);
        false
    }

    fn copy_elsewhere(&mut self) -> Option<Arc<BodyCopy>> {
        self.by = Copier::Another;
        self.response.as_ref().map(|response| Arc::clone(&response.copy))
    }

    fn passed(&self, chunk: &[u8]) {
        if let Some(response) = self.response.as_ref().filter(|_| self.by == Copier::Sender) {
            response.copy.push(chunk);
        }
    }

    fn ended(&self) {
        if let Some(response) = self.response.as_ref().filter(|_| self.by == Copier::Sender) {
            response.copy.end();
        }
    }

    fn over(self: Box<Self>) {
        let shadowing = Arc::clone(&self.shadowing);
        let records = self.records;
        match self.into_waiting() {
            Ok(waiting) => {
                if records {
                    shadowing.hand_over(Box::new(waiting.recorded()));
                }
                if waiting.rule.is_some() {
                    shadowing.enqueue(Box::new(waiting));
                }
            }
            Err(dropped) => shadowing.counters.dropped(dropped),
        }
    }
}

fn is_event_stream(fields: &ResponseFields) -> bool {
    let named = fields.get(&CONTENT_TYPE).and_then(|value| value.as_bytes().get(..17));
    named.is_some_and(|name| name.eq_ignore_ascii_case(b"text/event-stream"))
}
