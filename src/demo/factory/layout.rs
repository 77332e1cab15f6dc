//! What the demo factory consists of: two plants, five lines, fifteen machines, thirty references,
//! ten operators. Only names and nominal figures; what happens there is in the other modules.

use chrono_tz::Tz;

/// A plant.
#[derive(Debug)]
pub struct PlantSpec {
    /// Key and name.
    pub key: &'static str,
    /// Name as people read it.
    pub name: &'static str,
    /// Time zone that shifts and weeks follow.
    pub zone: Tz,
    /// Locale of the people who work there.
    pub locale: &'static str,
    /// Load of the buildings that no line meter sees, in kW.
    pub base_kw: f64,
    /// Outdoor temperature: the year's mean, seasonal swing and daily swing, in °C.
    pub climate: [f64; 3],
    /// Start and end of the lunch break, in minutes of the local day.
    pub lunch: [i64; 2],
    /// The lines.
    pub lines: &'static [LineSpec],
    /// Keys and names of the operators.
    pub operators: &'static [(&'static str, &'static str)],
}

/// A production line.
#[derive(Debug)]
pub struct LineSpec {
    /// Key.
    pub key: &'static str,
    /// Name as people read it.
    pub name: &'static str,
    /// When it is manned.
    pub manning: Manning,
    /// Nominal power of all its machines while producing, in kW.
    pub kw: f64,
    /// Nominal output in units per hour.
    pub rate: f64,
    /// Middle of the references' process set-points, in °C, and how far they spread from it.
    pub setpoint: [f64; 2],
    /// Its machines, in the direction of the flow.
    pub machines: &'static [MachineSpec],
    /// Keys and names of what it makes.
    pub references: &'static [(&'static str, &'static str)],
}

/// Which shifts work on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manning {
    /// From Monday 06:00 to Saturday 06:00 without a pause.
    ThreeShifts,
    /// From 06:00 to 22:00, Monday to Friday.
    TwoShifts,
}

/// A machine.
#[derive(Debug)]
pub struct MachineSpec {
    /// Key.
    pub key: &'static str,
    /// Name as people read it.
    pub name: &'static str,
    /// Part of the line's nominal power.
    pub share: f64,
    /// What its temperature does.
    pub heat: Heat,
    /// Its energy meter.
    pub meter: Meter,
}

/// What decides a machine's temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heat {
    /// Held at the set-point of the reference, times this factor.
    Process(f64),
    /// Warms by so many kelvin above the hall while it runs.
    Rise(f64),
}

/// The energy meter of a machine. All machines have a power gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    /// Only the power gauge.
    PowerOnly,
    /// A counter in kWh.
    Counter,
    /// A counter that loses its register now and then and starts again at 0.
    Forgetful,
}

/// Keys, names and local start times of the shifts, the same in both plants.
pub const SHIFTS: [(&str, &str, &str); 3] = [
    ("morning", "Morning", "06:00"),
    ("afternoon", "Afternoon", "14:00"),
    ("night", "Night", "22:00"),
];

const fn machine(
    key: &'static str,
    name: &'static str,
    share: f64,
    heat: Heat,
    meter: Meter,
) -> MachineSpec {
    MachineSpec { key, name, share, heat, meter }
}

/// The whole company.
pub static PLANTS: [PlantSpec; 2] = [
    PlantSpec {
        key: "madrid",
        name: "Madrid",
        zone: Tz::Europe__Madrid,
        locale: "es",
        base_kw: 64.0,
        climate: [15.5, 9.5, 6.0],
        lunch: [13 * 60, 13 * 60 + 30],
        lines: &[
            LineSpec {
                key: "M1",
                name: "Injection moulding",
                manning: Manning::ThreeShifts,
                kw: 118.0,
                rate: 2600.0,
                setpoint: [232.0, 22.0],
                machines: &[
                    machine(
                        "M1-dryer",
                        "Granulate dryer",
                        0.18,
                        Heat::Process(0.36),
                        Meter::PowerOnly,
                    ),
                    machine(
                        "M1-press-1",
                        "Injection press 1",
                        0.44,
                        Heat::Process(1.0),
                        Meter::Counter,
                    ),
                    machine(
                        "M1-press-2",
                        "Injection press 2",
                        0.38,
                        Heat::Process(0.98),
                        Meter::Forgetful,
                    ),
                ],
                references: &[
                    ("R101", "Screw cap 28 mm white"),
                    ("R102", "Screw cap 28 mm blue"),
                    ("R103", "Screw cap 38 mm"),
                    ("R104", "Flip-top cap 24 mm"),
                    ("R105", "Dosing cap 40 ml"),
                    ("R106", "Sports cap"),
                ],
            },
            LineSpec {
                key: "M2",
                name: "Blow moulding",
                manning: Manning::ThreeShifts,
                kw: 176.0,
                rate: 1750.0,
                setpoint: [104.0, 9.0],
                machines: &[
                    machine("M2-oven", "Preform oven", 0.46, Heat::Process(1.0), Meter::Counter),
                    machine("M2-blower", "Blow moulder", 0.42, Heat::Rise(28.0), Meter::PowerOnly),
                    machine(
                        "M2-palletiser",
                        "Palletiser",
                        0.12,
                        Heat::Rise(11.0),
                        Meter::PowerOnly,
                    ),
                ],
                references: &[
                    ("R201", "Bottle 0.33 l clear"),
                    ("R202", "Bottle 0.5 l clear"),
                    ("R203", "Bottle 0.5 l green"),
                    ("R204", "Bottle 1 l clear"),
                    ("R205", "Bottle 1.5 l clear"),
                    ("R206", "Canister 5 l"),
                ],
            },
            LineSpec {
                key: "M3",
                name: "Assembly",
                manning: Manning::TwoShifts,
                kw: 38.0,
                rate: 720.0,
                setpoint: [148.0, 12.0],
                machines: &[
                    machine("M3-feeder", "Parts feeder", 0.22, Heat::Rise(9.0), Meter::PowerOnly),
                    machine(
                        "M3-welder",
                        "Hot-plate welder",
                        0.56,
                        Heat::Process(1.0),
                        Meter::Counter,
                    ),
                    machine("M3-tester", "Leak tester", 0.22, Heat::Rise(7.0), Meter::PowerOnly),
                ],
                references: &[
                    ("R301", "Trigger sprayer"),
                    ("R302", "Pump dispenser 2 ml"),
                    ("R303", "Pump dispenser 4 ml"),
                    ("R304", "Foam pump"),
                    ("R305", "Airless pump 30 ml"),
                    ("R306", "Airless pump 50 ml"),
                ],
            },
        ],
        operators: &[
            ("op-alvarez", "Lucía Álvarez"),
            ("op-castro", "Diego Castro"),
            ("op-gil", "Marta Gil"),
            ("op-herrero", "Javier Herrero"),
            ("op-molina", "Inés Molina"),
            ("op-vega", "Raúl Vega"),
        ],
    },
    PlantSpec {
        key: "porto",
        name: "Porto",
        zone: Tz::Europe__Lisbon,
        locale: "pt",
        base_kw: 41.0,
        climate: [15.0, 5.5, 4.0],
        lunch: [12 * 60 + 30, 13 * 60],
        lines: &[
            LineSpec {
                key: "P1",
                name: "Thermoforming",
                manning: Manning::ThreeShifts,
                kw: 142.0,
                rate: 1180.0,
                setpoint: [186.0, 16.0],
                machines: &[
                    machine(
                        "P1-extruder",
                        "Sheet extruder",
                        0.52,
                        Heat::Process(1.12),
                        Meter::Counter,
                    ),
                    machine("P1-former", "Former", 0.36, Heat::Process(1.0), Meter::Counter),
                    machine("P1-trimmer", "Trim press", 0.12, Heat::Rise(14.0), Meter::PowerOnly),
                ],
                references: &[
                    ("R401", "Tray 500 g black"),
                    ("R402", "Tray 500 g clear"),
                    ("R403", "Tray 1 kg black"),
                    ("R404", "Lid 118 mm"),
                    ("R405", "Cup 200 ml"),
                    ("R406", "Bowl 750 ml"),
                ],
            },
            LineSpec {
                key: "P2",
                name: "Filling and packing",
                manning: Manning::TwoShifts,
                kw: 54.0,
                rate: 940.0,
                setpoint: [78.0, 8.0],
                machines: &[
                    machine("P2-mixer", "Mixer", 0.48, Heat::Process(1.0), Meter::Counter),
                    machine("P2-filler", "Filler", 0.30, Heat::Rise(10.0), Meter::PowerOnly),
                    machine("P2-packer", "Case packer", 0.22, Heat::Rise(8.0), Meter::PowerOnly),
                ],
                references: &[
                    ("R501", "Hand soap 300 ml"),
                    ("R502", "Hand soap 500 ml"),
                    ("R503", "Shampoo 400 ml"),
                    ("R504", "Conditioner 400 ml"),
                    ("R505", "Shower gel 750 ml"),
                    ("R506", "Detergent 1.5 l"),
                ],
            },
        ],
        operators: &[
            ("op-almeida", "Rui Almeida"),
            ("op-costa", "Sofia Costa"),
            ("op-ferreira", "Tiago Ferreira"),
            ("op-sousa", "Ana Sousa"),
        ],
    },
];
