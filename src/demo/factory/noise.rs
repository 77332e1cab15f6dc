//! Repeatable randomness: every value is a function of a key and a position, so that any part of
//! the simulation can be computed without computing what came before it.

use rand::{SeedableRng, rngs::StdRng};

/// A stream of repeatable noise, named by the seed and the parts of its name.
#[derive(Clone, Copy, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The stream that belongs to `parts` under `seed`.
    pub fn new(seed: u64, parts: &[&str]) -> Self {
        let mut state = mix(seed);
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            state = mix(state);
        }
        Self(state)
    }

    /// Whole number at `position`.
    pub fn bits(self, position: i64) -> u64 {
        mix(self.0 ^ mix(position as u64))
    }

    /// Uniform in [-1, 1) at `position`, independent of its neighbours.
    pub fn white(self, position: i64) -> f64 {
        (self.bits(position) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Uniform in [0, 1) at `position`.
    pub fn share(self, position: i64) -> f64 {
        (self.bits(position) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Smooth noise in [-1, 1): white values at each `knot`, eased in between.
    pub fn smooth(self, position: i64, knot: i64) -> f64 {
        let cell = position.div_euclid(knot);
        let x = position.rem_euclid(knot) as f64 / knot as f64;
        let eased = x * x * (3.0 - 2.0 * x);
        self.white(cell) * (1.0 - eased) + self.white(cell + 1) * eased
    }

    /// A random generator for decisions that are taken one after another.
    pub fn generator(self, position: i64) -> StdRng {
        StdRng::seed_from_u64(self.bits(position))
    }
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
