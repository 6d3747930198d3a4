//! What a measured process knows of itself: its memory, its processor time, and how it was built. The peer's program
//! includes this file, so that both are measured alike.

use std::error::Error;
use std::fs;

use serde_json::{Value, json};

/// Peak memory of this process.
pub(crate) fn peak_gb() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(peak.parse::<f64>()? / 1e6)
}

/// Processor time that this process has used, all threads together. On a machine that does other work as well it says
/// more than the clock.
pub(crate) fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field, the name, may contain spaces; utime and stime are the 14th and 15th, in ticks of 10 ms.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/self/stat has no name")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    match fields[..] {
        [_, _, _, _, _, _, _, _, _, _, _, user, system, ..] => {
            Ok((user.parse::<f64>()? + system.parse::<f64>()?) / 100.0)
        }
        _ => Err("/proc/self/stat is too short".into()),
    }
}

/// What must be the same in two programs for their times to be comparable.
pub(crate) fn build() -> Value {
    let features = [
        (cfg!(target_feature = "bmi2"), "bmi2"),
        (cfg!(target_feature = "avx2"), "avx2"),
        (cfg!(target_feature = "avx512f"), "avx512f"),
    ];
    json!({
        "threads": rayon::current_num_threads(),
        "features": features.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>(),
    })
}
