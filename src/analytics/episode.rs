//! One cause, one event: exceedances of a machine's charts are gathered into episodes.

use super::charts::Chart;

/// Which rule raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A control chart of a running machine.
    Chart(Chart),
    /// The chart of several channels together.
    Joint,
    /// Power at rest.
    Resting,
    /// A repeated value.
    Stuck,
}

/// One rule beyond its limit in one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exceedance {
    /// Position of the channel.
    pub channel: usize,
    /// Which rule.
    pub rule: Rule,
    /// Standardised deviation, with its sign.
    pub z: f64,
    /// The limit that it is beyond.
    pub limit: f64,
    /// Whether it has lasted long enough to raise by itself.
    pub lasting: bool,
    /// Cells for which it has been there already.
    pub cells: u32,
}

/// What one channel and rule did in an episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Position of the channel.
    pub channel: usize,
    /// Which rule.
    pub rule: Rule,
    /// Most extreme standardised deviation, with its sign.
    pub peak: f64,
    /// The limit.
    pub limit: f64,
    /// Cells beyond the limit.
    pub cells: u32,
}

/// A stretch in which something was abnormal.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// First abnormal cell.
    pub start: usize,
    /// Cell at whose end it was raised.
    pub raised: usize,
    /// Last abnormal cell.
    pub last: usize,
    /// Whether it began while the machine rested.
    pub resting: bool,
    /// What was beyond its limit.
    pub evidence: Vec<Evidence>,
}

/// What a cell contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing could be judged.
    Silent,
    /// Running, and near what is usual on all charts.
    CalmRunning,
    /// Resting, and near what is usual.
    CalmResting,
    /// Near a limit.
    Uneasy,
}

/// Gathers exceedances. An episode ends when the machine has been calm for long enough in the state
/// in which it began; time in which nothing can be judged counts as neither. A longer break than
/// `apart` cells ends it too.
#[derive(Clone, Debug)]
pub struct Gatherer {
    calm_cells: u32,
    apart: usize,
    open: Option<Episode>,
    calm: u32,
}

impl Gatherer {
    /// With so many calm cells to an end, and so many cells that tear an episode apart.
    pub fn new(calm_cells: u32, apart: usize) -> Self {
        Self { calm_cells, apart, open: None, calm: 0 }
    }

    /// The episode that lasts.
    pub fn open(&self) -> Option<&Episode> {
        self.open.as_ref()
    }

    /// Takes a cell; the episode that it ends, if any.
    pub fn push(
        &mut self,
        cell: usize,
        resting: bool,
        exceedances: &[Exceedance],
        mood: Mood,
    ) -> Option<Episode> {
        let mut ended = None;
        if let Some(open) = &self.open {
            let torn = cell - open.last > self.apart
                || (resting != open.resting
                    && !exceedances.is_empty()
                    && cell - open.last > self.calm_cells as usize);
            if torn {
                ended = self.open.take();
            }
        }
        if let Some(open) = &mut self.open {
            if !exceedances.is_empty() {
                open.last = cell;
                self.calm = 0;
                for exceedance in exceedances {
                    open.take(exceedance);
                }
            } else {
                let counts = match mood {
                    Mood::CalmRunning => true,
                    Mood::CalmResting => open.resting,
                    Mood::Silent | Mood::Uneasy => false,
                };
                self.calm += u32::from(counts);
                if mood == Mood::Uneasy {
                    self.calm = 0;
                }
                if self.calm >= self.calm_cells {
                    ended = self.open.take();
                }
            }
        } else if exceedances.iter().any(|exceedance| exceedance.lasting) {
            let before = exceedances
                .iter()
                .filter(|exceedance| exceedance.lasting)
                .map(|exceedance| exceedance.cells.saturating_sub(1))
                .max()
                .unwrap_or(0);
            let mut episode = Episode {
                start: cell.saturating_sub(before as usize),
                raised: cell,
                last: cell,
                resting,
                evidence: Vec::new(),
            };
            for exceedance in exceedances {
                episode.take(exceedance);
            }
            self.open = Some(episode);
            self.calm = 0;
        }
        ended
    }

    /// Ends what lasts.
    pub fn finish(self) -> Option<Episode> {
        self.open
    }
}

impl Episode {
    fn take(&mut self, exceedance: &Exceedance) {
        let found = self
            .evidence
            .iter_mut()
            .find(|e| e.channel == exceedance.channel && e.rule == exceedance.rule);
        match found {
            Some(evidence) => {
                evidence.cells += 1;
                if exceedance.z.abs() > evidence.peak.abs() {
                    evidence.peak = exceedance.z;
                }
            }
            None => self.evidence.push(Evidence {
                channel: exceedance.channel,
                rule: exceedance.rule,
                peak: exceedance.z,
                limit: exceedance.limit,
                cells: exceedance.cells.max(1),
            }),
        }
    }
}
