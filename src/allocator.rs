//! The allocator, and how soon it gives back what nobody uses.
//!
//! Kept apart because its options are numbers of a C library, which nothing else is to know.
#![expect(unsafe_code, reason = "the allocator's options are set by a function of C")]

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set_default, mi_option_t, mi_option_use_numa_nodes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the binding leaves out; it comes before the one that it does not.
const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;

/// Memory is given back at a later allocation. A second, which is the allocator's own delay, is so long that after a burst of
/// connections none may follow.
const MILLISECONDS: c_long = 100;

/// Gives memory back soon, unless the environment has `MIMALLOC_PURGE_DELAY`.
pub fn give_back_soon() {
    // SAFETY: the function takes any number, and the option is one.
    unsafe { mi_option_set_default(PURGE_DELAY, MILLISECONDS) };
}
