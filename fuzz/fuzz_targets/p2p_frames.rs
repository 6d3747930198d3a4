#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    starling_fuzz_targets::p2p_frames(data);
});
