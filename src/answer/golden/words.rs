//! Deviations in words.

use super::{Answer, Golden, Judged};
use crate::analytics::golden::{FEWEST_RUNS, FEWEST_STEPS, Stretch};
use crate::analytics::words::{more_or_less, side};
use crate::domain::Language;
use crate::plan::Grid;

/// Most stretches that a reason names.
const MOST_STRETCHES: usize = 3;

/// What the sentences on one lot have in common.
struct Speaker<'a> {
    quantity: &'a str,
    unit: &'a str,
    grid: Grid,
    reference: &'a str,
    /// How long the lot took, or has taken so far.
    seconds: f64,
    language: Language,
}

impl<'a> Speaker<'a> {
    fn of(judged: &'a Judged<'_>, answer: &'a Answer<'_>) -> Self {
        Self {
            quantity: quantity(&answer.quantity, answer.language),
            unit: &answer.unit,
            grid: answer.grid,
            reference: &judged.made.reference,
            seconds: judged.made.seconds(),
            language: answer.language,
        }
    }
}

/// Why a lot has its score, or has none.
pub(super) fn reason(judged: &Judged<'_>, answer: &Answer<'_>) -> String {
    let speaker = Speaker::of(judged, answer);
    let Some(verdict) = &judged.verdict else { return speaker.refusal(&judged.golden) };
    let mut parts = speaker.stretches(&verdict.stretches);
    if !verdict.stretches.is_empty() {
        let cost = judged.cost.map(|cost| (cost, judged.currency.as_str()));
        let than = answer.language.pick("than the golden lot", "que el lote patrón");
        let energy = judged.energy;
        parts.extend(energy.and_then(|kwh| more_or_less(kwh, cost, than, answer.language)));
    }
    parts.join(", ")
}

/// What one stretch is.
pub(super) fn stretch(stretch: &Stretch, judged: &Judged<'_>, answer: &Answer<'_>) -> String {
    Speaker::of(judged, answer).stretch(stretch)
}

/// The quantities that have a meaning here by their names; others are the plant's own words.
fn quantity(key: &str, language: Language) -> &str {
    match key {
        "power" => language.pick(key, "potencia"),
        "energy" => language.pick(key, "energía"),
        "temperature" => language.pick(key, "temperatura"),
        "count" => language.pick(key, "unidades"),
        _ => key,
    }
}

/// Two significant digits or more.
fn rounded(value: f64, language: Language) -> String {
    match value {
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => language.number(format_args!("{v:.1}")),
        v => language.number(format_args!("{v:.2}")),
    }
}

impl Speaker<'_> {
    /// The stretches that add most to the score, or that there are none.
    fn stretches(&self, stretches: &[Stretch]) -> Vec<String> {
        let Self { quantity, reference, language, .. } = self;
        if stretches.is_empty() {
            let inside = language.pick("inside the golden band of", "dentro de la banda patrón de");
            return vec![format!("{quantity} {inside} {reference}")];
        }
        let mut worst: Vec<&Stretch> = stretches.iter().collect();
        let weight = |s: &Stretch| (s.to - s.from) as f64 * s.worst.powi(2);
        worst.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let more = worst.len().saturating_sub(MOST_STRETCHES);
        worst.truncate(MOST_STRETCHES);
        worst.sort_by_key(|s| s.from);
        let said = |(position, stretch): (usize, &&Stretch)| {
            let (off, when) = (self.off(stretch), self.when(stretch));
            match (position, language) {
                (0, _) => format!("{quantity} {off} {} {when}", self.curve()),
                (_, Language::En) => format!("{off} it {when}"),
                (_, Language::Es) => format!("{off} {when}"),
            }
        };
        let mut parts: Vec<String> = worst.iter().enumerate().map(said).collect();
        match (more, language) {
            (0, _) => {}
            (_, Language::En) => parts.push(format!("and {more} more times outside the band")),
            (1, Language::Es) => parts.push("y 1 vez más fuera de la banda".to_owned()),
            (_, Language::Es) => parts.push(format!("y {more} veces más fuera de la banda")),
        }
        parts
    }

    fn stretch(&self, stretch: &Stretch) -> String {
        let Self { quantity, language, .. } = self;
        let (off, when) = (self.off(stretch), self.when(stretch));
        let worst = language.number(format_args!("{:.1}", stretch.worst));
        let sentence = format!("{quantity} {off} {} {when}", self.curve());
        match language {
            Language::En => format!("{sentence}, up to {worst} robust sigmas"),
            Language::Es => format!("{sentence}, hasta {worst} sigmas robustas"),
        }
    }

    fn curve(&self) -> String {
        let of = self.language.pick("the golden curve of", "de la curva patrón de");
        format!("{of} {}", self.reference)
    }

    /// "14 % above", or "6.3 °C below" where a zero means nothing.
    fn off(&self, stretch: &Stretch) -> String {
        let side = side(self.language, !stretch.above);
        let is_ratio = self.unit == "kW" || self.unit.ends_with("/h");
        let percent = 100.0 * (stretch.difference / stretch.usual).abs();
        match is_ratio && percent.is_finite() && percent < 1_000.0 {
            true => format!("{percent:.0} % {side}"),
            false => {
                let amount = rounded(stretch.difference.abs(), self.language);
                format!("{amount} {} {side}", self.unit)
            }
        }
    }

    fn when(&self, stretch: &Stretch) -> String {
        let (from, to) = (self.grid.position(stretch.from), self.grid.position(stretch.to));
        match self.grid {
            Grid::Elapsed(..) => {
                let minutes = self.language.pick("in minutes", "en los minutos");
                format!("{minutes} {:.0}-{:.0}", from / 60.0, to.min(self.seconds) / 60.0)
            }
            Grid::Progress(_) => {
                let (from, to) = (from * 100.0, to * 100.0);
                match self.language {
                    Language::En => format!("from {from:.0} to {to:.0} % of the lot"),
                    Language::Es => format!("del {from:.0} al {to:.0} % del lote"),
                }
            }
        }
    }

    fn refusal(&self, golden: &Golden) -> String {
        let (reference, Golden { chosen, ended, .. }) = (self.reference, golden);
        match (golden.envelope.as_ref(), self.language) {
            (Some(_), Language::En) => format!(
                "too little to compare: {FEWEST_STEPS} measured steps are needed in which {FEWEST_RUNS} lots say what is usual"
            ),
            (Some(_), Language::Es) => format!(
                "muy poco que comparar: hacen falta {FEWEST_STEPS} pasos medidos en los que {FEWEST_RUNS} lotes digan qué es lo habitual"
            ),
            (None, Language::En) if chosen < ended => format!(
                "no golden lot: only {chosen} of {ended} lots of {reference} that ended before are usable, {FEWEST_RUNS} are needed"
            ),
            (None, Language::Es) if chosen < ended => format!(
                "sin lote patrón: de los lotes de {reference} que acabaron antes ({ended}) solo sirven {chosen}, hacen falta {FEWEST_RUNS}"
            ),
            (None, Language::En) => format!(
                "no golden lot: {ended} lots of {reference} ended here in the days to learn from, {FEWEST_RUNS} with measurements are needed"
            ),
            (None, Language::Es) => format!(
                "sin lote patrón: lotes de {reference} que acabaron aquí en los días de aprendizaje: {ended}; hacen falta {FEWEST_RUNS} con mediciones"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn both(grid: Grid, unit: &str, of: impl Fn(&Speaker<'_>) -> String) -> [String; 2] {
        [Language::En, Language::Es].map(|language| {
            of(&Speaker {
                quantity: quantity("power", language),
                unit,
                grid,
                reference: "R12",
                seconds: 5_400.0,
                language,
            })
        })
    }

    fn stretch(from: usize, to: usize, difference: f64) -> Stretch {
        Stretch { from, to, above: difference > 0.0, difference, usual: 100.0, worst: 4.2 }
    }

    const ELAPSED: Grid = Grid::Elapsed(300.0, 24);

    #[test]
    fn a_stretch_says_how_far_off_when_and_up_to_what() {
        assert_eq!(
            both(ELAPSED, "kW", |s| s.stretch(&stretch(4, 13, 14.0))),
            [
                "power 14 % above the golden curve of R12 in minutes 20-65, up to 4.2 robust sigmas",
                "potencia 14 % por encima de la curva patrón de R12 en los minutos 20-65, hasta 4,2 sigmas robustas"
            ]
        );
        assert_eq!(
            both(Grid::Progress(10), "°C", |s| s.stretch(&stretch(1, 3, -6.25))),
            [
                "power 6.2 °C below the golden curve of R12 from 10 to 30 % of the lot, up to 4.2 robust sigmas",
                "potencia 6,2 °C por debajo de la curva patrón de R12 del 10 al 30 % del lote, hasta 4,2 sigmas robustas"
            ]
        );
    }

    #[test]
    fn several_stretches_are_said_in_their_order() {
        // The weakest two are not named; the last one ends with the lot.
        let all =
            [stretch(0, 1, 3.0), stretch(2, 4, 14.0), stretch(5, 7, -8.0), stretch(12, 24, 5.0)];
        let said = |count: usize| {
            let all: Vec<Stretch> = all.iter().take(count).cloned().collect();
            both(ELAPSED, "kW", |s| s.stretches(&all).join(", "))
        };
        assert_eq!(
            said(4),
            [
                "power 14 % above the golden curve of R12 in minutes 10-20, 8 % below it in minutes 25-35, 5 % above it in minutes 60-90, and 1 more times outside the band",
                "potencia 14 % por encima de la curva patrón de R12 en los minutos 10-20, 8 % por debajo en los minutos 25-35, 5 % por encima en los minutos 60-90, y 1 vez más fuera de la banda"
            ]
        );
        assert_eq!(
            said(0),
            ["power inside the golden band of R12", "potencia dentro de la banda patrón de R12"]
        );
    }

    #[test]
    fn without_a_golden_lot_the_reason_says_what_is_missing() {
        let refused = |chosen, ended| {
            let golden = Golden { envelope: Arc::new(None), ended, chosen };
            both(ELAPSED, "kW", |s| s.refusal(&golden))
        };
        assert_eq!(
            refused(2, 7),
            [
                format!(
                    "no golden lot: only 2 of 7 lots of R12 that ended before are usable, {FEWEST_RUNS} are needed"
                ),
                format!(
                    "sin lote patrón: de los lotes de R12 que acabaron antes (7) solo sirven 2, hacen falta {FEWEST_RUNS}"
                )
            ]
        );
        assert_eq!(
            refused(2, 2),
            [
                format!(
                    "no golden lot: 2 lots of R12 ended here in the days to learn from, {FEWEST_RUNS} with measurements are needed"
                ),
                format!(
                    "sin lote patrón: lotes de R12 que acabaron aquí en los días de aprendizaje: 2; hacen falta {FEWEST_RUNS} con mediciones"
                )
            ]
        );
    }

    #[test]
    fn only_quantities_with_a_meaning_here_are_translated() {
        assert_eq!(quantity("temperature", Language::Es), "temperatura");
        assert_eq!(quantity("temperature", Language::En), "temperature");
        assert_eq!(quantity("viscosity", Language::Es), "viscosity");
    }
}
