//! Connections that have shaken hands.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::ingest::telemetry;

/// Longest handshake: who connects and says nothing must not hold a place for ever.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Most handshakes at once; further connections wait in the system's queue.
const MAX_HANDSHAKES: usize = 256;

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// Gives connections when their handshake is done; one that dawdles keeps nobody waiting.
pub struct TlsListener {
    connections: mpsc::Receiver<Connection>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    _tls: Tls,
}

impl TlsListener {
    /// Starts to accept.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(tcp: TcpListener, tls: Tls) -> io::Result<Self> {
        let address = tcp.local_addr()?;
        let (ready, connections) = mpsc::channel(16);
        let accepting = tokio::spawn(accept(tcp, tls.config.clone(), ready));
        Ok(Self { connections, address, accepting, _tls: tls })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The accepting task ends only with this value.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    mut tcp: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    ready: mpsc::Sender<Connection>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = Listener::accept(&mut tcp), if handshakes.len() < MAX_HANDSHAKES => {
                let acceptor = TlsAcceptor::from(config.borrow().clone());
                handshakes.spawn(handshake(acceptor, stream, peer, ready.clone()));
            }
            Some(_) = handshakes.join_next() => {}
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    ready: mpsc::Sender<Connection>,
) {
    // Without Nagle's delay, as without TLS.
    let _ = stream.set_nodelay(true);
    let reason = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            // Fails only when the service stops.
            let _ = ready.send((stream, peer)).await;
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no handshake within ten seconds".to_owned(),
    };
    metrics::counter!(telemetry::TLS_REFUSED).increment(1);
    tracing::info!(client.address = %peer.ip(), error.message = reason, "TLS handshake failed");
}
