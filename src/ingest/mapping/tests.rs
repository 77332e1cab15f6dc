use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Line, Mapping, PlantMappings, Scale, Target, Template};

type Tags<'a> = &'a [(&'a str, &'a str)];

struct Sent<'a>(&'a str, Tags<'a>);

impl Line for Sent<'_> {
    fn measurement(&self) -> &str {
        self.0
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.1.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

fn mapping(measurement: &str, tags: Tags<'_>, field: &str, sensor: &str) -> Mapping {
    let target = match sensor {
        "-" => Target::LeftOut,
        _ => Target::Sensor { key: Template::parse(sensor).expect(sensor), scale: Scale::ONE },
    };
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Mapping {
        measurement: measurement.to_owned(),
        tags: tags.iter().map(own).collect(),
        field: field.to_owned(),
        target,
    }
}

fn found(mappings: &PlantMappings, line: &Sent<'_>, field: &str) -> String {
    match mappings.find(line, field) {
        None => "none".to_owned(),
        Some(mapped) => mapped.sensor.map_or("left out".to_owned(), |(key, _)| key),
    }
}

#[test]
fn the_most_specific_mapping_counts() {
    let mappings = PlantMappings::new([
        mapping("*", &[], "*", "{measurement}/{field}"),
        mapping("*", &[("site", "a")], "power", "any-a-power"),
        mapping("modbus", &[], "*", "modbus.{field}"),
        mapping("modbus", &[], "power", "power"),
        mapping("modbus", &[("slave_id", "1")], "*", "one.{field}"),
        mapping("modbus", &[("slave_id", "1")], "energy", "E1"),
        mapping("modbus", &[("slave_id", "1"), ("name", "oven")], "*", "oven.{field}"),
        mapping("modbus", &[("name", "oven")], "flags", "-"),
    ]);
    for (line, field, sensor) in [
        (Sent("modbus", &[("name", "oven"), ("slave_id", "1")]), "energy", "oven.energy"),
        (Sent("modbus", &[("slave_id", "1")]), "energy", "E1"),
        (Sent("modbus", &[("slave_id", "1")]), "power", "one.power"),
        (Sent("modbus", &[("slave_id", "2")]), "power", "power"),
        (Sent("modbus", &[]), "energy", "modbus.energy"),
        (Sent("modbus", &[("site", "a")]), "power", "power"),
        (Sent("modbus", &[("name", "oven")]), "flags", "left out"),
        (Sent("modbus", &[("name", "oven")]), "power", "power"),
        (Sent("snmp", &[("site", "a")]), "power", "any-a-power"),
        (Sent("snmp", &[("site", "b")]), "power", "snmp/power"),
    ] {
        assert_eq!(found(&mappings, &line, field), sensor, "{} {:?} {field}", line.0, line.1);
    }
}

#[test]
fn a_template_without_its_tag_does_not_fit() {
    let mappings = PlantMappings::new([
        mapping("opcua", &[], "value", "{tag:machine}.{tag:id}"),
        mapping("*", &[], "value", "{measurement}"),
    ]);
    let line = |tags| Sent("opcua", tags);
    assert_eq!(found(&mappings, &line(&[("machine", "oven"), ("id", "T")]), "value"), "oven.T");
    assert_eq!(found(&mappings, &line(&[("machine", "oven")]), "value"), "opcua");
    assert_eq!(found(&mappings, &line(&[]), "Quality"), "none");
    assert_eq!(found(&PlantMappings::default(), &line(&[]), "value"), "none");
}

#[test]
fn templates_say_what_is_wrong_with_them() {
    for (text, says) in [
        ("{machine}", "unknown place {machine}"),
        ("{tag:}", "unknown place {tag:}"),
        ("a{field", "a single brace"),
        ("a}b", "a single brace"),
        ("", "must not be empty"),
        (" a", "blank"),
        (&"x".repeat(257), "longer than 256"),
    ] {
        let said = Template::parse(text).expect_err(text).to_string();
        assert!(said.contains(says), "{text}: {said}");
    }
    let line = Sent("m", &[("a b", "x")]);
    let rendered = |text| Template::parse(text).expect("template").render(&line, "f");
    assert_eq!(rendered("{{{tag:a b}}}-{field}{measurement}").as_deref(), Some("{x}-fm"));
    assert_eq!(rendered("{tag:c}"), None);
}

#[test]
fn a_value_is_scaled_to_the_sensors_unit() {
    let scale = Scale { factor: 0.1, offset: -40.0 };
    assert_eq!(scale.apply(655.0), 25.5);
    assert_eq!(Scale::ONE.apply(0.1 + 0.2), 0.1 + 0.2);
}

/// Few names, so that they meet.
fn any_mapping() -> impl Strategy<Value = Mapping> {
    let name = || prop::sample::select(vec!["*", "a", "b"]);
    let tags = prop::collection::btree_map("[xy]", "[12]", 0..3);
    (name(), tags, name(), prop::sample::select(vec!["k", "{tag:x}", "-"])).prop_map(
        |(measurement, tags, field, sensor)| {
            let tags: Vec<(&str, &str)> =
                tags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            mapping(measurement, &tags, field, sensor)
        },
    )
}

proptest! {
    /// The index finds what a look at every mapping finds.
    #[test]
    fn the_index_misses_nothing(
        mappings in prop::collection::vec(any_mapping(), 0..12),
        measurement in "[ab]", tags in prop::collection::btree_map("[xy]", "[123]", 0..3), field in "[ab]",
    ) {
        let unique: BTreeMap<_, _> = mappings
            .into_iter()
            .map(|m| ((m.measurement.clone(), m.tags.clone(), m.field.clone()), m))
            .collect();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let line = Sent(&measurement, &tags);
        let rank = |m: &Mapping| (m.measurement == "*", std::cmp::Reverse(m.tags.len()), m.field == "*");
        let best = unique
            .values()
            .filter(|m| m.measurement == "*" || m.measurement == measurement)
            .filter(|m| m.map(&line, &field).is_some())
            .map(rank)
            .min();
        let ranked = PlantMappings::new(unique.values().cloned());
        prop_assert_eq!(ranked.find(&line, &field).map(|found| rank(found.mapping)), best);
    }

    #[test]
    fn templates_never_panic(text in "[a{}:tagfield é]{0,20}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.render(&Sent("m", &[("a", "é")]), "f");
        }
    }
}
