use super::*;
use ts_rs::TS;

#[test]
fn a_value_with_a_nul_is_the_querys_fault() {
    let saved = r#"{"type": "kpi", "context": {"lots": ["a\u0000b"]}}"#;
    let refused = parse(saved.as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("lots has a NUL character"), "{refused}");
}

#[test]
fn an_empty_target_is_the_default_query() {
    let query = parse(br#"{"refId":"A","datasource":{"uid":"x"}}"#).unwrap();
    assert_eq!(query.kind, QueryType::Kpi);
    assert_eq!(query.bucket, Bucket::Auto);
    assert_eq!(query.kpis, Kpi::USUAL);
    assert_eq!(query.limit, DEFAULT_LIMIT);
}

#[test]
fn the_language_is_english_unless_the_query_says_spanish() {
    let language = |json: &str| parse(json.as_bytes()).map(|query| query.language);
    for json in ["{}", r#"{"language":null}"#, r#"{"language":"en"}"#] {
        assert_eq!(language(json).unwrap(), Language::En, "{json}");
    }
    assert_eq!(language(r#"{"language":"es"}"#).unwrap(), Language::Es);
    let error = language(r#"{"language":"fr"}"#).unwrap_err().to_string();
    assert!(error.contains("unknown variant `fr`, expected `en` or `es`"), "{error}");
    // A query that names none leaves it to whoever looks.
    let saved = serde_json::to_value(SavedQuery::default()).unwrap();
    assert_eq!(saved.get("language"), None);
}

#[test]
fn what_is_compared_with_is_said_in_each_language() {
    let words = |language| {
        [
            Compare::Previous,
            Compare::Day,
            Compare::Week,
            Compare::Month,
            Compare::Year,
            Compare::Lots,
        ]
        .map(|compare| compare.words(language))
    };
    assert_eq!(
        words(Language::En),
        [
            "previous period",
            "a day earlier",
            "a week earlier",
            "a month earlier",
            "a year earlier",
            "other lots"
        ]
    );
    assert_eq!(
        words(Language::Es),
        [
            "periodo anterior",
            "un día antes",
            "una semana antes",
            "un mes antes",
            "un año antes",
            "otros lotes"
        ]
    );
}

#[test]
fn all_is_an_empty_list_or_a_star() {
    for list in ["[]", r#"["*"]"#, r#"["L1","$__all"]"#, r#"[""]"#] {
        let json = format!(r#"{{"place":{{"lines":{list}}}}}"#);
        assert_eq!(parse(json.as_bytes()).unwrap().place.lines, Filter::All, "{list}");
    }
    let query = parse(br#"{"place":{"lines":["L2","L1","L2",""]}}"#).unwrap();
    assert_eq!(query.place.lines.keys().unwrap(), ["L1", "L2"]);
}

#[test]
fn errors_say_what_to_change() {
    let message = |json: &str| parse(json.as_bytes()).unwrap_err().to_string();
    assert!(message(r#"{"version":2}"#).contains("update the plugin"));
    assert!(message(r#"{"bucket":"fortnight"}"#).contains("use auto, whole"));
    assert!(message(r#"{"type":"sql"}"#).contains("unknown variant `sql`"));
    assert!(message(r#"{"type":"kpi","groupBy":"sensor"}"#).contains("another grouping"));
    assert!(message(r#"{"type":"runs","format":"alert"}"#).contains("no format alert"));
    let format = message(r#"{"type":"data_quality","format":"annotations"}"#);
    assert!(format.contains("another format"), "{format}");
    assert!(message(r#"{"type":"lots","groupBy":"operator"}"#).contains("grouped by operator"));
    let steps = message(r#"{"type":"lots","bucket":"day"}"#);
    assert!(steps.contains("no day of the calendar"), "{steps}");
    let group = message(r#"{"type":"baseline","groupBy":"operator"}"#);
    assert!(group.contains("baseline queries cannot be grouped by operator"), "{group}");
    let group = message(r#"{"type":"baseline","groupBy":"lot","format":"series"}"#);
    assert!(group.contains("by lot in tables only: choose the format table"), "{group}");
    assert!(message(r#"{"type":"baseline","format":"score"}"#).contains("no format score"));
    assert!(message(r#"{"type":"runs","format":"model"}"#).contains("runs queries have no format"));
    for period in [r#"{"from":"2026-02-01"}"#, r#"{"from":"2026-02-02","to":"2026-02-01"}"#] {
        let period = message(&format!(r#"{{"type":"baseline","baseline":{period}}}"#));
        assert!(period.contains("a first and a last day such as"), "{period}");
    }
    assert!(message(r#"{"type":"spc","format":"model"}"#).contains("spc queries have no format"));
    assert!(message(r#"{"type":"spc","groupBy":"lot"}"#).contains("spc queries cannot be grouped"));
    let drivers =
        message(r#"{"type":"baseline","baseline":{"drivers":["a","b","c","d","e","f"]}}"#);
    assert!(drivers.contains("at most 5"), "{drivers}");
    let message_of = |json: &str| message(&format!(r#"{{"type":"golden",{json}}}"#));
    assert!(message_of(r#""format":"score""#).contains("no format score"));
    assert!(message_of(r#""groupBy":"lot""#).contains("grouped by lot"));
    let best = message_of(r#""learnFrom":"best","bestLots":3"#);
    assert!(best.starts_with("3 best lots are not possible: choose 5 to 200 lots"), "{best}");
    assert!(message_of(r#""learnFrom":"best","bestPercent":101"#).contains("1 to 100 per cent"));
    let many = serde_json::json!({"context": {"lots": vec!["x"; 5001]}}).to_string();
    assert!(message(&many).contains("narrow it down"));
}

#[test]
fn the_front_ends_types_are_up_to_date() {
    let config = ts_rs::Config::new();
    let types = [
        QueryType::decl(&config),
        Kpi::decl(&config),
        GroupBy::decl(&config),
        Aggregate::decl(&config),
        Format::decl(&config),
        Align::decl(&config),
        AlertOn::decl(&config),
        saved::Baseline::decl(&config),
        SpcSubject::decl(&config),
        SpcChart::decl(&config),
        SpcRules::decl(&config),
        saved::Spc::decl(&config),
        LearnFrom::decl(&config),
        saved::Fill::decl(&config),
        saved::FilterKey::decl(&config),
        saved::FilterOp::decl(&config),
        saved::Rule::decl(&config),
        saved::Compare::decl(&config),
        saved::Place::decl(&config),
        saved::Context::decl(&config),
        Language::decl(&config),
        SavedQuery::decl(&config),
    ];
    let mut text = String::from(
        "// Generated from src/model/saved.rs by `just bless`. Do not edit.\n\nexport const MODEL_VERSION = 1;\n",
    );
    for decl in types {
        text.push_str(&format!("\nexport {decl}\n"));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/frontend/src/generated/model.ts");
    if std::env::var_os("LOTWISE_BLESS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, text, "frontend/src/generated/model.ts is stale: run `just bless`");
}
