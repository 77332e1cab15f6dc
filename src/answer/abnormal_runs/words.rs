//! Abnormal runs in words.

use super::Judged;
use crate::analytics::abnormal::{Deviation, FEWEST_RUNS, Feature, Measure, Refusal};
use crate::analytics::words::{more_or_less, side};
use crate::domain::Language;

/// Most features that a reason names.
const MOST_FEATURES: usize = 3;
/// Robust sigmas below which a feature does not deviate.
const LEAST_SIGMAS: f64 = 1.0;

/// Why a run is abnormal: the features that deviate most, and what they used.
pub(super) fn reason(judged: &Judged<'_>, language: Language) -> String {
    let reference = &judged.run.reference;
    let verdict = match &judged.verdict {
        Ok(verdict) => verdict,
        Err(refusal) => return refused(*refusal, reference, language),
    };
    let telling = verdict.deviations.iter().filter(|d| d.sigmas.abs() >= LEAST_SIGMAS);
    let mut parts = features(telling.take(MOST_FEATURES), reference, language);
    if parts.is_empty() {
        parts.push(match language {
            Language::En => {
                format!("the features do not go together as usual for {reference}")
            }
            Language::Es => {
                format!("combinación de características inusual para {reference}")
            }
        });
    }
    parts.extend(judged.energy.and_then(|kwh| {
        let cost = judged.cost.map(|cost| (cost, judged.currency.as_str()));
        more_or_less(kwh, cost, language.pick("than usual", "de lo habitual"), language)
    }));
    parts.join(", ")
}

fn refused(refusal: Refusal, reference: &str, language: Language) -> String {
    match (refusal, language) {
        (Refusal::TooFewRuns(runs), Language::En) => {
            format!("{runs} earlier runs of {reference} here, {FEWEST_RUNS} are needed")
        }
        (Refusal::TooFewRuns(1), Language::Es) => {
            format!("1 fabricación anterior de {reference} aquí, hacen falta {FEWEST_RUNS}")
        }
        (Refusal::TooFewRuns(runs), Language::Es) => {
            format!(
                "{runs} fabricaciones anteriores de {reference} aquí, hacen falta {FEWEST_RUNS}"
            )
        }
        (Refusal::TooShort, _) => language
            .pick(
                "less than a quarter of the usual duration: not compared",
                "menos de la cuarta parte de la duración habitual: no se compara",
            )
            .to_owned(),
        (Refusal::NoFeatures, _) => language
            .pick("nothing of the run was measured", "no se midió nada de la fabricación")
            .to_owned(),
    }
}

/// The first one says what all are compared with.
fn features<'a>(
    deviations: impl Iterator<Item = &'a Deviation>,
    reference: &str,
    language: Language,
) -> Vec<String> {
    let said = |(position, deviation): (usize, &Deviation)| {
        let text = format!("{} {}", name(deviation.feature, language), off(deviation, language));
        match position {
            0 => format!(
                "{text} {} {reference}",
                language.pick("the usual of", "de lo habitual para")
            ),
            _ => text,
        }
    };
    deviations.enumerate().map(said).collect()
}

/// Name of a feature in a sentence.
fn name(feature: Feature, language: Language) -> &'static str {
    match feature {
        Feature::EnergyPerGoodUnit => language.pick("kWh per unit", "kWh por unidad"),
        Feature::Rate => language.pick("rate", "ritmo"),
        Feature::MeanPower => language.pick("mean power", "potencia media"),
        Feature::MeanTemperature => language.pick("mean temperature", "temperatura media"),
        Feature::PeakTemperature => language.pick("peak temperature", "temperatura máxima"),
        Feature::Duration => language.pick("duration", "duración"),
        Feature::IdleShare => language.pick("idle share", "tiempo improductivo"),
        Feature::ScrapShare => language.pick("scrap share", "rechazo"),
    }
}

/// "18 % above", "6.1 °C below", "12 percentage points above".
fn off(deviation: &Deviation, language: Language) -> String {
    let side = side(language, deviation.sigmas < 0.0);
    let difference = (deviation.value - deviation.usual).abs();
    match deviation.feature.measure() {
        Measure::Ratio => {
            format!("{:.0} % {side}", 100.0 * difference / deviation.usual.abs())
        }
        Measure::Share => {
            let points = language.pick("percentage points", "puntos porcentuales");
            format!("{:.0} {points} {side}", 100.0 * difference)
        }
        Measure::Difference => {
            format!("{} °C {side}", language.number(format_args!("{difference:.1}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(feature: Feature, value: f64, usual: f64) -> Deviation {
        Deviation { feature, value, usual, sigmas: (value - usual).signum() * 5.0 }
    }

    fn both(of: impl Fn(Language) -> String) -> [String; 2] {
        [Language::En, Language::Es].map(of)
    }

    #[test]
    fn features_are_said_with_how_far_off_they_are() {
        let found = [
            deviation(Feature::EnergyPerGoodUnit, 1.18, 1.0),
            deviation(Feature::PeakTemperature, 193.9, 200.0),
            deviation(Feature::IdleShare, 0.32, 0.2),
        ];
        assert_eq!(
            both(|language| features(found.iter(), "R12", language).join(", ")),
            [
                "kWh per unit 18 % above the usual of R12, peak temperature 6.1 °C below, idle share 12 percentage points above",
                "kWh por unidad 18 % por encima de lo habitual para R12, temperatura máxima 6,1 °C por debajo, tiempo improductivo 12 puntos porcentuales por encima"
            ]
        );
        let mut names: Vec<[String; 2]> =
            Feature::ALL.iter().map(|f| both(|language| name(*f, language).to_owned())).collect();
        assert!(names.iter().all(|[en, es]| en != es), "{names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Feature::ALL.len());
    }

    #[test]
    fn what_cannot_be_judged_says_why() {
        let said = |refusal| both(|language| refused(refusal, "R12", language));
        assert_eq!(
            said(Refusal::TooFewRuns(3)),
            [
                format!("3 earlier runs of R12 here, {FEWEST_RUNS} are needed"),
                format!("3 fabricaciones anteriores de R12 aquí, hacen falta {FEWEST_RUNS}")
            ]
        );
        assert!(said(Refusal::TooFewRuns(1))[1].starts_with("1 fabricación anterior de R12 aquí"));
        assert_eq!(
            said(Refusal::TooShort),
            [
                "less than a quarter of the usual duration: not compared",
                "menos de la cuarta parte de la duración habitual: no se compara"
            ]
        );
        assert_eq!(
            said(Refusal::NoFeatures),
            ["nothing of the run was measured", "no se midió nada de la fabricación"]
        );
    }
}
