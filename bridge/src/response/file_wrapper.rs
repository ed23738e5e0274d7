//! `wsgi.file_wrapper`: an application returns a file in it, so that the server can send it fast.
//!
//! Middleware can also use it as an ordinary iterable.
//!
//! Spec: PEP 3333 "Optional Platform-Specific File Handling".

use std::fs::File;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::response::sink::{FileBody, of_known_length};

/// Wraps a file-like object. Its iterator returns blocks of `block_size` bytes.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct FileWrapper {
    /// The object with `read`, and possibly `fileno`, `tell` and `close`.
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    block_size: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size = 65536))]
    fn new(filelike: Py<PyAny>, block_size: usize) -> Self {
        Self { filelike, block_size }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.filelike.bind(py).call_method1(intern!(py, "read"), (self.block_size,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Closes the wrapped object, if it has `close`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(close) = self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            close.call0()?;
        }
        Ok(())
    }
}

impl FileWrapper {
    /// The regular file of the object, from its current position on. `None` if there is none.
    ///
    /// The file is opened again from its descriptor. So it has its own position, and the application can close the
    /// original.
    pub fn regular_file(&self, py: Python<'_>) -> Option<FileBody> {
        let filelike = self.filelike.bind(py);
        let descriptor: i32 = filelike.call_method0(intern!(py, "fileno")).ok()?.extract().ok()?;
        let offset: u64 = filelike.call_method0(intern!(py, "tell")).ok()?.extract().ok()?;
        // A text file or a compressed file also has a descriptor, but `read` does not return its bytes.
        let probe = filelike.call_method1(intern!(py, "read"), (0,)).ok()?;
        let raw = py.import("io").ok()?.getattr(intern!(py, "BufferedIOBase")).ok()?;
        let binary = probe.is_instance_of::<PyBytes>() && filelike.is_instance(&raw).ok()?;
        let module = filelike.get_type().module().ok()?;
        if !binary || !matches!(module.to_str().ok()?, "_io" | "io") {
            return None;
        }
        let file = File::open(format!("/dev/fd/{descriptor}")).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let file = py.detach(|| of_known_length(file)).ok()?;
        let metadata = file.metadata().ok()?;
        let length = metadata.len().checked_sub(offset)?;
        let path = filelike.getattr(intern!(py, "name")).and_then(|name| name.extract()).ok();
        Some(FileBody { file, offset, length, path, stamp: None })
    }
}
