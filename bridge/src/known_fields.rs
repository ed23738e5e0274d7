//! The fields of responses, parsed once for each object that an application gives as a name.
//!
//! Kept apart because nothing else needs to know: most applications name their fields with the same few objects, constants of
//! their code, and many give them the same values. What is known here of an object holds while it is kept alive.
//!
//! Spec: RFC 9110 5.1, 5.5.

use std::sync::{Mutex, PoisonError};

use http::header::{HeaderName, HeaderValue};
use pyo3::prelude::*;

/// How many names are known.
const PLACES: usize = 64;

/// So many other values, and none is kept any longer.
const CHANGES: u8 = 4;

/// What is known of the objects of one kind: text or bytes.
pub struct KnownFields(Mutex<[Option<Known>; PLACES]>);

struct Known {
    object: Py<PyAny>,
    name: HeaderName,
    value: Option<HeaderValue>,
    /// How often the value was another one.
    changes: u8,
}

impl KnownFields {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(Mutex::new([const { None }; PLACES]))
    }

    /// What `object` names, and the value that it is known with; `None` where nothing is known.
    pub fn find(&self, object: &Bound<'_, PyAny>) -> Option<(HeaderName, Option<HeaderValue>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(place(object))?.as_ref().filter(|known| known.object.is(object))?;
        Some((known.name.clone(), known.value.clone()))
    }

    /// Remembers what `object` names, and the value that came with it.
    pub fn keep(&self, object: &Bound<'_, PyAny>, name: &HeaderName, value: &HeaderValue) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = known.get_mut(place(object)) else { return };
        if let Some(same) = place.as_mut().filter(|same| same.object.is(object)) {
            same.changes = same.changes.saturating_add(1);
            same.value = (same.changes < CHANGES).then(|| value.clone());
            return;
        }
        let new = Known { object: object.clone().unbind(), name: name.clone(), value: Some(value.clone()), changes: 0 };
        let before = place.replace(new);
        // What dies is Python's: not while others wait.
        drop(known);
        drop(before);
    }
}

/// Objects stand at multiples of 16.
fn place(object: &Bound<'_, PyAny>) -> usize {
    (object.as_ptr().addr() >> 4) % PLACES
}
