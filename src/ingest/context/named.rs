//! Lines, references (products) and operators: a key and a name in a plant.

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Name, Resource, lookup};
use crate::domain::Key;

/// A resource that is a key and a name: `$path` in the API, `$table` in the database.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $path:literal, $table:literal, $key:literal, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $type {
            /// Its plant.
            #[schema(value_type = String, example = "madrid")]
            plant: Key,
            /// Its key.
            #[schema(value_type = String, example = $key)]
            key: Key,
            /// Its name.
            #[schema(value_type = String, example = $name)]
            name: Name,
        }

        impl Resource for $type {
            const NAME: &'static str = $path;
            const LIST: &'static str = concat!(
                "SELECT row_to_json(x)::text FROM (
                 SELECT p.key AS plant, t.key, t.name FROM lotwise.", $table, " t
                 JOIN lotwise.plant p ON p.id = t.plant_id
                 WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2 LIMIT $2) x"
            );

            fn plant(&self) -> &Key {
                &self.plant
            }

            async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
                let plant_id = lookup::plant(conn, &self.plant).await?;
                sqlx::query(concat!(
                    "INSERT INTO lotwise.", $table, " (plant_id, key, name) VALUES ($1, $2, $3)
                     ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name"
                ))
                .bind(plant_id)
                .bind(self.key.as_str())
                .bind(self.name.as_str())
                .execute(conn)
                .await?;
                Ok(())
            }
        }
    };
}

named!(
    /// A production line.
    Line, "lines", "line", "M1", "Line 1"
);
named!(
    /// A product.
    Reference, "references", "reference", "REF-A", "Bracket 40 mm"
);
named!(
    /// A person or crew that runs a line or machine.
    Operator, "operators", "operator", "op-7", "Crew 7"
);
