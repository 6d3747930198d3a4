//! Large buffers on huge pages, where the system offers them.
//!
//! Filling gigabytes page by page costs as much as transforming them: every 4 KiB is a fault. On Linux the kernel is
//! asked for 2 MiB pages; if it refuses, nothing but time is lost.

use core::mem::MaybeUninit;

use crate::lanes::Row;

/// A vector with room for `len` rows and none in it.
pub(crate) fn with_room(len: usize) -> Vec<Row> {
    let mut rows = Vec::with_capacity(len);
    prefer_huge(rows.spare_capacity_mut());
    rows
}

/// `len` rows, written by `fill`, which returns them.
///
/// # Panics
/// When `fill` returns anything else than all of its argument.
pub(crate) fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<Row>]) -> &mut [Row]) -> Vec<Row> {
    let mut rows = with_room(len);
    let room = &mut rows.spare_capacity_mut()[..len];
    let start = room.as_ptr().cast::<Row>();
    let written = fill(room);
    assert!(written.len() == len && written.as_ptr() == start, "a buffer is filled");
    // SAFETY: `written` is what `room` was, and made of initialised rows.
    unsafe { rows.set_len(len) };
    rows
}

#[cfg(target_os = "linux")]
fn prefer_huge(room: &mut [MaybeUninit<Row>]) {
    const HUGE: usize = 2 << 20;
    let (start, size) = (room.as_mut_ptr() as usize, size_of_val(room));
    let first = start.next_multiple_of(HUGE);
    let end = (start + size) / HUGE * HUGE;
    if first < end {
        // SAFETY: the range lies within `room`, and the advice changes no content. Its result does not matter.
        unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge(_: &mut [MaybeUninit<Row>]) {}
