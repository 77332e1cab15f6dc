//! Which plants and lines a login of the database may read: the second wall behind a data source's
//! own scope, kept by PostgreSQL (row-level security, `migrations/0009_reader_scopes.sql`).
//!
//! Run by the owner role. Must not know the plugin: a login that is held to some plants is so for
//! whatever statement it sends.

pub mod cli;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::schema;

/// A plant, or one line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Key of the plant.
    pub plant: String,
    /// Key of the line; none: the whole plant.
    pub line: Option<String>,
}

/// What a login may see.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Scope {
    /// Name of the login role.
    pub role: String,
    /// Key of the plant.
    pub plant: String,
    /// Key of the line; none: the whole plant.
    pub line: Option<String>,
}

/// A grant that cannot be made; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// There is no such role.
    #[error("there is no login {0}: CREATE ROLE {0} LOGIN PASSWORD '...'")]
    NoLogin(String),
    /// A role that sees everything by another right.
    #[error(
        "{role} is a member of {group} (or a superuser), which may read all plants: REVOKE {group} FROM {role}, or take a login of its own for this data source"
    )]
    SeesAll {
        /// The login.
        role: String,
        /// The group.
        group: String,
    },
    /// The group roles are not there.
    #[error(
        "the roles lotwise_plant_reader and lotwise_gate are missing; as a superuser: CREATE ROLE lotwise_plant_reader NOLOGIN; CREATE ROLE lotwise_gate NOLOGIN; GRANT lotwise_gate TO {0}; GRANT lotwise_plant_reader TO {0} WITH ADMIN OPTION"
    )]
    NoGroups(String),
    /// TimescaleDB has no row security on a columnstore.
    #[error(
        "the readings have a columnstore, which TimescaleDB does not allow together with row security: without it (`lotwise columnstore off`) logins can be held to plants, with it only data sources can"
    )]
    Columnstore,
    /// A key that does not exist.
    #[error("unknown {what} {key}: keys are those of /v1/plants and /v1/lines")]
    Unknown {
        /// `plant` or `line`.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

const ROLE: &str = "SELECT r.rolcanlogin,
        (SELECT g FROM unnest(ARRAY['lotwise_reader', 'lotwise_writer']) g
            WHERE r.rolsuper OR to_regrole(g) IS NOT NULL AND pg_has_role(r.oid, to_regrole(g)::oid, 'MEMBER') LIMIT 1)
    FROM pg_catalog.pg_roles r WHERE r.rolname = $1";

const GROUPS: &str = "SELECT to_regrole('lotwise_plant_reader') IS NOT NULL AND to_regrole('lotwise_gate') IS NOT NULL,
        current_user::text";

/// Whether logins are held to their plants; then each migration is followed by
/// [`build_walls`].
const STAND: &str = "SELECT coalesce((SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass('lotwise.plant')), false)";

/// True when row security is on.
///
/// # Errors
/// The database does not answer.
pub async fn walls_stand(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(STAND).fetch_one(conn).await
}

/// Makes the policies of all tables, again where they are there.
///
/// # Errors
/// The role may not, or the database does not answer.
pub async fn build_walls(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT lotwise.build_walls()").execute(conn).await.map(drop)
}

/// Lets a login see places, and nothing else: all of its places, these and those from before.
///
/// # Errors
/// [`ReaderError`], whose text says what to do.
pub async fn grant(
    conn: &mut PgConnection,
    role: &str,
    places: &[Place],
) -> Result<(), ReaderError> {
    let mut tx = conn.begin().await?;
    match grant_in(&mut tx, role, places).await {
        Ok(()) => Ok(tx.commit().await?),
        Err(error) => {
            // Now: a dropped transaction would stay open until the connection's next statement.
            tx.rollback().await?;
            Err(error)
        }
    }
}

async fn grant_in(tx: &mut PgConnection, role: &str, places: &[Place]) -> Result<(), ReaderError> {
    let found: Option<(bool, Option<String>)> =
        sqlx::query_as(ROLE).bind(role).fetch_optional(&mut *tx).await?;
    match found {
        Some((true, None)) => {}
        Some((true, Some(group))) => {
            return Err(ReaderError::SeesAll { role: role.to_owned(), group });
        }
        _ => return Err(ReaderError::NoLogin(role.to_owned())),
    }
    let (groups, me): (bool, String) = sqlx::query_as(GROUPS).fetch_one(&mut *tx).await?;
    if !groups {
        return Err(ReaderError::NoGroups(me));
    }
    if !walls_stand(tx).await? && schema::has_columnstore(tx).await? {
        return Err(ReaderError::Columnstore);
    }
    build_walls(tx).await?;
    for place in places {
        store(tx, role, place).await?;
    }
    // The name comes from pg_roles, quoted by the database.
    let member: String =
        sqlx::query_scalar("SELECT format('GRANT lotwise_plant_reader TO %I', $1)")
            .bind(role)
            .fetch_one(&mut *tx)
            .await?;
    sqlx::query(AssertSqlSafe(member)).execute(&mut *tx).await?;
    Ok(())
}

async fn store(conn: &mut PgConnection, role: &str, place: &Place) -> Result<(), ReaderError> {
    let (plant, line) = ids(conn, place).await?;
    sqlx::query("INSERT INTO lotwise.reader_scope (role, plant_id, line_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(role)
        .bind(plant)
        .bind(line)
        .execute(conn)
        .await?;
    Ok(())
}

async fn ids(
    conn: &mut PgConnection,
    Place { plant, line }: &Place,
) -> Result<(i32, Option<i32>), ReaderError> {
    let unknown = |what, key: &str| ReaderError::Unknown { what, key: key.to_owned() };
    let id: i32 = sqlx::query_scalar("SELECT id FROM lotwise.plant WHERE key = $1")
        .bind(plant)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| unknown("plant", plant))?;
    let Some(line) = line else { return Ok((id, None)) };
    sqlx::query_scalar("SELECT id FROM lotwise.line WHERE plant_id = $1 AND key = $2")
        .bind(id)
        .bind(line)
        .fetch_optional(conn)
        .await?
        .map(|line| (id, Some(line)))
        .ok_or_else(|| unknown("line", line))
}

/// Takes places away, or all that the login has; how many. A login without any sees nothing.
///
/// # Errors
/// [`ReaderError`], whose text says what to do.
pub async fn revoke(
    conn: &mut PgConnection,
    role: &str,
    places: &[Place],
) -> Result<u64, ReaderError> {
    if places.is_empty() {
        let gone = sqlx::query("DELETE FROM lotwise.reader_scope WHERE role = $1").bind(role);
        return Ok(gone.execute(conn).await?.rows_affected());
    }
    let mut gone = 0;
    for place in places {
        let (plant, line) = ids(conn, place).await?;
        gone += sqlx::query(
            "DELETE FROM lotwise.reader_scope WHERE role = $1 AND plant_id = $2 AND line_id IS NOT DISTINCT FROM $3",
        )
        .bind(role)
        .bind(plant)
        .bind(line)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    }
    Ok(gone)
}

/// All scopes, by role.
///
/// # Errors
/// The database does not answer.
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Scope>> {
    sqlx::query_as(
        "SELECT r.role, p.key AS plant, l.key AS line FROM lotwise.reader_scope r
        JOIN lotwise.plant p ON p.id = r.plant_id LEFT JOIN lotwise.line l ON l.id = r.line_id
        ORDER BY r.role, p.key, l.key NULLS FIRST",
    )
    .fetch_all(conn)
    .await
}
