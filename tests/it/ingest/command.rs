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

#[tokio::test]
async fn mappings_are_set_tested_listed_and_deleted() {
    let db = TestDb::migrated(Server::Plain).await;
    sqlx::raw_sql(
        "INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'M', 'Europe/Madrid');
         INSERT INTO sensor (plant_id, key, name, quantity, unit, kind)
             SELECT id, 'L1-E', 'E', 'energy', 'kWh', 'counter' FROM plant",
    )
    .execute(&db.pool().await)
    .await
    .expect("a plant");
    let place = ["--plant", "madrid", "--measurement", "modbus", "--tag", "slave=7"];
    let put = |more: &[&str]| lotwise(&db, &[&["mapping", "put"], &place[..], more].concat());
    let (done, said) = put(&["--field", "energy", "--sensor", "L1-E", "--factor", "0.1"]);
    assert!(done && said.contains("1 mappings are set"), "{said}");
    assert!(put(&["--field", "quality", "--leave-out"]).0);
    let (done, said) = put(&["--field", "T"]);
    assert!(!done && said.contains("sensor is missing"), "{said}");
    let (done, said) = lotwise(&db, &["mapping", "put", "--plant", "nix", "--sensor", "x"]);
    assert!(!done && said.contains("unknown plant"), "{said}");
    // What is not given stays.
    assert!(put(&["--field", "energy", "--offset", "-1"]).0);

    let folder = tempfile::tempdir().expect("folder");
    let (lines, listed) = (folder.path().join("lines"), folder.path().join("listed"));
    std::fs::write(&lines, "modbus,slave=7 energy=120i,quality=1i,T=4 0\nmodbus energy=1 0\nbad\n")
        .expect("write");
    let test = |plant: &[&str]| {
        lotwise(&db, &[&["mapping", "test", lines.to_str().expect("path")], plant].concat())
    };
    let (done, said) = test(&["--plant", "madrid"]);
    let expected = [
        "line 1, field \"energy\": 11 of madrid/L1-E (mapping modbus {\"slave\":\"7\"} energy)",
        "line 1, field \"quality\": left out (mapping modbus {\"slave\":\"7\"} quality)",
        "line 1, field \"T\": 4 of madrid/modbus.T, which is not registered (no mapping)",
        "line 2, field \"energy\": 1 of madrid/modbus.energy, which is not registered (no mapping)",
    ];
    let said: Vec<_> = said.lines().collect();
    assert!(done && said[..4] == expected && said[4].starts_with("line 3: "), "{said:#?}");
    assert!(test(&[]).1.contains("of no plant"));

    // The list can be put again, as a whole or not at all.
    let (_, list) = lotwise(&db, &["mapping", "list", "--plant", "madrid"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    let delete =
        |field| lotwise(&db, &[&["mapping", "delete"], &place[..], &["--field", field]].concat());
    assert!(delete("energy").0);
    let (done, said) = delete("energy");
    assert!(!done && said.contains("no such mapping"), "{said}");
    let file = listed.to_str().expect("path");
    let put_file = |text: &str| {
        std::fs::write(&listed, text).expect("write");
        lotwise(&db, &["mapping", "put", "--file", file])
    };
    let (done, said) = put_file(&format!("{list}{{\"plant\":\"madrid\",\"factor\":0}}\n"));
    assert!(!done && said.contains("mapping 3"), "{said}");
    assert_eq!(lotwise(&db, &["mapping", "list"]).1.lines().count(), 1);
    assert!(put_file(&list).0);
    assert_eq!(lotwise(&db, &["mapping", "list"]).1, list);
}
