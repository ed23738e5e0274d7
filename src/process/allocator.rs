//! The allocator, and how soon it returns unused memory.
//!
//! Only this file calls the C library. The usual binding of the library asks for every block with an alignment. Blocks
//! above a kilobyte then take a slower path and a larger size.
#![expect(unsafe_code, reason = "an allocator hands out bare memory, and this one is in C")]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;

use libmimalloc_sys as mi;

#[global_allocator]
static ALLOCATOR: Mimalloc = Mimalloc;

struct Mimalloc;

/// What every block is aligned to that is as large.
const NATURAL: usize = 16;

fn is_natural(layout: &Layout, size: usize) -> bool {
    layout.align() <= NATURAL && layout.align() <= size
}

// SAFETY: the functions are `malloc` and its like, which keep what the trait wants: a block is the caller's alone until it is
// freed, has the size that was asked for and the alignment, which is either natural to its size or asked for.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        // SAFETY: any size and any power of two will do.
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
        // SAFETY: the caller's block is one of this allocator's.
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

/// `mi_option_purge_delay`, which the binding leaves out; it comes before the one that it does not.
const PURGE_DELAY: mi::mi_option_t = mi::mi_option_use_numa_nodes - 1;

/// Memory is given back at a later allocation. A second, which is the allocator's own delay, is so long that after a burst of
/// connections none may follow.
const MILLISECONDS: c_long = 100;

/// Gives memory back soon, unless the environment has `MIMALLOC_PURGE_DELAY`.
pub fn give_back_soon() {
    // SAFETY: the function takes any number, and the option is one.
    unsafe { mi::mi_option_set_default(PURGE_DELAY, MILLISECONDS) };
}
