use std::time::Instant;

use super::layout::PLANTS;
use super::*;

/// Monday, 2 November 2026, 00:00 UTC.
const MONDAY: i64 = 1_793_577_600;
const DAY: i64 = 86_400;

#[test]
fn peek() {
    let mut simulation = Simulation::new(7);
    let begin = Instant::now();
    for plant in 0..2 {
        let readings = simulation.readings(plant, MONDAY, MONDAY + DAY, 60);
        println!("{} {:?} {:?}", PLANTS[plant].key, readings.len(), begin.elapsed());
        for (i, sensor) in simulation.sensors(plant).iter().enumerate() {
            let values: Vec<f64> =
                readings.iter().filter(|r| r.sensor == i).step_by(60).map(|r| r.value).collect();
            println!("{:24} {:?}", sensor.key, values);
        }
        for signature in simulation.signatures(plant).iter().flatten() {
            println!("{signature:?}");
        }
        for run in simulation.runs(plant, MONDAY, MONDAY + 2 * DAY) {
            println!(
                "{} {} {} {} {:.1}h {} {}",
                run.key,
                run.reference,
                run.operator,
                run.started,
                (run.ended.unwrap_or(MONDAY + 2 * DAY) - run.started) as f64 / 3600.,
                run.good,
                run.scrap
            );
        }
        println!("states {}", simulation.states(plant, MONDAY, MONDAY + 7 * DAY).len());
    }
    println!(
        "sensors {} {:?}",
        simulation.sensors(0).len() + simulation.sensors(1).len(),
        begin.elapsed()
    );
}
