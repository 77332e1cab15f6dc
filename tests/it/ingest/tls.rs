//! HTTPS: certificates from files, client certificates, and a stop in the midst of a request.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lotwise::ingest::service::Args;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::on_both;
use crate::support::command::{lotwise, stdout};
use crate::support::db::{Server, TestDb};
use crate::support::ingest::{Ingest, answer};

on_both!(readings_come_over_https, a_request_that_is_under_way_is_finished);

/// An authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        Self(CertifiedIssuer::self_signed(params, key).expect("authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key.
    fn issue(&self, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.0).expect("certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a server's certificate and key into the folder.
    fn install(&self, folder: &Path) {
        let (certificate, key) = self.issue(ExtendedKeyUsagePurpose::ServerAuth);
        // The key first: between the two writes the pair does not fit, which is never taken.
        std::fs::write(folder.join("key.pem"), key).expect("write the key");
        std::fs::write(folder.join("cert.pem"), certificate).expect("write the certificate");
    }

    fn client(&self) -> ClientBuilder {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = Certificate::from_pem(self.pem().as_bytes()).expect("root");
        // A connection for each request, so that each shakes hands.
        Client::builder()
            .timeout(Duration::from_secs(120))
            .pool_max_idle_per_host(0)
            .tls_certs_only([root])
    }
}

fn files(folder: &TempDir, args: &mut Args) {
    args.tls.tls_cert = Some(folder.path().join("cert.pem"));
    args.tls.tls_key = Some(folder.path().join("key.pem"));
    args.tls.tls_reload_seconds = 1;
}

async fn start(server: Server, authority: &Authority, folder: &TempDir) -> Ingest {
    authority.install(folder.path());
    let client = authority.client().build().expect("client");
    let ingest = Ingest::start_with(server, client, |args| files(folder, args)).await;
    ingest.make_plants().await;
    ingest
}

async fn readings_come_over_https(server: Server) {
    let (authority, folder) = (Authority::new(), TempDir::new().expect("folder"));
    let ingest = start(server, &authority, &folder).await;
    assert!(ingest.url().starts_with("https://"));
    // Who connects and says nothing keeps nobody waiting.
    let port = url::Url::parse(ingest.url()).expect("URL").port().expect("port");
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.expect("connect"));
    }
    assert_eq!(ingest.write("T1 value=1 60").await.status, 204);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
    assert_eq!(ingest.write("T1 value=1 60\n".repeat(10_000)).await.status, 413);
    // Plain HTTP gets no answer, and a stranger's authority does not vouch for us.
    let plain = Client::new().get(format!("http://127.0.0.1:{port}/health")).send().await;
    assert!(plain.is_err());
    let stranger = Authority::new().client().build().expect("client");
    assert!(stranger.get(format!("{}/health", ingest.url())).send().await.is_err());
    doctor_reads_the_certificate(&ingest, &authority, &folder).await;
    let metrics = answer(ingest.anonymous(Method::GET, "/metrics")).await.text;
    assert!(metrics.contains("lotwise_ingest_tls_handshakes_failed_total"), "{metrics}");
    let valid_until = metrics
        .lines()
        .find_map(|line| line.strip_prefix("lotwise_ingest_tls_not_after_timestamp_seconds "))
        .and_then(|value| value.parse::<f64>().ok());
    assert!(valid_until.is_some_and(|until| until > chrono::Utc::now().timestamp() as f64));
}

async fn doctor_reads_the_certificate(ingest: &Ingest, authority: &Authority, folder: &TempDir) {
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("write");
    let doctor = |more: &[&str]| {
        let mut command = lotwise(&["doctor", "--database-url", &ingest.db.url]);
        command.args(["--url", ingest.url()]).args(more);
        tokio::task::spawn_blocking(move || stdout(&command.output().expect("run lotwise doctor")))
    };
    let said = doctor(&["--ca", ca.to_str().expect("path")]).await.expect("join");
    assert!(said.contains("OK    ingest service        ready"), "{said}");
    assert!(said.contains("OK    TLS certificate       valid until"), "{said}");
    // An authority that this machine does not know.
    let said = doctor(&[]).await.expect("join");
    let refused = said.lines().find(|line| line.starts_with("FAIL  ingest service"));
    assert!(refused.is_some_and(|line| line.contains("--ca")), "{said}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = TempDir::new().expect("folder");
    let ingest = start(Server::Plain, &old, &folder).await;
    let health = format!("{}/health", ingest.url());
    let works = async |authority: &Authority| {
        let client = authority.client().build().expect("client");
        client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success())
    };
    assert!(works(&old).await && !works(&new).await);
    new.install(folder.path());
    let started = Instant::now();
    while !works(&new).await {
        assert!(started.elapsed() < Duration::from_secs(120), "the new certificate is not taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!works(&old).await);
    // Another key: the two do not fit.
    let (_, key) = old.issue(ExtendedKeyUsagePurpose::ServerAuth);
    std::fs::write(folder.path().join("key.pem"), key).expect("write");
    let failed = || async {
        let client = new.client().build().expect("client");
        let url = format!("{}/metrics", ingest.url());
        let text = client.get(url).send().await.expect("answer").text().await.expect("text");
        text.contains("lotwise_ingest_tls_reloads_failed_total")
    };
    let started = Instant::now();
    while !failed().await {
        assert!(started.elapsed() < Duration::from_secs(120), "the broken pair is not noticed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(works(&new).await, "the certificate from before stays");
}

/// The certificate is looked at once an hour here, so that only the signal can be why it is taken.
#[tokio::test]
async fn a_new_certificate_is_taken_on_sighup() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = TempDir::new().expect("folder");
    old.install(folder.path());
    let db = TestDb::migrated(Server::Plain).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("address").port();
    drop(free);
    let mut service =
        lotwise(&["ingest", "--database-url", &db.url, "--tls-reload-seconds", "3600"])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--tls-cert"])
            .arg(folder.path().join("cert.pem"))
            .arg("--tls-key")
            .arg(folder.path().join("key.pem"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start lotwise ingest");
    let works = async |authority: &Authority| {
        let client = authority.client().build().expect("client");
        let answer = client.get(format!("https://localhost:{port}/health")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    let until_works = async |authority: &Authority, what: &str| {
        let started = Instant::now();
        while !works(authority).await {
            assert!(started.elapsed() < Duration::from_secs(120), "{what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until_works(&old, "lotwise ingest does not listen").await;
    new.install(folder.path());
    assert!(works(&old).await && !works(&new).await, "nothing changes before the signal");
    let sent = Command::new("kill").args(["-HUP", &service.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    until_works(&new, "the new certificate is not taken").await;
    assert!(!works(&old).await);
    service.kill().expect("stop");
    service.wait().expect("stopped");
}

#[tokio::test]
async fn only_clients_with_a_certificate_come_in_where_one_is_asked_for() {
    let (authority, folder) = (Authority::new(), TempDir::new().expect("folder"));
    authority.install(folder.path());
    let client_ca = folder.path().join("client-ca.pem");
    std::fs::write(&client_ca, authority.pem()).expect("write");
    let identity = |authority: &Authority| {
        let (certificate, key) = authority.issue(ExtendedKeyUsagePurpose::ClientAuth);
        Identity::from_pem(format!("{certificate}{key}").as_bytes()).expect("identity")
    };
    let client = authority.client().identity(identity(&authority)).build().expect("client");
    let ingest = Ingest::start_with(Server::Plain, client, |args| {
        files(&folder, args);
        args.tls.tls_client_ca = Some(client_ca);
    })
    .await;
    ingest.make_plants().await;
    assert_eq!(ingest.write("T1 value=1 60").await.status, 204);
    // The certificate opens the door, the key says who it is.
    assert_eq!(answer(ingest.anonymous(Method::POST, "/api/v2/write")).await.status, 401);
    let health = format!("{}/health", ingest.url());
    let without = authority.client().build().expect("client");
    assert!(without.get(&health).send().await.is_err());
    let stranger = Authority::new();
    let foreign = authority.client().identity(identity(&stranger)).build().expect("client");
    assert!(foreign.get(&health).send().await.is_err());
}

async fn a_request_that_is_under_way_is_finished(server: Server) {
    let (authority, folder) = (Authority::new(), TempDir::new().expect("folder"));
    let mut ingest = start(server, &authority, &folder).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).expect("root");
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let port = url::Url::parse(ingest.url()).expect("URL").port().expect("port");
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connect");
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("name");
    let mut stream = connector.connect(name, stream).await.expect("handshake");
    let (first, second) = ("T1 value=1 60\n", "T1 value=2 120\n");
    let head = format!(
        "POST /api/v2/write?bucket=madrid&precision=s HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Token {}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n{first}",
        ingest.key,
        first.len() + second.len()
    );
    stream.write_all(head.as_bytes()).await.expect("send");
    // The service says so when it begins to read the body.
    let mut begun = Vec::new();
    while !begun.ends_with(b"\r\n\r\n") {
        begun.push(stream.read_u8().await.expect("an interim answer"));
    }
    assert!(begun.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&begun));
    let pool = ingest.pool.clone();
    let finish = async {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            assert!(started.elapsed() < Duration::from_secs(120), "new connections are taken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream.write_all(second.as_bytes()).await.expect("send the rest");
        let mut said = Vec::new();
        // The connection ends without TLS's farewell where the service is gone at once.
        let _ = stream.read_to_end(&mut said).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let (said, ()) = tokio::join!(finish, ingest.stop());
    assert!(said.starts_with("HTTP/1.1 204"), "{said}");
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&pool).await.expect("count");
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn metrics_can_have_an_address_of_their_own() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("address").to_string();
    drop(free);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new();
    let ingest = Ingest::start_with(Server::Plain, client.clone(), |args| {
        args.metrics_listen = Some(address.clone());
    })
    .await;
    assert_eq!(ingest.get("/health").await.status, 200);
    assert_eq!(ingest.get("/metrics").await.status, 404);
    let get = async |path: &str| {
        let url = format!("http://{address}{path}");
        client.get(url).send().await.expect("answer").status().as_u16()
    };
    assert_eq!(
        [get("/metrics").await, get("/ready").await, get("/v1/plants").await],
        [200, 200, 404]
    );
}
