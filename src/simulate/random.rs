//! Repeatable randomness: named streams, and noise of several colours.
//!
//! Own generator instead of a crate's default one, whose stream may change with its version: the
//! files of a seed must stay the same byte for byte.

/// A stream of random numbers (SplitMix64: Steele, Lea and Flood 2014), named by the seed and the
/// parts of its name, so that what one part of the factory draws never moves another.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
    spare: Option<f64>,
}

impl Stream {
    /// The stream that belongs to `parts` under `seed`.
    pub fn new(seed: u64, parts: &[&str]) -> Self {
        let mut state = finalise(seed);
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            state = finalise(state);
        }
        Self { state, spare: None }
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finalise(self.state)
    }

    /// Uniform in [0, 1).
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// Log-uniform in [low, high), both above zero.
    pub fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A position below `count`; 0 where there is none.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.share() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.share();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// Student's t with four degrees of freedom, scaled to variance 1: tails as industry has them.
    pub fn heavy(&mut self) -> f64 {
        let chi: f64 = (0..4).map(|_| self.normal().powi(2)).sum();
        self.normal() / (chi / 4.0).max(1e-3).sqrt() / std::f64::consts::SQRT_2
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// -1 or 1, the latter with this probability.
    pub fn sign(&mut self, positive: f64) -> f64 {
        if self.chance(positive) { 1.0 } else { -1.0 }
    }

    /// A position drawn by weight.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.share() * weights.iter().sum::<f64>();
        for (position, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return position;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The finaliser of SplitMix64.
fn finalise(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How neighbouring values of a process's noise depend on each other. All have variance 1.
#[derive(Clone, Debug)]
pub enum Colour {
    /// First-order autoregression with normal innovations.
    Red(Autoregression),
    /// The same with heavy-tailed innovations.
    Heavy(Autoregression),
    /// Sum of three autoregressions a decade apart in time: about 1/f.
    Pink([Autoregression; 3]),
}

impl Colour {
    /// Red noise with this correlation time, in minutes.
    pub fn red(minutes: f64) -> Self {
        Self::Red(Autoregression::new(minutes))
    }

    /// Heavy-tailed red noise with this correlation time, in minutes.
    pub fn heavy(minutes: f64) -> Self {
        Self::Heavy(Autoregression::new(minutes))
    }

    /// Pink noise from about three minutes to five hours.
    pub fn pink() -> Self {
        Self::Pink([3.0, 30.0, 300.0].map(Autoregression::new))
    }

    /// The value of the next minute.
    pub fn next(&mut self, stream: &mut Stream) -> f64 {
        match self {
            Self::Red(process) => process.step(stream.normal()),
            Self::Heavy(process) => process.step(stream.heavy()),
            Self::Pink(processes) => {
                let sum: f64 = processes.iter_mut().map(|part| part.step(stream.normal())).sum();
                sum / 3f64.sqrt()
            }
        }
    }
}

/// First-order autoregression of variance 1 on a grid of minutes.
#[derive(Clone, Debug)]
pub struct Autoregression {
    memory: f64,
    value: f64,
}

impl Autoregression {
    /// With this correlation time in minutes.
    pub fn new(minutes: f64) -> Self {
        Self { memory: (-1.0 / minutes).exp(), value: 0.0 }
    }

    /// Moves on by a minute with an innovation of variance 1.
    pub fn step(&mut self, innovation: f64) -> f64 {
        self.value =
            self.memory * self.value + (1.0 - self.memory * self.memory).sqrt() * innovation;
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_independent() {
        let draw = |seed, name: &str| {
            let mut stream = Stream::new(seed, &[name]);
            [stream.share(), stream.normal(), stream.heavy()]
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
    }

    #[test]
    fn noise_has_variance_one() {
        for mut colour in [Colour::red(20.0), Colour::heavy(20.0), Colour::pink()] {
            let mut stream = Stream::new(5, &["variance"]);
            let values: Vec<f64> = (0..200_000).map(|_| colour.next(&mut stream)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance =
                values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!((variance - 1.0).abs() < 0.15, "{colour:?}: {variance}");
        }
    }
}
