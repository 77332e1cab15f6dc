//! `lotwise doctor`: looks at an installation and says, a line a check, what is wrong and what to do.
//!
//! Only reads. Knows the database and the address of the ingest service; must not know how queries
//! are answered.

mod database;
mod readers;
mod roles;
mod rollups;
mod sensors;
mod service;
mod spool;

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;

use crate::ingest::spool::MAX_BYTES;

/// Check the database, the roles, the sensors, the ingest service and its spool; exit code 1 if a check fails
#[derive(Debug, clap::Args)]
pub struct Args {
    /// postgres://OWNER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Address of the ingest service, such as http://127.0.0.1:8086; not checked without
    #[arg(long)]
    pub url: Option<String>,
    /// Authority of the service's certificate (PEM), where the system does not know it
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// Certificate and key to show to the service (PEM), where it asks for one
    #[arg(long, value_name = "FILE", requires = "url")]
    pub client_cert: Option<PathBuf>,
    /// Directory of the ingest service's spool; not checked without
    #[arg(long, env = "LOTWISE_SPOOL", value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Most bytes in that directory
    #[arg(long, env = "LOTWISE_SPOOL_MAX_BYTES", value_name = "N", default_value_t = MAX_BYTES)]
    pub spool_max_bytes: u64,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What a check found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    check: String,
    found: String,
    advice: Option<String>,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        let (check, found) = (check.into(), found.into());
        Self { verdict: Verdict::Ok, check, found, advice: None }
    }

    fn warn(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, advice: Some(advice.into()), ..Self::ok(check, found) }
    }

    fn fail(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, found, advice) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        // A driver's message may have lines; a check has one.
        let found = self.found.replace('\n', " ");
        write!(f, "{verdict:<4}  {:<20}  {found}", self.check)?;
        match &self.advice {
            Some(advice) => write!(f, " -> {advice}"),
            None => Ok(()),
        }
    }
}

/// Prints what the checks find.
///
/// # Errors
/// When one of them fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut failed = 0;
    let mut print = |findings: Vec<Finding>| {
        for finding in findings {
            failed += u32::from(finding.verdict == Verdict::Fail);
            println!("{finding}");
        }
    };
    print(database::check(&args.database_url).await);
    if let Some(url) = &args.url {
        print(service::check(url, args.ca.as_deref(), args.client_cert.as_deref()).await);
    }
    if let Some(path) = &args.spool {
        print(spool::check(path, args.spool_max_bytes));
    }
    match failed {
        0 => Ok(()),
        1 => bail!("1 check failed"),
        n => bail!("{n} checks failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::Finding;

    #[test]
    fn a_finding_is_one_line() {
        let lines = [
            Finding::ok("database", "here").to_string(),
            Finding::fail("schema", "old\nvery", "migrate").to_string(),
        ];
        assert_eq!(
            lines,
            ["OK    database              here", "FAIL  schema                old very -> migrate"]
        );
    }
}
