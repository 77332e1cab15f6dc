//! What the energy of an interval was used for.

use super::model::Expected;
use super::observe::Interval;

/// What energy is used for; together it is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Making things, above the base.
    Production,
    /// The base while things are made.
    BaseLoad,
    /// Idling, setting up and standing still, the base of that time included.
    Standby,
    /// Nothing is made and nobody says that a machine waits, from Monday to Friday.
    Off,
    /// The same on Saturday and Sunday.
    Weekend,
}

impl Use {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Production, Self::BaseLoad, Self::Standby, Self::Off, Self::Weekend];

    /// Name in frames.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::BaseLoad => "base_load",
            Self::Standby => "standby",
            Self::Off => "off",
            Self::Weekend => "weekend",
        }
    }
}

/// A part of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// kWh.
    pub energy: f64,
    /// Hours; the base load of production has those of production.
    pub hours: f64,
}

/// The energy of an interval, `actual` kWh, in the proportions in which the model expects it; the parts
/// add up to `actual`, in the order of [`Use::ALL`].
///
/// The base is shared by time: production, rest, and neither. What drivers change belongs to production.
/// What it does not see: how the deviation from the model is distributed in an interval in which several
/// things happen; it is shared as what is expected.
pub fn uses(actual: f64, interval: &Interval, expected: &Expected, is_weekend: bool) -> [Part; 5] {
    let hours = interval.hours.max(0.0);
    let rested: f64 = interval.resting.iter().map(|(_, hours)| hours).sum();
    let producing = interval.production_hours().clamp(0.0, hours);
    let resting = rested.clamp(0.0, hours - producing);
    let nothing = hours - producing - resting;
    let base = |part: f64| if hours > 0.0 { expected.base * part / hours } else { 0.0 };
    let mut weights = [
        (expected.production + expected.drivers).max(0.0),
        base(producing),
        base(resting) + expected.resting,
        base(nothing),
    ];
    let mut sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        weights = [producing, 0.0, resting, nothing];
        sum = hours;
    }
    let share = |weight: f64| if sum > 0.0 { actual * weight / sum } else { 0.0 };
    let off = Part { energy: share(weights[3]), hours: nothing };
    let (weekday, weekend) =
        if is_weekend { (Part::default(), off) } else { (off, Part::default()) };
    [
        Part { energy: share(weights[0]), hours: producing },
        Part { energy: share(weights[1]), hours: producing },
        Part { energy: share(weights[2]), hours: resting },
        weekday,
        weekend,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::observe::Made;
    use super::*;

    fn interval(producing: f64, resting: f64) -> Interval {
        Interval {
            hours: 1.0,
            made: vec![Made { reference: 0, units: 10.0, hours: producing }],
            resting: vec![(0, resting)],
            ..Interval::default()
        }
    }

    #[test]
    fn parts_by_hand() {
        // Half an hour of production, a quarter of rest; 4 kW of base, 10 kWh of production and 3 of rest
        // are expected, 17 in all, and twice that was used.
        let expected = Expected {
            energy: 17.0,
            base: 4.0,
            resting: 3.0,
            production: 10.0,
            ..Expected::default()
        };
        let parts = uses(34.0, &interval(0.5, 0.25), &expected, false);
        assert_eq!(parts.map(|p| p.energy), [20.0, 4.0, 8.0, 2.0, 0.0]);
        assert_eq!(parts.map(|p| p.hours), [0.5, 0.5, 0.25, 0.25, 0.0]);
        let parts = uses(34.0, &interval(0.5, 0.25), &expected, true);
        assert_eq!((parts[3].energy, parts[4].energy), (0.0, 2.0));
        // Nothing is expected, and something was used: by time.
        let parts = uses(8.0, &interval(0.5, 0.25), &Expected::default(), false);
        assert_eq!(parts.map(|p| p.energy), [4.0, 0.0, 2.0, 2.0, 0.0]);
    }

    proptest::proptest! {
        #[test]
        fn parts_add_up(
            actual in 0.0..1e6f64, hours in 0.0..24.0f64, producing in 0.0..30.0f64, resting in 0.0..30.0f64,
            base in 0.0..1e3f64, production in -1e3..1e4f64, idle in 0.0..1e3f64, is_weekend: bool,
        ) {
            let interval = Interval { hours: hours + 1e-3, ..interval(producing, resting) };
            let expected = Expected { base, production, resting: idle, ..Expected::default() };
            let parts = uses(actual, &interval, &expected, is_weekend);
            let sum: f64 = parts.iter().map(|p| p.energy).sum();
            proptest::prop_assert!((sum - actual).abs() <= 1e-9 * actual.max(1.0));
            proptest::prop_assert!(parts.iter().all(|p| p.energy >= 0.0 && p.hours >= 0.0));
        }
    }
}
