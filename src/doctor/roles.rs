//! The group roles: what they need, and what they should not have.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use super::Finding;

/// A role, what it is for, and the rights that it lacks and that are too many.
type Row = (String, bool, bool, Vec<String>, Vec<String>);

/// As the migrations grant them. Rights are given as the end of a GRANT statement.
const RIGHTS: &str = "
    WITH tables (name) AS (SELECT unnest(ARRAY['plant', 'line', 'machine', 'sensor', 'shift', 'reference',
            'operator', 'lot', 'run', 'state', 'production_count', 'tariff', 'factor', 'target', 'reading',
            'quarantine', 'sensor_mapping',
            'rollup_state', 'rollup_sensor', 'rollup_dirty', 'rollup_hour', 'rollup_run', 'rollup_run_done'])),
    writes (name) AS (SELECT unnest(ARRAY['INSERT', 'UPDATE', 'DELETE'])),
    rights (role, kind, object, privilege, wanted) AS (
        SELECT role, 'table', tables.name, 'SELECT', true
            FROM tables, unnest(ARRAY['lotwise_writer', 'lotwise_reader']) AS role
        UNION ALL SELECT 'lotwise_writer', 'table', tables.name, writes.name, true FROM tables, writes
        UNION ALL SELECT 'lotwise_reader', 'table', tables.name, writes.name, false FROM tables, writes
        UNION ALL VALUES
            ('lotwise_writer', 'database', current_database(), 'CONNECT', true),
            ('lotwise_writer', 'database', current_database(), 'TEMPORARY', true),
            ('lotwise_writer', 'schema', 'lotwise', 'USAGE', true),
            ('lotwise_writer', 'table', '_sqlx_migrations', 'SELECT', true),
            ('lotwise_writer', 'table', 'api_key', 'SELECT', true),
            ('lotwise_writer', 'table', 'api_key_old_secret', 'SELECT', true),
            ('lotwise_writer', 'table', 'idempotency', 'SELECT', true),
            ('lotwise_writer', 'table', 'idempotency', 'INSERT', true),
            ('lotwise_writer', 'table', 'idempotency', 'UPDATE', true),
            ('lotwise_writer', 'table', 'idempotency', 'DELETE', true),
            ('lotwise_writer', 'function', 'ensure_partitions(timestamptz, timestamptz)', 'EXECUTE', true),
            ('lotwise_writer', 'function', 'rollup_mark(int[], int[], timestamptz[])', 'EXECUTE', true),
            ('lotwise_reader', 'database', current_database(), 'CONNECT', true),
            ('lotwise_reader', 'schema', 'lotwise', 'USAGE', true),
            ('lotwise_reader', 'table', '_sqlx_migrations', 'SELECT', true),
            ('lotwise_reader', 'table', 'api_key', 'SELECT', false),
            ('lotwise_reader', 'table', 'api_key_old_secret', 'SELECT', false),
            ('lotwise_reader', 'table', 'idempotency', 'SELECT', false)
    ),
    checked AS (
        SELECT rights.role, wanted, privilege || ' ON ' || CASE kind
                WHEN 'table' THEN 'lotwise.' || object
                WHEN 'function' THEN 'FUNCTION lotwise.' || object
                ELSE upper(kind) || ' ' || quote_ident(object) END AS words,
            CASE kind
                WHEN 'table' THEN has_table_privilege(r.oid, 'lotwise.' || object, privilege)
                WHEN 'function' THEN has_function_privilege(r.oid, 'lotwise.' || object, privilege)
                WHEN 'schema' THEN has_schema_privilege(r.oid, object, privilege)
                ELSE has_database_privilege(r.oid, object, privilege) END AS has
        FROM rights JOIN pg_roles r ON r.rolname = rights.role
    )
    SELECT role.name, EXISTS (SELECT FROM pg_roles WHERE rolname = role.name),
        EXISTS (SELECT FROM pg_roles login JOIN pg_roles r ON r.rolname = role.name
            WHERE login.rolcanlogin AND NOT login.rolsuper AND pg_has_role(login.oid, r.oid, 'MEMBER')),
        ARRAY(SELECT words FROM checked WHERE checked.role = role.name AND wanted AND NOT has ORDER BY words),
        ARRAY(SELECT words FROM checked WHERE checked.role = role.name AND NOT wanted AND has ORDER BY words)
    FROM unnest(ARRAY['lotwise_writer', 'lotwise_reader']) AS role (name)";

/// A line for each role.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    let roles: Vec<Row> = sqlx::query_as(RIGHTS).fetch_all(conn).await?;
    Ok(roles.into_iter().map(finding).collect())
}

fn finding((role, exists, has_login, lacks, too_many): Row) -> Finding {
    let check = format!("role {role}");
    if !exists {
        let advice = format!("CREATE ROLE {role} NOLOGIN; then grant what `lotwise doctor` names");
        return Finding::fail(check, "does not exist", advice);
    }
    if !lacks.is_empty() {
        let found = format!("lacks {}", some(&lacks));
        return Finding::fail(check, found, statements("GRANT", &lacks, &format!("TO {role}")));
    }
    if !too_many.is_empty() {
        let found = format!("has more rights than it needs: {}", some(&too_many));
        let advice = statements("REVOKE", &too_many, &format!("FROM {role}"));
        return Finding::warn(check, found, advice);
    }
    if !has_login {
        let advice = format!("CREATE ROLE ... LOGIN PASSWORD '...' IN ROLE {role}");
        return Finding::warn(check, "has its rights, but no login is a member", advice);
    }
    Finding::ok(check, "has its rights")
}

/// All in SQL to paste; one statement a privilege for the tables.
fn statements(verb: &str, rights: &[String], whom: &str) -> String {
    let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut others = Vec::new();
    for right in rights {
        match right.split_once(" ON ") {
            Some((privilege, table)) if table.starts_with("lotwise.") => {
                tables.entry(privilege).or_default().push(table);
            }
            _ => others.push(right.clone()),
        }
    }
    let tables = tables.iter().map(|(privilege, on)| format!("{privilege} ON {}", on.join(", ")));
    let statements: Vec<_> =
        tables.chain(others).map(|rights| format!("{verb} {rights} {whom}")).collect();
    statements.join("; ")
}

/// The first rights, and how many there are more.
fn some(rights: &[String]) -> String {
    const SHOWN: usize = 3;
    let first = rights.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match rights.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::finding;

    fn line(exists: bool, login: bool, lacks: &[&str], too_many: &[&str]) -> String {
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        finding(("r".to_owned(), exists, login, own(lacks), own(too_many))).to_string()
    }

    #[test]
    fn says_what_to_grant_or_revoke() {
        assert!(line(false, false, &[], &[]).starts_with("FAIL"));
        let rights =
            ["A ON lotwise.a", "A ON lotwise.b", "B ON lotwise.c", "USAGE ON SCHEMA lotwise"];
        let lacks = line(true, true, &rights, &[]);
        assert!(lacks.starts_with("FAIL") && lacks.contains("B ON lotwise.c and 1 more ->"));
        assert!(
            lacks.ends_with(
                "GRANT A ON lotwise.a, lotwise.b TO r; GRANT B ON lotwise.c TO r; \
                 GRANT USAGE ON SCHEMA lotwise TO r"
            ),
            "{lacks}"
        );
        let too_many = line(true, true, &[], &rights[..1]);
        assert!(too_many.starts_with("WARN") && too_many.ends_with("REVOKE A ON lotwise.a FROM r"));
        assert!(line(true, false, &[], &[]).starts_with("WARN"));
        assert!(line(true, true, &[], &[]).starts_with("OK"));
    }
}
