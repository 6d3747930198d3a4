//! Large buffers on huge pages, where the system offers them.
//!
//! Touching hundreds of megabytes page by page costs as much as transforming them: every 4 KiB is a fault. On Linux the
//! kernel is asked for 2 MiB pages; if it refuses, nothing but time is lost.

use rayon::prelude::*;

use crate::lanes::Row;

/// `len` rows of zeros, first touched by all threads.
pub(crate) fn zeros(len: usize) -> Vec<Row> {
    let mut rows = Vec::with_capacity(len);
    prefer_huge(&mut rows);
    rows.par_extend((0..len).into_par_iter().map(|_| Row::default()));
    rows
}

#[cfg(target_os = "linux")]
fn prefer_huge(rows: &mut Vec<Row>) {
    const HUGE: usize = 2 << 20;
    let room = rows.spare_capacity_mut();
    let (start, size) = (room.as_mut_ptr() as usize, size_of_val(room));
    let first = start.next_multiple_of(HUGE);
    let end = (start + size) / HUGE * HUGE;
    if first < end {
        // SAFETY: the range lies within the vector's allocation, and the advice changes no content. Whether the kernel
        // takes it does not matter.
        unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge(_: &mut Vec<Row>) {}
