//! Readers: the group that may read all cannot write, and logins that are held to plants or lines see
//! nothing else, by whatever statement.

use lotwise::reader::{self, Place, ReaderError};
use lotwise::rollup;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::{DataSource, Plugin};

/// A login of its own in this server, gone with this value's [`Login::drop`].
pub struct Login {
    pub role: String,
    pub url: String,
}

impl Login {
    pub async fn new(db: &TestDb, pool: &PgPool, group: &str) -> Self {
        let role = format!("reader_{:016x}", rand::random::<u64>());
        let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'pw' {group}");
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect("create the login");
        let mut url = url::Url::parse(&db.url).expect("URL");
        url.set_username(&role).expect("user");
        url.set_password(Some("pw")).expect("password");
        Self { role, url: url.into() }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("connect as the login")
    }

    /// The role belongs to the server and not to the database.
    pub async fn drop(self, pool: &PgPool) {
        let sql = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.expect("drop the login");
    }
}

fn place(plant: &str, line: Option<&str>) -> Place {
    Place { plant: plant.to_owned(), line: line.map(str::to_owned) }
}

/// The factory, rolled up, with rows in every table that a reader may read.
async fn factory(server: Server) -> (TestDb, PgPool) {
    let db = fixture::factory(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(
        "INSERT INTO state (plant_id, line_id, machine_id, state, started_at)
             SELECT plant_id, line_id, id, 'running', '2026-01-15 08:00Z' FROM machine;
         INSERT INTO production_count (plant_id, line_id, ended_at, good_units, scrap_units)
             SELECT plant_id, id, '2026-01-15 09:00Z', 1, 0 FROM line;
         INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar)
             SELECT id, 't', 'T', '2026-01-01', '[]', '[]' FROM plant;
         INSERT INTO factor (plant_id, kind, valid_from, kg_co2_per_kwh)
             SELECT id, 'location_based', '2026-01-01', 0.2 FROM plant;
         INSERT INTO target (plant_id, reference_id, valid_from, kwh_per_unit)
             SELECT plant_id, id, '2026-01-01', 1 FROM reference;
         INSERT INTO quarantine (plant_id, sensor, time, value, reason)
             SELECT id, 'x', now(), 1, 'unknown_sensor' FROM plant;
         INSERT INTO sensor_mapping (plant_id, measurement, field, sensor) SELECT id, 'm', 'f', 's' FROM plant",
    )
    .execute(&pool)
    .await
    .expect("rows");
    let mut keeper = rollup::connect(&db.url).await.expect("connect");
    assert!(rollup::try_lock(&mut keeper).await.expect("lock"));
    rollup::refresh(&mut keeper, None).await.expect("refresh");
    sqlx::query("INSERT INTO rollup_dirty SELECT plant_id, id, '2026-01-15 08:00Z' FROM sensor")
        .execute(&pool)
        .await
        .expect("marks");
    sqlx::query("ANALYZE").execute(&pool).await.expect("statistics");
    (db, pool)
}

/// Every table and view of the two schemas that a role may read, with the column of the plant.
async fn readable(conn: &mut PgConnection) -> Vec<(String, Option<String>)> {
    sqlx::query_as(
        "SELECT c.oid::regclass::text, (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid
            AND a.attname = CASE c.relname WHEN 'plant' THEN 'id' ELSE 'plant_id' END)
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND (c.relnamespace::regnamespace::text LIKE 'lotwise%'
                OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'lotwise.reading'::regclass))
            AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
        ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .expect("tables")
}

/// The plants of which the session sees rows, by table.
async fn plants_seen(conn: &mut PgConnection) -> Vec<(String, Vec<i32>)> {
    let mut seen = Vec::new();
    for (table, column) in readable(conn).await {
        let Some(column) = column else { continue };
        let sql = format!("SELECT DISTINCT {column} FROM {table} ORDER BY 1");
        let plants = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *conn).await;
        seen.push((table, plants.expect("read")));
    }
    seen
}

async fn a_login_is_held_to_its_plants(server: Server) {
    let (db, pool) = factory(server).await;
    let mut owner = PgConnection::connect(&db.url).await.expect("connect");
    let login = Login::new(&db, &pool, "").await;
    let all = Login::new(&db, &pool, "IN ROLE lotwise_reader").await;
    let ids: Vec<i32> = sqlx::query_scalar("SELECT id FROM plant ORDER BY key")
        .fetch_all(&pool)
        .await
        .expect("plants");
    let (madrid, porto) = (ids[0], ids[1]);

    let before = plants_seen(&mut all.connect().await).await;
    assert!(before.len() >= 20 && before.iter().all(|(_, plants)| *plants == [madrid, porto]));
    reader::grant(&mut owner, &login.role, &[place("madrid", None)]).await.expect("grant");
    let after = plants_seen(&mut all.connect().await).await;
    assert_eq!(after, before, "the group of all plants sees them still");

    let mut conn = login.connect().await;
    let seen = plants_seen(&mut conn).await;
    let readings = ("lotwise_scoped.reading".to_owned(), vec![madrid]);
    assert!(seen.contains(&readings) && seen.len() >= 19, "{seen:?}");
    for (table, plants) in &seen {
        assert_eq!(*plants, [madrid], "{table}");
    }
    // What has no plant tells nothing of one.
    let (open, _): (Vec<_>, Vec<_>) =
        readable(&mut conn).await.into_iter().partition(|(_, plant)| plant.is_none());
    let open: Vec<_> = open.into_iter().map(|(table, _)| table).collect();
    assert_eq!(open, ["lotwise._sqlx_migrations", "lotwise.rollup_state"]);
    // Not by statistics, by an error that shows a value, nor by another role.
    let values: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stats WHERE tablename LIKE '%reading%' OR tablename LIKE '_hyper%'",
    )
    .fetch_one(&mut conn)
    .await
    .expect("statistics");
    assert_eq!(values, 0);
    let leak =
        "SELECT count(*) FROM lotwise_scoped.reading WHERE 1 / (value - 77)::int IS NOT NULL";
    sqlx::query(leak).execute(&mut conn).await.expect("porto's 77 degrees divide nothing by zero");
    for role in ["lotwise_reader", "lotwise_gate", "lotwise_writer", "postgres"] {
        let sql = format!("SET ROLE {role}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.expect_err(role);
    }
    for sql in [
        "SELECT 1 FROM lotwise.reading",
        "SELECT 1 FROM lotwise.reader_scope",
        "SELECT 1 FROM lotwise.api_key",
        "SELECT lotwise.build_walls()",
        "ALTER TABLE lotwise.plant DISABLE ROW LEVEL SECURITY",
        "CREATE VIEW lotwise_scoped.mine AS SELECT 1",
        "INSERT INTO lotwise.reader_scope VALUES (current_user, 2, NULL)",
    ] {
        sqlx::query(sql).execute(&mut conn).await.expect_err(sql);
    }
    // SET row_security = off makes an error of it, not a hole.
    sqlx::query("SET row_security = off").execute(&mut conn).await.expect("set");
    sqlx::query("SELECT 1 FROM lotwise.run").execute(&mut conn).await.expect_err("bypass");
    conn.close().await.expect("close");

    // One line only; and nothing, once it is taken away.
    reader::revoke(&mut owner, &login.role, &[]).await.expect("revoke");
    let mut conn = login.connect().await;
    assert!(plants_seen(&mut conn).await.iter().all(|(_, plants)| plants.is_empty()));
    reader::grant(&mut owner, &login.role, &[place("madrid", Some("L2"))]).await.expect("grant");
    let keys = async |conn: &mut PgConnection, sql: &'static str| -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(conn).await.expect("keys")
    };
    let sensors = keys(&mut conn, "SELECT key FROM lotwise.sensor ORDER BY 1").await;
    assert_eq!(sensors, ["L2-energy", "saw-temp"]);
    let with_readings = "SELECT DISTINCT s.key FROM lotwise_scoped.reading r JOIN lotwise.sensor s ON s.id = r.sensor_id ORDER BY 1";
    assert_eq!(keys(&mut conn, with_readings).await, sensors);
    assert_eq!(keys(&mut conn, "SELECT key FROM lotwise.run").await, ["RUN-3"]);
    conn.close().await.expect("close");
    login.drop(&pool).await;
    all.drop(&pool).await;
}

/// A data source without a scope of its own shows what its login may see, by the same statements.
async fn the_plugin_answers_with_a_login_that_is_held(server: Server) {
    let (db, pool) = factory(server).await;
    let mut owner = PgConnection::connect(&db.url).await.expect("connect");
    let login = Login::new(&db, &pool, "").await;
    reader::grant(&mut owner, &login.role, &[place("madrid", None)]).await.expect("grant");
    let plugin = Plugin::with(DataSource::of(&login.url)).await;
    let (fine, message, _) = plugin.health().await;
    assert!(fine && message.contains("1 plants, 6 sensors"), "{message}");
    let frames = plugin.frames(json!({"type": "kpi", "kpis": ["energy"]})).await;
    let energy = frames[0].numbers("energy")[0].expect("energy");
    assert!((energy - 160.0).abs() < 1e-9, "madrid alone: {energy}");
    for kind in ["series", "runs", "latest", "data_quality", "lots"] {
        assert!(!plugin.frames(json!({"type": kind})).await.is_empty(), "{kind}");
    }
    let unknown = plugin.error(json!({"type": "kpi", "place": {"plants": ["porto"]}})).await;
    assert!(unknown.error.contains("\"porto\""), "{}", unknown.error);
    assert_eq!(plugin.pick("plants").await.values(), ["madrid"]);
    drop(plugin);
    login.drop(&pool).await;
}

async fn grants_that_make_no_wall_are_refused(server: Server) {
    let (db, pool) = factory(server).await;
    let mut owner = PgConnection::connect(&db.url).await.expect("connect");
    let all = Login::new(&db, &pool, "IN ROLE lotwise_reader").await;
    let madrid = [place("madrid", None)];
    let refused = reader::grant(&mut owner, &all.role, &madrid).await;
    assert!(matches!(refused, Err(ReaderError::SeesAll { .. })), "{refused:?}");
    let refused = reader::grant(&mut owner, "nobody_at_all", &madrid).await;
    assert!(matches!(refused, Err(ReaderError::NoLogin(_))), "{refused:?}");
    let login = Login::new(&db, &pool, "").await;
    let refused = reader::grant(&mut owner, &login.role, &[place("madrid", Some("P1"))]).await;
    assert!(matches!(refused, Err(ReaderError::Unknown { what: "line", .. })), "{refused:?}");
    assert!(reader::list(&mut owner).await.expect("list").is_empty());
    assert!(!reader::walls_stand(&mut owner).await.expect("walls"), "nothing was switched on");

    // A table of a later migration gets its policies when the schema is migrated again.
    reader::grant(&mut owner, &login.role, &madrid).await.expect("grant");
    sqlx::raw_sql(
        "CREATE TABLE later (plant_id int); INSERT INTO later SELECT id FROM plant; GRANT SELECT ON later TO lotwise_reader",
    )
    .execute(&pool)
    .await
    .expect("a new table");
    let choice = lotwise::schema::TimescaleChoice::Auto;
    lotwise::schema::migrate(&db.url, choice).await.expect("migrate");
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM lotwise.later")
        .fetch_one(&mut login.connect().await)
        .await
        .expect("read");
    assert_eq!(seen, 1);
    login.drop(&pool).await;
    all.drop(&pool).await;
}

/// Nothing that a login of the group may say changes anything.
async fn the_reader_cannot_write(server: Server) {
    let (db, pool) = factory(server).await;
    let login = Login::new(&db, &pool, "IN ROLE lotwise_reader").await;
    let mut conn = login.connect().await;
    sqlx::query("SET search_path = lotwise").execute(&mut conn).await.expect("set");
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.oid::regclass::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
        WHERE c.relkind IN ('r', 'p') AND (c.relnamespace = 'lotwise'::regnamespace
            OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'lotwise.reading'::regclass))",
    )
    .fetch_all(&pool)
    .await
    .expect("tables");
    assert!(tables.len() > 25, "{tables:?}");
    let mut attempts: Vec<String> = Vec::new();
    for (table, column) in &tables {
        attempts.extend([
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("SELECT 1 FROM {table} FOR UPDATE"),
            format!("LOCK TABLE {table} IN EXCLUSIVE MODE"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} ADD COLUMN x int"),
            format!("CREATE INDEX ON {table} ({column})"),
            format!("COMMENT ON TABLE {table} IS 'x'"),
            format!("CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()"),
            format!("CREATE POLICY p ON {table} USING (true)"),
        ]);
    }
    let functions: Vec<String> = sqlx::query_scalar(
        "SELECT format('SELECT %s(%s)', p.oid::regproc, (SELECT string_agg('NULL::' || format_type(t, NULL), ', ')
            FROM unnest(p.proargtypes) t)) FROM pg_proc p WHERE p.pronamespace = 'lotwise'::regnamespace AND p.provolatile = 'v'",
    )
    .fetch_all(&pool)
    .await
    .expect("functions");
    assert!(functions.len() >= 3);
    attempts.extend(functions);
    let more = [
        "CREATE TABLE lotwise.mine (x int)",
        "CREATE FUNCTION lotwise.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION pg_trgm",
        "CREATE ROLE mine",
        "SET ROLE lotwise_writer",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE lotwise_reader SUPERUSER",
        "GRANT lotwise_writer TO lotwise_reader",
        "COPY lotwise.plant TO PROGRAM 'true'",
        "COPY lotwise.plant TO '/tmp/lotwise_reader'",
        "SELECT lo_import('/etc/hostname')",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_catalog.set_config('session_replication_role', 'replica', false)",
        "SELECT nextval('lotwise.plant_id_seq')",
    ];
    attempts.extend(more.map(str::to_owned));
    let before = state(&pool).await;
    for sql in &attempts {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut conn).await;
        assert!(done.is_err(), "{sql}");
    }
    // With the settings of the plugin not even a temporary table.
    sqlx::query("SET default_transaction_read_only = on").execute(&mut conn).await.expect("set");
    sqlx::query("CREATE TEMPORARY TABLE x (y int)")
        .execute(&mut conn)
        .await
        .expect_err("temporary");
    assert_eq!(state(&pool).await, before);
    conn.close().await.expect("close");
    login.drop(&pool).await;
}

/// A fingerprint of all rows of all tables, and the tables' definitions.
pub async fn state(pool: &PgPool) -> Vec<(String, Option<String>)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'lotwise'::regnamespace
            AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .expect("tables");
    let mut state = Vec::new();
    for table in tables {
        let sql = format!(
            "SELECT md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM lotwise.{table} t"
        );
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.expect("rows");
        state.push((table, rows));
    }
    state
}

macro_rules! on {
    ($module:ident, $server:expr) => {
        mod $module {
            use crate::support::db::Server;

            #[tokio::test]
            async fn a_login_is_held_to_its_plants() {
                super::a_login_is_held_to_its_plants($server).await;
            }

            #[tokio::test]
            async fn the_plugin_answers_with_a_login_that_is_held() {
                super::the_plugin_answers_with_a_login_that_is_held($server).await;
            }

            #[tokio::test]
            async fn grants_that_make_no_wall_are_refused() {
                super::grants_that_make_no_wall_are_refused($server).await;
            }
        }
    };
}
on!(timescale, Server::Timescale);
on!(plain, Server::Plain);
on!(timescale_community, Server::Tsl);

// In a server of tests/tsl every session may become the superuser.
#[tokio::test]
async fn the_reader_cannot_write_on_timescaledb() {
    the_reader_cannot_write(Server::Timescale).await;
}

#[tokio::test]
async fn the_reader_cannot_write_on_plain_postgresql() {
    the_reader_cannot_write(Server::Plain).await;
}
