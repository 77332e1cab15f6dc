//! The command line: `lotwise migrate`, `lotwise key`.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use lotwise::ingest::keys::{Scope, Secret, store};

use crate::support::db::{Server, TestDb};

/// Runs `lotwise` on the database; whether it succeeded, and what it said.
fn lotwise(db: &TestDb, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lotwise"))
        .args(arguments)
        .env("LOTWISE_DATABASE_URL", &db.url)
        .output()
        .expect("run lotwise");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[tokio::test]
async fn migrate_says_what_the_database_is() {
    let db = TestDb::empty(Server::Plain).await;
    let (done, said) = lotwise(&db, &["key", "list"]);
    assert!(!done && said.contains("lotwise migrate"), "{said}");
    let (done, said) = lotwise(&db, &["migrate", "--timescaledb", "off"]);
    assert!(done && said.contains("plain PostgreSQL") && said.contains("new"), "{said}");
    let (done, said) = lotwise(&db, &["migrate", "--timescaledb", "off"]);
    assert!(done && said.contains("up to date"), "{said}");
}

#[tokio::test]
async fn a_key_is_made_listed_and_revoked() {
    let db = TestDb::migrated(Server::Plain).await;
    let pool = db.pool().await;
    let create = ["key", "create", "--name", "mes", "--scope", "context", "--scope", "readings"];
    let (done, secret) =
        lotwise(&db, &[&create[..], &["--plant", "madrid", "--expires", "2099-01-01"]].concat());
    assert!(done && secret.starts_with("lw_"), "{secret}");
    let hash = Secret::presented(secret.trim()).hash();
    let key = store::by_hash(&pool, &hash).await.expect("ask").expect("the key");
    assert_eq!(key.scopes, [Scope::Context, Scope::Readings]);
    assert_eq!(key.plants, Some(vec!["madrid".to_owned()]));
    let (done, said) = lotwise(&db, &create);
    assert!(!done && said.contains("there is a key \"mes\""), "{said}");
    let (done, said) = lotwise(&db, &["key", "list"]);
    assert!(
        done && said.contains("mes") && said.contains("active") && said.contains("2099-01-01"),
        "{said}"
    );
    assert!(!said.contains(&secret.trim()[3..]));
    assert!(lotwise(&db, &["key", "revoke", "mes"]).0);
    assert!(!lotwise(&db, &["key", "revoke", "mes"]).0);
    assert!(lotwise(&db, &["key", "list"]).1.contains("revoked"));
}

#[tokio::test]
async fn a_keys_own_rules_are_made_and_changed() {
    let db = TestDb::migrated(Server::Plain).await;
    let create = ["key", "create", "--name", "plc", "--scope", "readings", "--past-window", "7d"];
    let more = ["--rate", "500", "--request-rate", "5", "--auto-register"];
    let (done, said) = lotwise(&db, &[&create[..], &more].concat());
    assert!(done && said.starts_with("lw_"), "{said}");
    let listed = lotwise(&db, &["key", "list"]).1;
    let shown = "past window 7d  readings/s 500  requests/s 5  new sensors 1000, 100 an hour";
    assert!(listed.contains(shown), "{listed}");
    let change = ["--past-window", "none", "--request-rate", "default", "--no-auto-register"];
    let (done, said) = lotwise(&db, &[&["key", "update", "plc"], &change[..]].concat());
    assert!(done && said.contains("  past window none  readings/s 500\n"), "{said}");
    assert_eq!(lotwise(&db, &["key", "list"]).1, said);
    let (done, said) = lotwise(&db, &["key", "update", "plc", "--rate", "fast"]);
    assert!(!done && said.contains("neither a number a second above 0"), "{said}");
    let (done, said) = lotwise(&db, &["key", "update", "nobody", "--rate", "1"]);
    assert!(!done && said.contains("no key \"nobody\""), "{said}");
}

#[tokio::test]
async fn set_up_can_ask_for_a_key_again_and_again() {
    let db = TestDb::migrated(Server::Plain).await;
    let pool = db.pool().await;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("key");
    let ensure = || {
        let path = path.to_str().expect("path");
        let (done, said) = lotwise(
            &db,
            &[
                "key",
                "create",
                "--name",
                "demo",
                "--scope",
                "readings",
                "--if-absent",
                "--out",
                path,
            ],
        );
        assert!(done, "{said}");
        std::fs::read_to_string(path).expect("the file")
    };
    let first = ensure();
    assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    assert_eq!(ensure(), first);
    // The file is lost: a new secret, and the old one stops working.
    std::fs::remove_file(&path).expect("remove");
    let second = ensure();
    assert_ne!(first, second);
    let works = |secret: String| {
        let pool = pool.clone();
        async move {
            store::by_hash(&pool, &Secret::presented(secret.trim()).hash())
                .await
                .expect("ask")
                .is_some()
        }
    };
    assert!(works(second).await && !works(first).await);
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("folder").count(),
        1,
        "no half-written files"
    );
}

#[tokio::test]
async fn a_key_is_rotated() {
    let db = TestDb::migrated(Server::Plain).await;
    let pool = db.pool().await;
    let key = async |secret: &str| {
        let hash = Secret::presented(secret.trim()).hash();
        store::by_hash(&pool, &hash).await.expect("ask").expect("the key")
    };
    let (done, first) = lotwise(
        &db,
        &["key", "create", "--name", "mes", "--scope", "context", "--expires", "2099-01-01"],
    );
    assert!(done, "{first}");
    let (done, said) = lotwise(&db, &["key", "rotate", "mes"]);
    let (second, rest) = said.split_once('\n').expect("lines");
    assert!(done && second.starts_with("lw_") && rest.contains("works until"), "{rest}");
    assert!(lotwise(&db, &["key", "list"]).1.contains("old secret until"));
    let (old, new) = (key(&first).await, key(second).await);
    let hours = (old.old_secret_until.expect("a time") - chrono::Utc::now()).num_minutes();
    assert!((24 * 60 - 5..=24 * 60).contains(&hours), "{hours} minutes");
    assert_eq!(new.old_secret_until, None);
    assert_eq!((&old.scopes, old.expires_at), (&new.scopes, new.expires_at));

    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("key");
    let out = path.to_str().expect("path");
    let (done, said) = lotwise(&db, &["key", "rotate", "mes", "--keep", "0", "--out", out]);
    assert!(done && said.contains("no longer") && !said.contains("lw_"), "{said}");
    assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    assert_eq!(key(&std::fs::read_to_string(&path).expect("file")).await.old_secret_until, None);
    assert!(!lotwise(&db, &["key", "list"]).1.contains("old secret"));

    let (done, said) = lotwise(&db, &["key", "rotate", "nobody", "--out", out]);
    assert!(!done && said.contains("no key \"nobody\""), "{said}");
    let files = std::fs::read_dir(folder.path()).expect("folder").count();
    assert_eq!(files, 1, "no secrets left behind");
}
