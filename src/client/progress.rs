//! Progress of a long post: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a line is printed when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Counts rows on the way to the API.
#[derive(Debug)]
pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts to count `total` rows of `what`.
    pub fn new(what: &str, total: u64) -> Self {
        let template = "{msg} [{bar:40}] {human_pos}/{human_len} {per_sec}, {eta} left";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::new(total)
                .with_style(style.progress_chars("=> "))
                .with_message(what.to_owned())
        });
        let now = Instant::now();
        Self { what: what.to_owned(), total, done: 0, started: now, last_line: now, bar }
    }

    /// Counts `rows` more.
    pub fn add(&mut self, rows: u64) {
        self.done += rows;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                let percent = 100.0 * self.done as f64 / self.total.max(1) as f64;
                eprintln!(
                    "{}: {} of {} ({percent:.0} %)",
                    self.what,
                    HumanCount(self.done),
                    HumanCount(self.total)
                );
            }
            None => {}
        }
    }

    /// Ends the count and says how long it took.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (self.done as f64 / seconds.max(1e-3)) as u64;
        eprintln!(
            "{}: {} in {seconds:.1} s ({} a second)",
            self.what,
            HumanCount(self.done),
            HumanCount(rate)
        );
    }
}
