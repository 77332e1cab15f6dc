//! A plugin host as Grafana is one: starts a back-end plugin, reads its handshake, speaks gRPC to
//! it and stops it through the controller of go-plugin.
//!
//! Shared by the conformance tests and by the preview server. Knows the protocol; must not know
//! what the plugin does.
#![allow(dead_code)] // each user needs a part of it

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use grafana_plugin_sdk::pluginv2::{
    admission_control_client::AdmissionControlClient, data_client::DataClient,
    diagnostics_client::DiagnosticsClient, resource_client::ResourceClient,
    resource_conversion_client::ResourceConversionClient, stream_client::StreamClient,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, Lines},
    net::UnixStream,
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;

/// The variable and the value by which a Grafana plugin knows that Grafana started it.
pub const MAGIC_COOKIE: (&str, &str) = ("grafana_plugin_type", "datasource");

/// Largest message either way: what Grafana's own SDK for plugins accepts.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Frames come back larger than requests are; Grafana sets no limit for them.
const MAX_ANSWER_BYTES: usize = 512 * 1024 * 1024;

/// How long a plugin may take to say its handshake (Grafana's start timeout).
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a plugin may take to exit after the controller's shutdown, before it is killed. (Grafana
/// waits for two seconds; a machine that runs many tests at once is slower.)
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a plugin is started.
pub struct Launch {
    program: PathBuf,
    environment: Vec<(String, String)>,
    observer: Option<Observer>,
}

impl Launch {
    /// Starts `program` with the environment that Grafana gives to a data source plugin, and with
    /// nothing of the host's own environment.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let environment = [
            MAGIC_COOKIE,
            ("PLUGIN_PROTOCOL_VERSIONS", "2"),
            ("PLUGIN_MIN_PORT", "10000"),
            ("PLUGIN_MAX_PORT", "25000"),
            ("GF_VERSION", "12.4.0"),
        ];
        Self {
            program: program.as_ref().to_owned(),
            environment: environment
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
            observer: None,
        }
    }

    /// Sets a variable of the plugin's environment, or replaces it.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != key);
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Removes a variable of the plugin's environment.
    #[must_use]
    pub fn env_remove(mut self, key: &str) -> Self {
        self.environment.retain(|(known, _)| known != key);
        self
    }

    /// Calls `observer` with each line that the plugin logs.
    #[must_use]
    pub fn on_log(mut self, observer: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Starts the process without speaking to it: for tests of the handshake itself.
    pub fn spawn(&self) -> Result<Child> {
        Command::new(&self.program)
            .env_clear()
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the plugin {} cannot be started", self.program.display()))
    }

    /// Starts the plugin, waits for its handshake and connects to it.
    pub async fn start(&self) -> Result<Host> {
        let started = Instant::now();
        let mut child = self.spawn()?;
        let stdout = child.stdout.take().context("the plugin has no stdout")?;
        let stderr = child.stderr.take().context("the plugin has no stderr")?;
        let log = Log { lines: Arc::default(), observer: self.observer.clone() };
        let reader = tokio::spawn(log.clone().follow(stderr));

        let mut stdout = BufReader::new(stdout).lines();
        let connected = tokio::time::timeout(START_TIMEOUT, async {
            let handshake = read_handshake(&mut stdout).await?;
            let channel = connect(&handshake.address).await?;
            Ok::<_, anyhow::Error>((handshake, channel))
        })
        .await
        .unwrap_or_else(|_| Err(anyhow!("the plugin said no handshake within a minute")));
        let (handshake, channel) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                let _ = child.start_kill();
                let exit = child.wait().await?;
                let _ = reader.await;
                let log = log.lines().join("\n");
                return Err(error.context(format!("the plugin ended with {exit}; its log:\n{log}")));
            }
        };
        Ok(Host {
            child,
            channel,
            handshake,
            log,
            start_took: started.elapsed(),
            stdout: tokio::spawn(discard(stdout)),
        })
    }
}

/// The line by which a plugin says where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Version of go-plugin's own protocol: 1.
    pub core_version: u32,
    /// Version of the application's protocol: Grafana's is 2.
    pub protocol_version: u32,
    /// Where the plugin listens.
    pub address: Address,
}

/// Where a plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl Handshake {
    /// Reads `1|2|unix|/tmp/plugin123|grpc`; later fields (certificate, multiplexing) may be empty.
    pub fn parse(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.trim().split('|').collect();
        let [core, protocol, network, address, transport, rest @ ..] = fields.as_slice() else {
            bail!("{line:?} is not a handshake");
        };
        ensure!(*transport == "grpc", "the plugin speaks {transport}, not gRPC");
        ensure!(
            rest.first().is_none_or(|certificate| certificate.is_empty()),
            "the plugin offers a certificate that this host did not ask for"
        );
        let handshake = Self {
            core_version: core.parse().context("core protocol version")?,
            protocol_version: protocol.parse().context("plugin protocol version")?,
            address: match *network {
                "unix" => Address::Unix(PathBuf::from(address)),
                "tcp" => Address::Tcp((*address).to_owned()),
                other => bail!("the plugin listens on an unknown network {other:?}"),
            },
        };
        ensure!(
            handshake.core_version == 1 && handshake.protocol_version == 2,
            "the plugin speaks protocol {core}|{protocol}, not 1|2"
        );
        Ok(handshake)
    }
}

/// A running plugin. Dropping it kills the process.
pub struct Host {
    child: Child,
    channel: Channel,
    handshake: Handshake,
    log: Log,
    start_took: Duration,
    stdout: JoinHandle<()>,
}

impl Host {
    /// What the plugin said of itself.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// From the start of the process until it was connected.
    pub fn start_took(&self) -> Duration {
        self.start_took
    }

    /// The process id, while the plugin runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The connection, for calls that have no client here.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Queries.
    pub fn data(&self) -> DataClient<Channel> {
        DataClient::new(self.channel())
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Health check and metrics.
    pub fn diagnostics(&self) -> DiagnosticsClient<Channel> {
        DiagnosticsClient::new(self.channel())
    }

    /// The plugin's own HTTP-like end points.
    pub fn resource(&self) -> ResourceClient<Channel> {
        ResourceClient::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// Grafana Live.
    pub fn stream(&self) -> StreamClient<Channel> {
        StreamClient::new(self.channel())
    }

    /// Admission of settings.
    pub fn admission(&self) -> AdmissionControlClient<Channel> {
        AdmissionControlClient::new(self.channel())
    }

    /// Conversion of settings between API versions.
    pub fn conversion(&self) -> ResourceConversionClient<Channel> {
        ResourceConversionClient::new(self.channel())
    }

    /// Asks go-plugin's health service, as Grafana does after the handshake.
    pub async fn is_serving(&self) -> Result<bool, Status> {
        let request = HealthCheckRequest { service: "plugin".to_owned() };
        let answer = HealthClient::new(self.channel()).check(request).await?;
        Ok(answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Opens the stream of the plugin's stdout and stderr, as go-plugin does after the handshake.
    pub async fn stdio(&self) -> Result<tonic::Streaming<StdioData>, Status> {
        let mut grpc = self.ready().await?;
        let path = PathAndQuery::from_static("/plugin.GRPCStdio/StreamStdio");
        let codec = ProstCodec::<(), StdioData>::default();
        let answer = grpc.server_streaming(Request::new(()), path, codec).await?;
        Ok(answer.into_inner())
    }

    /// The lines that the plugin has logged until now.
    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// The exit status, when the plugin has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the plugin through its controller, and says how that went.
    pub async fn stop(mut self) -> Result<Stopped> {
        let began = Instant::now();
        // The plugin may end before it answers; the exit is what counts.
        let call = tokio::time::timeout(STOP_TIMEOUT, self.shutdown()).await;
        let waited = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let (status, killed) = match waited {
            Ok(status) => (status?, false),
            Err(_) => {
                self.child.kill().await?;
                (self.child.wait().await?, true)
            }
        };
        Ok(Stopped {
            status,
            killed,
            took: began.elapsed(),
            answered: matches!(call, Ok(Ok(()))),
            log: self.log.lines(),
        })
    }

    async fn shutdown(&self) -> Result<(), Status> {
        let mut grpc = self.ready().await?;
        let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
        let codec = ProstCodec::<(), ()>::default();
        grpc.unary(Request::new(()), path, codec).await?;
        Ok(())
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stdout.abort();
        // A plugin that is killed cannot take its socket with it; its folder goes if that was all.
        if let Address::Unix(socket) = &self.handshake.address {
            let _ = std::fs::remove_file(socket);
            let _ = socket.parent().map(std::fs::remove_dir);
        }
    }
}

/// How a plugin was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// How the process ended.
    pub status: ExitStatus,
    /// It had to be killed, because it did not end by itself.
    pub killed: bool,
    /// The controller answered the call before the process ended.
    pub answered: bool,
    /// From the call until the process had ended.
    pub took: Duration,
    /// All that the plugin had logged.
    pub log: Vec<String>,
}

/// A piece of the plugin's output, as go-plugin's `GRPCStdio` sends it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StdioData {
    /// 1 for stdout, 2 for stderr.
    #[prost(int32, tag = "1")]
    pub channel: i32,
    /// The bytes written.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

#[derive(Clone)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    observer: Option<Observer>,
}

impl Log {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn follow(self, stderr: impl AsyncRead + Unpin) {
        const KEPT: usize = 10_000; // a long-lived host must not grow without end
        let mut stderr = BufReader::new(stderr);
        let mut bytes = Vec::new();
        while matches!(stderr.read_until(b'\n', &mut bytes).await, Ok(read) if read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if let Some(observer) = &self.observer {
                observer(&line);
            }
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() >= KEPT {
                lines.drain(..KEPT / 2);
            }
            lines.push(line);
        }
    }
}

async fn read_handshake(stdout: &mut Lines<BufReader<ChildStdout>>) -> Result<Handshake> {
    let line = stdout
        .next_line()
        .await
        .context("the plugin's handshake cannot be read")?
        .context("the plugin ended without a handshake")?;
    Handshake::parse(&line)
}

async fn connect(address: &Address) -> Result<Channel> {
    let channel = match address {
        Address::Unix(path) => {
            let path = path.clone();
            // The URI is only the HTTP/2 authority; the connector decides where to go.
            Endpoint::from_static("http://plugin")
                .connect_with_connector(tower::service_fn(move |_| {
                    let path = path.clone();
                    async move {
                        Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?))
                    }
                }))
                .await
        }
        Address::Tcp(authority) => {
            Endpoint::from_shared(format!("http://{authority}"))?.tcp_nodelay(true).connect().await
        }
    };
    channel.with_context(|| format!("no connection to the plugin at {address:?}"))
}

/// Keeps the pipe of the plugin's stdout empty, so that the plugin can never block on it.
async fn discard(stdout: Lines<BufReader<ChildStdout>>) {
    let mut stdout = stdout.into_inner();
    let mut buffer = [0_u8; 4096];
    while matches!(stdout.read(&mut buffer).await, Ok(read) if read > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_plugin_writes() {
        let unix = Handshake::parse("1|2|unix|/tmp/plugin3141|grpc\n").unwrap();
        assert_eq!(unix.address, Address::Unix("/tmp/plugin3141".into()));
        let newer = Handshake::parse("1|2|tcp|127.0.0.1:10000|grpc||false").unwrap();
        assert_eq!(newer.address, Address::Tcp("127.0.0.1:10000".into()));
    }

    #[test]
    fn refuses_what_it_does_not_speak() {
        for line in [
            "",
            "hello",
            "1|2|unix|/tmp/x|netrpc",
            "1|1|unix|/tmp/x|grpc",
            "1|2|pipe|x|grpc",
            "1|2|unix|/tmp/x|grpc|MIIB",
        ] {
            assert!(Handshake::parse(line).is_err(), "{line:?}");
        }
    }
}
