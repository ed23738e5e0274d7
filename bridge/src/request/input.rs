//! `wsgi.input`: a file-like object over a blocking source of bytes.
//!
//! It behaves like `io.BytesIO`: the same calls return the same results, however the body is divided into pieces. If
//! the body breaks off, it raises an exception. That never looks like the end.
//!
//! Spec: PEP 3333 "Input and Error Streams".

use bytes::{Buf, Bytes};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::error::BodyError;
use crate::gil_lock::{GilGuard, GilLock};
use crate::request::source::{BodySource, shared};
use crate::spare::{Spare, has_only};

/// The request body of one WSGI call.
#[pyclass(frozen, name = "WsgiInput", module = "rsgi._rsgi")]
#[derive(Debug)]
pub struct Input {
    /// A thread that waits for more of the body keeps the lock without the GIL.
    state: GilLock<InputState>,
}

#[derive(Debug)]
struct InputState {
    /// Bytes that have arrived and were not read yet.
    buffer: Bytes,
    source: BodySource,
}

/// Empty inputs of earlier calls that nobody else has.
static SPARE: Spare<Py<Input>> = Spare::new();

impl Input {
    /// An input that reads from `source`.
    pub fn new(source: BodySource) -> Self {
        Self { state: GilLock::new(InputState { buffer: Bytes::new(), source }) }
    }

    /// An input for one call. It is the object of an earlier call, if there is one that no application has kept.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn of_call(py: Python<'_>, source: BodySource) -> PyResult<Bound<'_, Self>> {
        let Some(input) = SPARE.take(py) else { return Bound::new(py, Self::new(source)) };
        let input = input.into_bound(py);
        input.get().lock(py)?.source = source;
        Ok(input)
    }

    /// Keeps the input for another call, if it is empty and the application has not kept it.
    pub fn give_back(input: Bound<'_, Self>) {
        let unread =
            |state: GilGuard<'_, InputState>| matches!(state.source, BodySource::Empty) && state.buffer.is_empty();
        if has_only(&input, 1) && input.get().state.try_lock(input.py()).is_some_and(unread) {
            SPARE.give_back(input.py(), input.unbind());
        }
    }

    /// Why the body broke off, if it did. Also `None` while a thread reads it.
    pub fn failure(&self, py: Python<'_>) -> Option<BodyError> {
        self.state.try_lock(py).and_then(|state| state.source.failure())
    }

    /// Locks without waiting. A second thread would wait here with the GIL, and the first thread could not continue.
    fn lock<'a>(&'a self, py: Python<'a>) -> PyResult<GilGuard<'a, InputState>> {
        self.state.try_lock(py).ok_or_else(|| PyRuntimeError::new_err("wsgi.input is being read by another thread"))
    }
}

#[pymethods]
impl Input {
    /// Reads from `bytes`, or from an iterable of `bytes`, which is continued when more is read.
    #[new]
    fn from_python(body: &Bound<'_, PyAny>) -> PyResult<Self> {
        let source = match body.cast::<PyBytes>() {
            Ok(bytes) => BodySource::Bytes(shared(bytes)),
            Err(_) => BodySource::Iterator(body.try_iter()?.into_any().unbind()),
        };
        Ok(Self::new(source))
    }

    /// Reads `size` bytes, or fewer at the end of the body. Without `size`, reads the whole body.
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let mut guard = self.lock(py)?;
        let state = &mut *guard;
        let mut read = ReadPieces::new(limit(size));
        while !state.gather(&mut read) {
            if !py.detach(|| state.wait_for(read.missing())).map_err(|error| PyErr::from(&error))? {
                break;
            }
        }
        read.joined(py)
    }

    /// Reads one line with its line end, at most `size` bytes.
    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = self.lock(py)?;
        let line = state.readline(py, limit(size))?;
        Ok(PyBytes::new(py, &line))
    }

    /// Reads lines until the end, or until they have `hint` bytes.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let mut state = self.lock(py)?;
        let enough = hint.and_then(|hint| usize::try_from(hint).ok()).filter(|hint| *hint > 0);
        let lines = PyList::empty(py);
        let mut total = 0;
        loop {
            let line = state.readline(py, usize::MAX)?;
            if line.is_empty() {
                return Ok(lines);
            }
            total += line.len();
            lines.append(PyBytes::new(py, &line))?;
            if enough.is_some_and(|enough| total >= enough) {
                return Ok(lines);
            }
        }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut state = self.lock(py)?;
        let line = state.readline(py, usize::MAX)?;
        Ok((!line.is_empty()).then(|| PyBytes::new(py, &line)))
    }
}

impl InputState {
    /// Fills the empty buffer. Returns `false` at the end.
    fn fill(&mut self) -> Result<bool, BodyError> {
        if let Some(chunk) = self.source.next_chunk()? {
            self.buffer = chunk;
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes what has arrived, up to the wanted size. Returns `false` if more is wanted and may come.
    fn gather(&mut self, read: &mut ReadPieces) -> bool {
        while read.missing() > 0 {
            if self.buffer.is_empty() {
                let Some(chunk) = self.source.ready_chunk() else { return self.source.is_empty() };
                self.buffer = chunk;
            }
            read.add(self.buffer.split_to(read.missing().min(self.buffer.len())));
        }
        true
    }

    /// Blocks until `missing` bytes have arrived, or a pipe is full, and fills the empty buffer. Returns `false` at the
    /// end.
    fn wait_for(&mut self, missing: usize) -> Result<bool, BodyError> {
        self.source.wait_for(missing);
        self.fill()
    }

    fn readline(&mut self, py: Python<'_>, wanted: usize) -> PyResult<Bytes> {
        if let Some(line) = self.whole_line(wanted) {
            return Ok(line);
        }
        py.detach(|| self.readline_blocking(wanted)).map_err(|error| PyErr::from(&error))
    }

    /// A line whose end is in the buffer.
    fn whole_line(&mut self, wanted: usize) -> Option<Bytes> {
        let searched = self.buffer.get(..wanted.min(self.buffer.len()))?;
        let end = searched.iter().position(|&byte| byte == b'\n').map(|newline| newline + 1);
        let end = end.or((searched.len() == wanted).then_some(wanted))?;
        Some(self.buffer.split_to(end))
    }

    fn readline_blocking(&mut self, wanted: usize) -> Result<Bytes, BodyError> {
        let mut line = Vec::new();
        while line.len() < wanted && (!self.buffer.is_empty() || self.fill()?) {
            if let Some(rest) = self.whole_line(wanted - line.len()) {
                line.extend_from_slice(&rest);
                break;
            }
            line.extend_from_slice(&self.buffer);
            self.buffer.advance(self.buffer.len());
        }
        Ok(Bytes::from(line))
    }
}

/// The pieces of one call of `read`. They are joined once, in the memory of the Python object.
struct ReadPieces {
    wanted: usize,
    length: usize,
    list: Vec<Bytes>,
}

impl ReadPieces {
    fn new(wanted: usize) -> Self {
        Self { wanted, length: 0, list: Vec::new() }
    }

    fn missing(&self) -> usize {
        self.wanted - self.length
    }

    fn add(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.list.push(piece);
    }

    fn joined<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if let [piece] = self.list.as_slice() {
            return Ok(PyBytes::new(py, piece));
        }
        PyBytes::new_with(py, self.length, |mut rest| {
            for piece in &self.list {
                let (here, behind) = rest.split_at_mut(piece.len());
                here.copy_from_slice(piece);
                rest = behind;
            }
            Ok(())
        })
    }
}

fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::pipe;

    fn state(chunks: &[&'static [u8]]) -> InputState {
        let (writer, reader) = pipe(1);
        for chunk in chunks {
            writer.push(Bytes::from_static(chunk)).unwrap();
        }
        writer.finish();
        InputState { buffer: Bytes::new(), source: BodySource::Pipe(reader) }
    }

    fn read(state: &mut InputState, wanted: usize) -> Result<Vec<u8>, BodyError> {
        let mut read = ReadPieces::new(wanted);
        while !state.gather(&mut read) && state.wait_for(read.missing())? {}
        Ok(read.list.concat())
    }

    #[test]
    fn a_read_joins_chunks_and_keeps_the_rest() {
        let mut state = state(&[b"ab", b"", b"cde", b"f"]);
        assert_eq!(read(&mut state, 3).unwrap(), b"abc");
        assert_eq!(read(&mut state, 0).unwrap(), b"");
        assert_eq!(read(&mut state, usize::MAX).unwrap(), b"def");
        assert_eq!(read(&mut state, usize::MAX).unwrap(), b"");
    }

    #[test]
    fn lines_are_whole_whatever_the_chunks() {
        let mut state = state(&[b"a", b"\nb", b"c\n", b"last"]);
        assert_eq!(state.readline_blocking(usize::MAX).unwrap(), "a\n");
        assert_eq!(state.readline_blocking(1).unwrap(), "b");
        assert_eq!(state.readline_blocking(0).unwrap(), "");
        assert_eq!(state.readline_blocking(usize::MAX).unwrap(), "c\n");
        assert_eq!(state.readline_blocking(usize::MAX).unwrap(), "last");
        assert_eq!(state.readline_blocking(usize::MAX).unwrap(), "");
    }

    #[test]
    fn a_broken_body_is_an_error_and_stays_one() {
        let (writer, reader) = pipe(1);
        writer.push(Bytes::from_static(b"abc")).unwrap();
        drop(writer);
        let mut state = InputState { buffer: Bytes::new(), source: BodySource::Pipe(reader) };
        assert_eq!(read(&mut state, 2).unwrap(), b"ab");
        assert_eq!(read(&mut state, 5), Err(BodyError::Disconnected));
        assert_eq!(read(&mut state, usize::MAX), Err(BodyError::Disconnected));
    }
}
