//! What is drawn from a seed.

use rand::RngExt;
use rand::rngs::StdRng;

pub fn pick<T: Clone>(chance: &mut StdRng, choices: &[T]) -> T {
    choices[chance.random_range(0..choices.len())].clone()
}

pub fn likely(chance: &mut StdRng, probability: f64) -> bool {
    probability > 0.0 && chance.random_bool(probability)
}
