//! The OpenAPI 3.1 document, made from the handlers and the items' types.

pub mod examples;

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, Required};
use utoipa::{IntoParams, Modify, OpenApi as _};

use super::context::{ListParameters, Listed};
use super::csv::{CellProblem, FileOutcome};
use super::mappings::MappingTest;
use super::problem::Problem;
use super::quarantine::{HeldReading, HeldReadings, Replayed};
use super::readings::{ItemProblem, Outcome, ReadingItem, ReadingsBody, TimeItem};
use super::sensors::{IncompleteSensor, IncompleteSensors, SilentSensor, SilentSensors};
use super::single::Deleted;
use super::write::{LineProblem, WriteError};
use super::{csv, health, mappings, quarantine, readings, sensors, single, write};
use crate::domain::tariff::{DayKind, Period, Rule};
use crate::ingest::context::{
    Resource,
    count::Count,
    factor::{Factor, FactorKind},
    lot::Lot,
    named::{Line, Operator, Reference},
    place::{Machine, Plant},
    run::{Run, RunChange},
    sensor::Sensor,
    shift::Shift,
    state::State,
    target::Target,
    tariff::Tariff,
};
use crate::ingest::mapping::trial::{TestedField, UsedMapping};

use crate::ingest::mapping::item::MappingItem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Lotwise ingest",
        description = "Readings and production context. A 2xx means committed; errors are RFC 9457 problems."
    ),
    paths(
        readings::post, csv::post, write::post, mappings::test, mappings::delete, quarantine::list, quarantine::replay, sensors::incomplete, sensors::silent,
        single::patch_run, single::delete_run,
        single::delete_counts, single::delete_tariff, single::delete_factor, single::delete_target,
        health::health, health::ready, health::metrics
    ),
    components(schemas(
        Plant, Line, Machine, Sensor, Shift, Reference, Operator, Lot, Run, RunChange, State,
        Count, Tariff, Period, Rule, DayKind, Factor, FactorKind, Target, Deleted,
        ReadingsBody, ReadingItem, TimeItem, Outcome, ItemProblem, Listed, Problem, WriteError, LineProblem,
        HeldReading, HeldReadings, Replayed, IncompleteSensor, IncompleteSensors,
        SilentSensor, SilentSensors,
        FileOutcome, CellProblem, MappingItem, MappingTest, TestedField, UsedMapping
    )),
    tags(
        (name = "readings", description = "Values of sensors"),
        (name = "context", description = "Plants and what is made in them"),
        (name = "operation", description = "Health and metrics")
    ),
    modifiers(&Rest)
)]
struct Document;

/// The document as committed in `docs/openapi.json`.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    })
}

/// `GET /openapi.json`.
pub async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

/// What the attributes do not say: the routes of the kinds of items, and the answers and the key
/// that many routes share.
struct Rest;

impl Modify for Rest {
    fn modify(&self, api: &mut OpenApi) {
        let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "`Authorization: Bearer KEY` or `Token KEY`; `lotwise key create` makes keys",
        ));
        if let Some(components) = &mut api.components {
            components.add_security_scheme("key", SecurityScheme::Http(key.build()));
        }
        items::<Plant>(api, "Plant", "plants");
        items::<Line>(api, "Line", "lines");
        items::<Machine>(api, "Machine", "machines");
        items::<Sensor>(api, "Sensor", "sensors");
        items::<Shift>(api, "Shift", "shifts");
        items::<Reference>(api, "Reference", "references (products)");
        items::<Operator>(api, "Operator", "operators");
        items::<Lot>(api, "Lot", "lots");
        items::<Run>(api, "Run", "runs");
        items::<State>(api, "State", "states of machines");
        items::<Count>(api, "Count", "production counts");
        items::<Tariff>(api, "Tariff", "tariffs");
        items::<Factor>(api, "Factor", "emission factors");
        items::<MappingItem>(api, "Mapping", "mappings of line protocol");
        items::<Target>(api, "Target", "targets of energy per unit");
        for (path, item) in &mut api.paths.paths {
            let error = if path == "/api/v2/write" { "WriteError" } else { "Problem" };
            if let Some(operation) = &mut item.get {
                shared_answers(operation, error);
            }
            for operation in
                [&mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
            {
                shared_answers(operation, error);
                let description = "The API key's rate is used up: retry after Retry-After";
                add_answer(operation, "429", description, error);
            }
            let changes = [&mut item.post, &mut item.patch, &mut item.delete];
            for operation in changes.into_iter().flatten() {
                if operation.tags.as_deref().is_some_and(|tags| tags.iter().any(|t| t == "context"))
                {
                    idempotency_key(operation);
                }
            }
        }
        examples::add(api);
    }
}

fn items<R: Resource>(api: &mut OpenApi, schema: &str, title: &str) {
    let path = format!("/v1/{}", R::NAME);
    let operation = |name: &str, summary: String| {
        OperationBuilder::new()
            .tag("context")
            .operation_id(Some(format!("{name}_{}", R::NAME)))
            .summary(Some(summary))
            .security(SecurityRequirement::new("key", Vec::<String>::new()))
    };
    let list = ArrayBuilder::new().items(Ref::from_schema_name(schema));
    let body = ObjectBuilder::new()
        .property("items", list)
        .required("items")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let body = ContentBuilder::new().schema(Some(body)).build();
    let post = operation("upsert", format!("Create or change {title}"))
        .description(Some(
            "By natural key. Fields that are left out keep what is stored, null clears them. A \
             refused item leaves the others alone.",
        ))
        .request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", body)
                .required(Some(Required::True))
                .build(),
        ))
        .response("200", answer("Good items are stored", "Outcome", "application/json"));
    let get = operation("list", format!("List {title}"))
        .parameters(Some(ListParameters::into_params(|| None)))
        .response("200", answer("The items", "Listed", "application/json"));
    api.paths.add_path_operation(&path, vec![HttpMethod::Post], post);
    api.paths.add_path_operation(&path, vec![HttpMethod::Get], get);
}

fn answer(description: &str, schema: &str, content_type: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new().description(description).content(content_type, content)
}

/// The header that makes a repeat harmless, and its refusals.
fn idempotency_key(operation: &mut Operation) {
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "A text of the sender's own for this change, such as a UUID. Within 24 hours a repeat gets \
             the first answer, with the header Idempotency-Replayed, and changes nothing.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255))))
        .example(Some("8e03978e-40d5-43dd-bc93-6894a57f9324".into()))
        .build();
    operation.parameters.get_or_insert_default().push(header.into());
    for (status, description) in [
        ("409", "A request with this Idempotency-Key is still at work"),
        (
            "422",
            "The Idempotency-Key was used for another request, or the answer is too long to be kept",
        ),
    ] {
        let response = answer(description, "Problem", "application/problem+json").build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}

/// The errors that any route with a key can answer, and `/ready` with its 503.
fn shared_answers(operation: &mut Operation, schema: &str) {
    let secured = operation.security.is_some();
    let with_body = operation.request_body.is_some();
    let is_influx = schema == "WriteError";
    let answers = [
        (secured, "400", "The body or a parameter cannot be read"),
        (secured, "401", "The API key is missing, unknown, expired or revoked"),
        (secured, "403", "The API key lacks the scope or the plant"),
        (with_body && !is_influx, "408", "The body did not arrive in time: send smaller batches"),
        (with_body, "413", "The body is too large after decompression: send smaller batches"),
        (with_body, "415", "The body is compressed with something else than gzip"),
        (
            secured,
            "503",
            "The database cannot take or give anything now, or too much is in memory: retry after Retry-After",
        ),
    ];
    let is_ready = operation.operation_id.as_deref() == Some("ready");
    for (applies, status, description) in answers {
        if applies || (is_ready && status == "503") {
            add_answer(operation, status, description, schema);
        }
    }
}

/// Unless the operation describes it itself.
fn add_answer(operation: &mut Operation, status: &str, description: &str, schema: &str) {
    let content_type =
        if schema == "Problem" { "application/problem+json" } else { "application/json" };
    let response = answer(description, schema, content_type).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// Of every body that can be sent or answered there is an example, but of metrics.
    #[test]
    fn everything_has_an_example() {
        assert!(super::examples::exchanges().is_ok_and(|all| all.len() > 40));
        let api: Value = serde_json::from_str(super::document()).expect("JSON");
        let mut without = Vec::new();
        for (path, item) in api["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let answers = operation["responses"].as_object().expect("answers");
                let bodies = answers.iter().map(|(status, answer)| (status.as_str(), answer));
                for (what, body) in bodies.chain([("request", &operation["requestBody"])]) {
                    for (kind, content) in body["content"].as_object().into_iter().flatten() {
                        if content["example"].is_null() && path != "/metrics" {
                            without.push(format!("{method} {path} {what} {kind}"));
                        }
                    }
                }
            }
        }
        assert_eq!(without, Vec::<String>::new());
    }

    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        if std::env::var_os("LOTWISE_BLESS").is_some() {
            std::fs::write(path, super::document()).expect("write docs/openapi.json");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == super::document(),
            "docs/openapi.json is stale: `just bless` renews it"
        );
    }
}
