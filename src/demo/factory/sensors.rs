//! The measuring points of a plant, and what each of them measures.

use super::layout::{Heat, Meter, PlantSpec};

/// What a sensor measures; lines and machines by their position in the plant and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measures {
    /// Power of the plant, in kW.
    PlantPower,
    /// Energy of the plant, in kWh.
    PlantEnergy,
    /// Outdoor temperature.
    Ambient,
    /// Pressure of the compressed air.
    Pressure,
    /// Power of a line.
    LinePower(usize),
    /// Energy of a line.
    LineEnergy(usize),
    /// Units that left a line, good and scrap.
    Output(usize),
    /// Power of a machine.
    MachinePower(usize, usize),
    /// Energy of a machine.
    MachineEnergy(usize, usize),
    /// Temperature of a machine.
    Temperature(usize, usize),
}

/// A measuring point.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Key, unique in the plant.
    pub key: String,
    /// Name as people read it.
    pub name: String,
    /// What it measures.
    pub measures: Measures,
    /// Key of the meter that this one is a part of.
    pub parent: Option<String>,
    /// Whether it loses its register now and then.
    pub forgetful: bool,
}

impl Sensor {
    /// Quantity and unit.
    pub fn quantity(&self) -> (&'static str, &'static str) {
        match self.measures {
            Measures::PlantPower | Measures::LinePower(_) | Measures::MachinePower(..) => {
                ("power", "kW")
            }
            Measures::PlantEnergy | Measures::LineEnergy(_) | Measures::MachineEnergy(..) => {
                ("energy", "kWh")
            }
            Measures::Ambient | Measures::Temperature(..) => ("temperature", "°C"),
            Measures::Pressure => ("pressure", "bar"),
            Measures::Output(_) => ("count", "unit"),
        }
    }

    /// `gauge` or `counter`.
    pub fn kind(&self) -> &'static str {
        if self.is_counter() { "counter" } else { "gauge" }
    }

    /// Whether its values are cumulative.
    pub fn is_counter(&self) -> bool {
        matches!(self.quantity().0, "energy" | "count")
    }

    /// Positions of line and machine that it belongs to.
    pub fn place(&self) -> (Option<usize>, Option<usize>) {
        match self.measures {
            Measures::PlantPower
            | Measures::PlantEnergy
            | Measures::Ambient
            | Measures::Pressure => (None, None),
            Measures::LinePower(line) | Measures::LineEnergy(line) | Measures::Output(line) => {
                (Some(line), None)
            }
            Measures::MachinePower(line, machine)
            | Measures::MachineEnergy(line, machine)
            | Measures::Temperature(line, machine) => (Some(line), Some(machine)),
        }
    }
}

/// The sensors of a plant, parents before their children. Energy meters and power gauges form a
/// tree each: plant, lines, machines.
pub fn of_plant(plant: &PlantSpec) -> Vec<Sensor> {
    let sensor = |key: String, name: String, measures, parent: Option<&str>| Sensor {
        key,
        name,
        measures,
        parent: parent.map(str::to_owned),
        forgetful: false,
    };
    let main = format!("{}-main", plant.key);
    let main_power = format!("{}-power", plant.key);
    let mut sensors = vec![
        sensor(main.clone(), "Main meter".to_owned(), Measures::PlantEnergy, None),
        sensor(main_power.clone(), "Main meter power".to_owned(), Measures::PlantPower, None),
        sensor(
            format!("{}-ambient", plant.key),
            "Outdoor temperature".to_owned(),
            Measures::Ambient,
            None,
        ),
        sensor(format!("{}-air", plant.key), "Compressed air".to_owned(), Measures::Pressure, None),
    ];
    for (l, line) in plant.lines.iter().enumerate() {
        let (energy, power) = (format!("{}-energy", line.key), format!("{}-power", line.key));
        sensors.extend([
            sensor(
                energy.clone(),
                format!("{} energy", line.name),
                Measures::LineEnergy(l),
                Some(&main),
            ),
            sensor(
                power.clone(),
                format!("{} power", line.name),
                Measures::LinePower(l),
                Some(&main_power),
            ),
            sensor(
                format!("{}-count", line.key),
                format!("{} output", line.name),
                Measures::Output(l),
                None,
            ),
        ]);
        for (m, machine) in line.machines.iter().enumerate() {
            let of = |what: &str| format!("{}-{what}", machine.key);
            let named = |what: &str| format!("{} {what}", machine.name);
            if machine.meter != Meter::PowerOnly {
                let measures = Measures::MachineEnergy(l, m);
                let mut meter = sensor(of("energy"), named("energy"), measures, Some(&energy));
                meter.forgetful = machine.meter == Meter::Forgetful;
                sensors.push(meter);
            }
            sensors.push(sensor(
                of("power"),
                named("power"),
                Measures::MachinePower(l, m),
                Some(&power),
            ));
            let what = if matches!(machine.heat, Heat::Process(_)) {
                "process temperature"
            } else {
                "temperature"
            };
            sensors.push(sensor(of("temperature"), named(what), Measures::Temperature(l, m), None));
        }
    }
    sensors
}
