//! The allocator, mimalloc, and how soon it returns unused memory.
//!
//! This file calls the C library directly. The usual binding asks for an alignment with every block. Blocks above a
//! kilobyte then take a slower path and a larger size.
//!
//! With `--cfg system_allocator`, Rust's own allocator stays: `AddressSanitizer` sees errors only in blocks of that one.
#![expect(unsafe_code, reason = "an allocator hands out bare memory, and this one is in C")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;

use libmimalloc_sys as mi;

#[cfg_attr(not(system_allocator), global_allocator)]
#[cfg_attr(system_allocator, expect(dead_code, reason = "nothing allocates with it"))]
static ALLOCATOR: Mimalloc = Mimalloc;

struct Mimalloc;

/// mimalloc aligns every block of at least this size to it, in bytes.
const NATURAL: usize = 16;

fn is_natural(layout: &Layout, size: usize) -> bool {
    layout.align() <= NATURAL && layout.align() <= size
}

// SAFETY: these functions work like `malloc`, and keep the rules of the trait: a block belongs to the caller until it
// is freed. It has the size that was asked for, and the alignment, which is either natural for its size or was asked
// for.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        // SAFETY: the function takes any size, and any power of two as the alignment.
        let block = unsafe {
            if is_natural(&layout, size) { mi::mi_malloc(size) } else { mi::mi_malloc_aligned(size, layout.align()) }
        };
        block.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        // SAFETY: as above.
        let block = unsafe {
            if is_natural(&layout, size) { mi::mi_zalloc(size) } else { mi::mi_zalloc_aligned(size, layout.align()) }
        };
        block.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller's block comes from this allocator.
        unsafe { mi::mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let block = block.cast();
        // SAFETY: as above, and the new size is not 0.
        let block = unsafe {
            if is_natural(&layout, size) {
                mi::mi_realloc(block, size)
            } else {
                mi::mi_realloc_aligned(block, size, layout.align())
            }
        };
        block.cast()
    }
}

/// `mi_option_purge_delay`. The binding does not have it. It is the option before `mi_option_use_numa_nodes`.
const PURGE_DELAY: mi::mi_option_t = mi::mi_option_use_numa_nodes - 1;

/// mimalloc returns memory to the system during a later allocation. Its own delay is a second. After a burst of
/// connections, there may be no allocation so late.
const MILLISECONDS: c_long = 100;

/// Returns memory soon, unless the environment has `MIMALLOC_PURGE_DELAY`.
pub fn give_back_soon() {
    // SAFETY: the function takes any number, and the option exists.
    unsafe { mi::mi_option_set_default(PURGE_DELAY, MILLISECONDS) };
}
