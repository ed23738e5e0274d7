//! A lock for short accesses by threads that hold the GIL.
//!
//! The GIL already lets one thread at a time through. So an access needs no atomic operation, of which a mutex needs two,
//! and each of them takes as long as about twenty other instructions. A request uses a dozen such places. Without the
//! GIL (free-threaded Python), this is a mutex.
#![cfg_attr(
    not(Py_GIL_DISABLED),
    expect(unsafe_code, reason = "the compiler cannot see that the GIL lets one thread through at a time")
)]

pub use self::inner::{GilGuard, GilLock};

impl<T: Default> Default for GilLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(not(Py_GIL_DISABLED))]
mod inner {
    use std::cell::UnsafeCell;
    use std::marker::PhantomData;
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::{AtomicBool, Ordering};

    use pyo3::PyVisit;
    use pyo3::prelude::*;

    /// A value that is only used by threads that hold the GIL.
    #[derive(Debug)]
    pub struct GilLock<T> {
        /// There is a guard. This is read and written apart, which is right only with the GIL.
        busy: AtomicBool,
        value: UnsafeCell<T>,
    }

    // SAFETY: the value is reached through a guard only, and guards are made and used with the GIL. A thread that gets the
    // GIL sees what the one before it has written. The value may move between threads in this way, thus `T: Send`.
    unsafe impl<T: Send> Sync for GilLock<T> {}

    /// The access to the value, until this is dropped. It stays with its thread, which thus has the GIL.
    #[derive(Debug)]
    pub struct GilGuard<'a, T> {
        lock: &'a GilLock<T>,
        not_send: PhantomData<*const ()>,
    }

    impl<T> GilLock<T> {
        /// Locks `value`.
        pub const fn new(value: T) -> Self {
            Self { busy: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        /// The access to the value.
        ///
        /// # Panics
        /// When there is another guard, where a mutex would wait forever. That cannot be if nobody runs Python code or
        /// releases the GIL while there is one; so nobody may.
        #[inline]
        pub fn lock<'a>(&'a self, py: Python<'a>) -> GilGuard<'a, T> {
            self.try_lock(py).unwrap_or_else(|| already_locked())
        }

        /// The access to the value. `None` if there is another guard.
        #[inline]
        pub fn try_lock<'a>(&'a self, _py: Python<'a>) -> Option<GilGuard<'a, T>> {
            self.lock_if_free()
        }

        /// The same for `__traverse__`, which the garbage collector calls with the GIL.
        #[inline]
        pub fn try_lock_to_visit<'a>(&'a self, _visit: &'a PyVisit<'_>) -> Option<GilGuard<'a, T>> {
            self.lock_if_free()
        }

        #[inline]
        fn lock_if_free(&self) -> Option<GilGuard<'_, T>> {
            if self.busy.load(Ordering::Relaxed) {
                return None;
            }
            self.busy.store(true, Ordering::Relaxed);
            Some(GilGuard { lock: self, not_send: PhantomData })
        }
    }

    #[cold]
    #[expect(clippy::panic, reason = "to go on would be wrong, and to wait would be forever")]
    fn already_locked() -> ! {
        panic!("Python code was run, or the GIL was released, inside a lock of the GIL");
    }

    impl<T> Deref for GilGuard<'_, T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            // SAFETY: there is one guard at a time, also if its thread has released the GIL meanwhile.
            unsafe { &*self.lock.value.get() }
        }
    }

    impl<T> DerefMut for GilGuard<'_, T> {
        #[inline]
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: as above.
            unsafe { &mut *self.lock.value.get() }
        }
    }

    impl<T> Drop for GilGuard<'_, T> {
        #[inline]
        fn drop(&mut self) {
            self.lock.busy.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(Py_GIL_DISABLED)]
mod inner {
    use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

    use pyo3::PyVisit;
    use pyo3::prelude::*;

    /// A value that one thread at a time uses.
    #[derive(Debug)]
    pub struct GilLock<T>(Mutex<T>);

    /// The access to the value, until this is dropped.
    pub type GilGuard<'a, T> = MutexGuard<'a, T>;

    impl<T> GilLock<T> {
        /// Locks `value`.
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// The access to the value. Waits for other threads.
        pub fn lock<'a>(&'a self, _py: Python<'a>) -> GilGuard<'a, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// The access to the value. `None` if another thread has it.
        pub fn try_lock<'a>(&'a self, _py: Python<'a>) -> Option<GilGuard<'a, T>> {
            self.lock_if_free()
        }

        /// The same for `__traverse__`, which has no `py`.
        pub fn try_lock_to_visit<'a>(&'a self, _visit: &'a PyVisit<'_>) -> Option<GilGuard<'a, T>> {
            self.lock_if_free()
        }

        fn lock_if_free(&self) -> Option<GilGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(value) => Some(value),
                Err(TryLockError::Poisoned(value)) => Some(PoisonError::into_inner(value)),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use pyo3::prelude::*;

    use super::*;

    #[test]
    fn there_is_one_guard_at_a_time() {
        Python::initialize();
        Python::attach(|py| {
            let lock = GilLock::new(1);
            let guard = lock.lock(py);
            assert!(lock.try_lock(py).is_none());
            drop(guard);
            assert_eq!(lock.try_lock(py).as_deref(), Some(&1));
        });
    }

    #[test]
    fn a_guard_keeps_other_threads_out_even_if_its_thread_releases_the_gil() {
        Python::initialize();
        let lock = GilLock::new(0);
        let is_free =
            || std::thread::scope(|scope| scope.spawn(|| Python::attach(|py| lock.try_lock(py).is_some())).join());
        Python::attach(|py| {
            let guard = lock.lock(py);
            assert!(matches!(py.detach(is_free), Ok(false)));
            drop(guard);
            assert!(matches!(py.detach(is_free), Ok(true)));
        });
    }

    #[test]
    fn a_panic_ends_the_access() {
        Python::initialize();
        Python::attach(|py| {
            let lock = GilLock::new(());
            let access = || {
                let _guard = lock.lock(py);
                panic!("an access that fails");
            };
            assert!(catch_unwind(AssertUnwindSafe(access)).is_err());
            assert!(lock.try_lock(py).is_some());
        });
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        Python::initialize();
        let count = GilLock::new(0_u32);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        Python::attach(|py| *count.lock(py) += 1);
                    }
                });
            }
        });
        assert_eq!(Python::attach(|py| *count.lock(py)), 4000);
    }
}
