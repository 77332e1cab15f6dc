//! What a run is described by.

/// A figure of a whole run. Definitions are those of docs/definitions.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Energy over good units, kWh/unit.
    EnergyPerGoodUnit,
    /// Good units over the time in which the machine ran, units/h.
    Rate,
    /// Energy over duration, kW.
    MeanPower,
    /// Time-weighted mean of the process thermometers, °C.
    MeanTemperature,
    /// Largest reading of the process thermometers, °C.
    PeakTemperature,
    /// From start to end, h.
    Duration,
    /// Share of the run in which its machines were not running, 0 to 1.
    IdleShare,
    /// Scrapped units over all units, 0 to 1.
    ScrapShare,
}

/// Number of features.
pub const FEATURES: usize = 8;

/// How a feature's deviations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// As a ratio: its logarithm is compared.
    Ratio,
    /// As a share, 0 to 1: its root is compared, whose spread depends less on the share itself.
    Share,
    /// As a difference.
    Difference,
}

impl Measure {
    /// The value of a transformed one.
    pub fn back(self, transformed: f64) -> f64 {
        match self {
            Self::Ratio => transformed.exp(),
            Self::Share => transformed.powi(2),
            Self::Difference => transformed,
        }
    }
}

impl Feature {
    /// All, in the order of their values.
    pub const ALL: [Self; FEATURES] = [
        Self::EnergyPerGoodUnit,
        Self::Rate,
        Self::MeanPower,
        Self::MeanTemperature,
        Self::PeakTemperature,
        Self::Duration,
        Self::IdleShare,
        Self::ScrapShare,
    ];

    /// Column name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnergyPerGoodUnit => "energy_per_good_unit",
            Self::Rate => "rate",
            Self::MeanPower => "mean_power",
            Self::MeanTemperature => "mean_temperature",
            Self::PeakTemperature => "peak_temperature",
            Self::Duration => "duration",
            Self::IdleShare => "idle_share",
            Self::ScrapShare => "scrap_share",
        }
    }

    /// Unit of the values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::EnergyPerGoodUnit => "kWh/unit",
            Self::Rate => "units/h",
            Self::MeanPower => "kW",
            Self::MeanTemperature | Self::PeakTemperature => "°C",
            Self::Duration => "h",
            Self::IdleShare | Self::ScrapShare => "ratio",
        }
    }

    /// How it is compared.
    pub fn measure(self) -> Measure {
        match self {
            Self::EnergyPerGoodUnit | Self::Rate | Self::MeanPower | Self::Duration => {
                Measure::Ratio
            }
            Self::IdleShare | Self::ScrapShare => Measure::Share,
            _ => Measure::Difference,
        }
    }

    /// Least spread that is believed: half a per cent of ratios, a tenth of a degree, 0.03 of the root
    /// of a share.
    pub(super) fn resolution(self) -> f64 {
        match self {
            Self::EnergyPerGoodUnit | Self::Rate | Self::MeanPower => 0.005,
            Self::MeanTemperature | Self::PeakTemperature => 0.1,
            Self::Duration => 0.01,
            Self::IdleShare | Self::ScrapShare => 0.03,
        }
    }
}

/// The features of a run, where known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features([Option<f64>; FEATURES]);

impl Features {
    /// Sets one; what is not finite is not known.
    pub fn set(&mut self, feature: Feature, value: Option<f64>) {
        self.0[feature as usize] = value.filter(|value| value.is_finite());
    }

    /// Value in the feature's unit.
    pub fn get(&self, feature: Feature) -> Option<f64> {
        self.0[feature as usize]
    }

    /// As it is compared: a ratio's logarithm; of a ratio that is not above 0, nothing.
    pub fn transformed(&self, feature: Feature) -> Option<f64> {
        let value = self.get(feature)?;
        match feature.measure() {
            Measure::Ratio => Some(value).filter(|v| *v > 0.0).map(f64::ln),
            Measure::Share => Some(value.max(0.0).sqrt()),
            Measure::Difference => Some(value),
        }
    }
}
