//! Items of `POST /v1/plants`, `/v1/lines` and so on.

use lotwise::ingest::context::{
    Resource, count::Count, factor::Factor, lot::Lot, named::Line, named::Operator,
    named::Reference, place::Machine, place::Plant, run::Run, run::RunChange, sensor::Sensor,
    shift::Shift, state::State, target::Target, tariff::Tariff,
};

/// The first byte chooses the kind of item, the rest is its JSON.
pub fn hold(data: &[u8]) {
    let Some((choice, json)) = data.split_first() else { return };
    match *choice % 15 {
        0 => item::<Plant>(json),
        1 => item::<Line>(json),
        2 => item::<Machine>(json),
        3 => item::<Sensor>(json),
        4 => item::<Shift>(json),
        5 => item::<Reference>(json),
        6 => item::<Operator>(json),
        7 => item::<Lot>(json),
        8 => item::<Run>(json),
        9 => item::<State>(json),
        10 => item::<Count>(json),
        11 => item::<Tariff>(json),
        12 => item::<Factor>(json),
        13 => item::<Target>(json),
        _ => drop(serde_json::from_slice::<RunChange>(json)),
    }
}

/// What is read has a plant that can exist.
fn item<R: Resource>(json: &[u8]) {
    if let Ok(item) = serde_json::from_slice::<R>(json) {
        let plant = item.plant().as_str();
        assert!(!plant.is_empty() && plant.len() <= 256 && !plant.contains(char::is_control));
    }
}
