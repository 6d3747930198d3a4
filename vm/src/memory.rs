//! The machine's memory: 2^24 words of four elements, zero until written.

use crate::field::{Felt, Word};
use crate::isa::MEMORY_WORDS;

const PAGE_BITS: u32 = 10;
const PAGE: usize = 1 << PAGE_BITS;

/// Paged memory; a page is allocated when it is first written.
#[derive(Clone, Debug)]
pub struct Memory {
    pages: Vec<Option<Box<[Word; PAGE]>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            pages: vec![None; (MEMORY_WORDS >> PAGE_BITS) as usize],
        }
    }
}

impl Memory {
    /// The word at `address`, or `None` when the address is out of range.
    #[inline]
    pub fn read(&self, address: u64) -> Option<Word> {
        let page = self.pages.get(usize::try_from(address >> PAGE_BITS).ok()?)?;
        Some(
            page.as_ref()
                .map_or([Felt::new(0); 4], |page| page[address as usize % PAGE]),
        )
    }

    /// Writes the word at `address`; `None` when the address is out of range.
    #[inline]
    pub fn write(&mut self, address: u64, word: Word) -> Option<()> {
        let page = self.pages.get_mut(usize::try_from(address >> PAGE_BITS).ok()?)?;
        page.get_or_insert_with(|| Box::new([[Felt::new(0); 4]; PAGE]))[address as usize % PAGE] = word;
        Some(())
    }
}
