//! Operating modes of a machine that reports no states, from its power. Numbers in, numbers out.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::GaussianMixtureModel;
use ndarray::Array2;

use super::robust;

/// A level that the power keeps to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Typical power in the mode (the geometric mean), in the readings' unit.
    pub level: f64,
    /// Share of the readings, 0 to 1.
    pub share: f64,
}

/// What the power says of a machine's states.
#[derive(Clone, Debug, PartialEq)]
pub struct Modes {
    /// The modes, least power first.
    pub modes: Vec<Mode>,
    /// Below this power the machine idles, in the readings' unit.
    pub idle_below: f64,
}

/// Readings that are clustered, evenly taken from all.
const MOST_VALUES: usize = 1_500;
/// Readings without which there are no modes.
const FEWEST_VALUES: usize = 200;
/// Most modes that are looked for.
const MOST_MODES: usize = 4;
/// A mode below this share of the power while producing is idle.
const IDLE_SHARE: f64 = 0.6;
/// And below this share of the power of the runs that take least: the share of runs that take less.
const LEAST_RUN_SHARE: f64 = 0.8;
const LEAST_RUNS: f64 = 0.1;
/// A mode with fewer of the readings than this is no mode.
const LEAST_SHARE: f64 = 0.005;
/// Least power that is told from zero, as a share of the power while producing.
const FLOOR: f64 = 1e-3;

/// Finds modes by a mixture of normal distributions over the logarithm of power (EM from k-means, by
/// the crate linfa-clustering, seeded), with 1 to 4 parts, the number that has the least BIC
/// (Schwarz 1978): -2 ln L + (3k - 1) ln n. `runs` are the median powers of runs: their own median is
/// the power while producing. A mode is idle below 60 % of it, and below 80 % of the runs' .1 quantile:
/// what some references take while they are made is no idling. The limit is the geometric mean of the
/// highest idle mode and the lowest other one.
///
/// `None` with fewer than 200 readings, without power during runs, and where no mode is idle.
///
/// Does not see: idling at more than 60 % of the usual power, idle modes with less than half a per
/// cent of the readings, and references that take as much as idling and are made in fewer than a tenth
/// of the runs.
pub fn modes(power: &[f64], runs: &[f64]) -> Option<Modes> {
    let producing = robust::median_of(runs).filter(|level| *level > 0.0)?;
    let least = robust::quantile(runs, LEAST_RUNS)?;
    let highest_idle = (IDLE_SHARE * producing).min(LEAST_RUN_SHARE * least);
    let known: Vec<f64> = power.iter().copied().filter(|p| p.is_finite()).collect();
    if known.len() < FEWEST_VALUES {
        return None;
    }
    let stride = known.len().div_ceil(MOST_VALUES);
    // Relative to the power while producing, so that the unit does not matter.
    let logs: Vec<f64> =
        known.iter().step_by(stride).map(|p| (p / producing).max(FLOOR).ln()).collect();
    let best = (1..=MOST_MODES)
        .filter_map(|count| mixture(&logs, count))
        .min_by(|a, b| a.bic.total_cmp(&b.bic))?;
    let mut modes: Vec<Mode> = best
        .parts
        .iter()
        .filter(|part| part.weight >= LEAST_SHARE)
        .map(|part| Mode { level: producing * part.mean.exp(), share: part.weight })
        .collect();
    modes.sort_by(|a, b| a.level.total_cmp(&b.level));
    let idle = |mode: &&Mode| mode.level < highest_idle;
    let highest = modes.iter().rfind(idle)?.level;
    let lowest = modes.iter().find(|mode| !idle(mode)).map_or(producing, |mode| mode.level);
    Some(Modes { idle_below: (highest * lowest).sqrt(), modes })
}

struct Part {
    weight: f64,
    mean: f64,
    variance: f64,
}

struct Mixture {
    parts: Vec<Part>,
    bic: f64,
}

fn mixture(values: &[f64], count: usize) -> Option<Mixture> {
    let mut distinct = values.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    if distinct.len() < count {
        return None;
    }
    let records = Array2::from_shape_vec((values.len(), 1), values.to_vec()).ok()?;
    let fitted = GaussianMixtureModel::params(count)
        .reg_covariance(1e-4)
        .fit(&DatasetBase::from(records))
        .ok()?;
    let parts: Vec<Part> = (0..count)
        .map(|k| Part {
            weight: fitted.weights()[k],
            mean: fitted.means()[[k, 0]],
            variance: fitted.covariances()[[k, 0, 0]],
        })
        .collect();
    let density = |value: f64| -> f64 {
        let of = |part: &Part| {
            let square = (value - part.mean).powi(2) / part.variance;
            part.weight * (-0.5 * square).exp() / (std::f64::consts::TAU * part.variance).sqrt()
        };
        parts.iter().map(of).sum::<f64>().max(f64::MIN_POSITIVE)
    };
    let likelihood: f64 = values.iter().map(|value| density(*value).ln()).sum();
    let bic = (3 * count - 1) as f64 * (values.len() as f64).ln() - 2.0 * likelihood;
    bic.is_finite().then_some(Mixture { parts, bic })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Off at 1 kW, idle at 20 kW and running at 100 kW, each 4 % up and down.
    fn power() -> Vec<f64> {
        (0..3000)
            .map(|minute| {
                let level = match minute % 300 {
                    0..40 => 1.0,
                    40..90 => 20.0,
                    _ => 100.0,
                };
                level * (1.0 + 0.04 * (f64::from(minute) * 1.7).sin())
            })
            .collect()
    }

    /// Median powers of runs, of which one was mostly a stop.
    fn runs() -> Vec<f64> {
        let mut runs = vec![100.0; 19];
        runs.push(20.0);
        runs
    }

    #[test]
    fn modes_are_found_where_they_are() {
        let found = modes(&power(), &runs()).unwrap();
        let near = |level: f64, share: f64| {
            found
                .modes
                .iter()
                .any(|m| (m.level / level - 1.0).abs() < 0.05 && (m.share - share).abs() < 0.02)
        };
        assert!(near(1.0, 40.0 / 300.0) && near(20.0, 50.0 / 300.0), "{found:?}");
        assert!(found.idle_below > 30.0 && found.idle_below < 60.0, "{found:?}");
    }

    #[test]
    fn what_a_reference_takes_while_it_is_made_is_no_idling() {
        // A third of the runs make something that takes half of the usual power.
        let power: Vec<f64> = power()
            .into_iter()
            .enumerate()
            .map(|(minute, p)| if p > 50.0 && minute % 900 < 300 { p / 2.0 } else { p })
            .collect();
        let runs: Vec<f64> = (0..30).map(|i| if i % 3 == 0 { 50.0 } else { 100.0 }).collect();
        let found = modes(&power, &runs).unwrap();
        assert!(found.idle_below > 22.0 && found.idle_below < 45.0, "{found:?}");
        let usual = modes(&power, &[100.0; 30]).unwrap();
        assert!(usual.idle_below > 55.0, "one would not know without those runs: {usual:?}");
    }

    #[test]
    fn without_an_idle_mode_there_is_no_limit() {
        let steady: Vec<f64> = power().into_iter().filter(|p| *p > 50.0).collect();
        assert_eq!(modes(&steady, &steady), None);
        assert_eq!(modes(&vec![5.0; 1000], &[5.0]), None);
        assert_eq!(modes(&power()[..100], &runs()), None);
        assert_eq!(modes(&power(), &[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]

        #[test]
        fn units_do_not_matter_and_nothing_panics(
            factor in 0.001f64..1000.0,
            strange in prop::collection::vec(
                prop_oneof![Just(f64::NAN), Just(0.0), Just(-3.0), Just(f64::INFINITY), 0.0..200.0],
                0..400),
        ) {
            let scaled: Vec<f64> = power().iter().map(|p| p * factor).collect();
            let own: Vec<f64> = runs().iter().map(|p| p * factor).collect();
            let (one, two) = (modes(&power(), &runs()).unwrap(), modes(&scaled, &own).unwrap());
            prop_assert!((two.idle_below / one.idle_below / factor - 1.0).abs() < 1e-6);
            if let Some(found) = modes(&strange, &strange) {
                prop_assert!(found.idle_below.is_finite());
            }
        }
    }
}
