//! Logins that are held to some plants: is the wall closed around them?

use sqlx::postgres::PgConnection;

use super::Finding;
use crate::reader;

/// Of each login with a scope: it exists; by what right it sees everything all the same; tables of the
/// schema that it can read directly and that have no policy, chunks of the readings included.
const HOLES: &str = "
    SELECT s.role, r.oid IS NOT NULL,
        (SELECT g FROM unnest(ARRAY['lotwise_reader', 'lotwise_writer']) g
            WHERE r.rolsuper OR to_regrole(g) IS NOT NULL AND pg_has_role(r.oid, to_regrole(g)::oid, 'MEMBER') LIMIT 1),
        ARRAY(SELECT c.oid::regclass::text FROM pg_class c
            WHERE r.oid IS NOT NULL AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
                AND (c.relnamespace = 'lotwise'::regnamespace
                    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'lotwise.reading'::regclass))
                AND c.relname NOT IN ('_sqlx_migrations', 'rollup_state')
                AND has_table_privilege(r.oid, c.oid, 'SELECT') ORDER BY 1 LIMIT 5)
    FROM (SELECT DISTINCT role FROM lotwise.reader_scope) s LEFT JOIN pg_roles r ON r.rolname = s.role ORDER BY s.role";

type Row = (String, bool, Option<String>, Vec<String>);

/// A line for all, or one for each login that has a hole; none where nobody is held to anything.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    // Only the owner may read the scopes.
    let may: bool =
        sqlx::query_scalar("SELECT has_table_privilege('lotwise.reader_scope', 'SELECT')")
            .fetch_one(&mut *conn)
            .await?;
    if !may || !reader::walls_stand(conn).await? {
        return Ok(Vec::new());
    }
    let logins: Vec<Row> = sqlx::query_as(HOLES).fetch_all(conn).await?;
    let count = logins.len();
    let holes: Vec<Finding> = logins.into_iter().filter_map(hole).collect();
    if !holes.is_empty() {
        return Ok(holes);
    }
    Ok(vec![Finding::ok("reader scopes", format!("{count} logins are held to plants or lines"))])
}

fn hole((role, exists, group, open): Row) -> Option<Finding> {
    let check = format!("reader {role}");
    if !exists {
        let advice = format!("lotwise reader revoke {role}, or make the login again");
        return Some(Finding::warn(check, "has a scope, but there is no such role", advice));
    }
    if let Some(group) = group {
        let found = format!("is a superuser or member of {group}, and not held to its plants");
        return Some(Finding::fail(check, found, format!("REVOKE {group} FROM {role}")));
    }
    if !open.is_empty() {
        let found = format!("can read {} without row security", open.join(", "));
        let advice = format!("REVOKE the right on it from {role}, or run `lotwise migrate`");
        return Some(Finding::fail(check, found, advice));
    }
    None
}
