//! The most memory that the plugin holds while it answers with a million points.

use anyhow::Context;

use super::cases::{self, Asked};
use super::{panel_query, query_once};
use crate::report::Figure;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, Plugin};

/// Peak over the memory before, beside the bytes of the result. Of a process of its own, whose only
/// large answer this is; asked for a small one before, so that pool and catalog are there.
pub async fn million(
    program: &std::path::Path,
    source: &DataSource,
    lines: i64,
) -> anyhow::Result<Figure> {
    let plugin = Plugin::launch(&Launch::new(program), source.clone()).await;
    let case = cases::million(lines);
    let Asked::Query { model, range } = &case.asked else { anyhow::bail!("no query") };
    let short = (range.0, range.0 + chrono::TimeDelta::hours(1));
    query_once(&plugin, panel_query("A", model, short)).await?;
    let pid = plugin.host.pid().context("the plugin has ended")?;
    let before = status_mb(pid, "VmRSS:")?;
    let (_, bytes) = query_once(&plugin, panel_query("A", model, *range)).await?;
    let peak = status_mb(pid, "VmHWM:")? - before;
    let result = bytes as f64 / 1e6;
    Ok(Figure::new("million_points, peak memory".to_owned(), peak, "MB", Some(result)))
}

/// A figure of `/proc/PID/status`, MB.
pub fn status_mb(pid: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name.to_owned())?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb * 1024.0 / 1e6)
}
