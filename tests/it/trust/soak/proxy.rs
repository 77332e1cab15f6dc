//! A TCP proxy that breaks connections: at once, midway through a message, one direction only, or by
//! keeping what it got to itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a sender's end means for what it sent before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rest {
    /// It does not arrive any more: whoever closes has taken it back.
    Dropped,
    /// It arrives late.
    Delivered,
}

/// A proxy on a port of its own.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    rest: Rest,
    /// How many of a thousand connections break by themselves.
    unreliable: AtomicU32,
    broken: AtomicU64,
    /// Every connection follows it.
    order: Mutex<watch::Sender<Order>>,
    /// Those that older connections follow.
    kept: Mutex<Vec<watch::Sender<Order>>>,
}

/// What the connections that are open now are to do. A new one starts with a clean sheet.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Order {
    #[default]
    Flow,
    /// Keep everything back until told otherwise.
    Hold,
    /// Break, with a reset.
    Cut,
}

/// How a connection ends by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Sound,
    /// A reset in both directions.
    Cut,
    /// Only this direction ends.
    HalfClose,
    /// What follows comes late.
    Late(Duration),
}

impl Proxy {
    /// Starts a proxy to `to` that does nothing to its connections yet.
    pub async fn start(to: SocketAddr, rest: Rest) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared {
            to,
            rest,
            unreliable: AtomicU32::new(0),
            broken: AtomicU64::new(0),
            order: Mutex::default(),
            kept: Mutex::default(),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let orders = serving.order().subscribe();
                tokio::spawn(carry(serving.clone(), client, orders));
            }
        });
        Self { address, shared }
    }

    /// From now on so many of a thousand new connections break by themselves.
    pub fn break_by_itself(&self, of_thousand: u32) {
        self.shared.unreliable.store(of_thousand, Ordering::Relaxed);
    }

    /// Cuts the connections that are open, those too that were held or stranded.
    pub fn cut(&self) {
        let newest = std::mem::take(&mut *self.shared.order());
        for orders in self.shared.kept().drain(..).chain([newest]) {
            orders.send_replace(Order::Cut);
        }
        self.shared.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps back what the open connections carry, for a while. New ones work.
    pub async fn hold(&self, time: Duration) {
        let orders = self.shared.order().clone();
        orders.send_replace(Order::Hold);
        *self.shared.order() = watch::Sender::default();
        tokio::time::sleep(time).await;
        orders.send_replace(Order::Flow);
        // Without a sender the connections would take it for a cut.
        self.shared.kept().push(orders);
    }

    /// Lets the open connections carry nothing any more, without an end: as a network does that
    /// lost its way. New ones work.
    pub fn strand(&self) {
        let orders = std::mem::take(&mut *self.shared.order());
        orders.send_replace(Order::Hold);
        self.shared.kept().push(orders);
        self.shared.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// How often connections were broken.
    pub fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn order(&self) -> MutexGuard<'_, watch::Sender<Order>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<watch::Sender<Order>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After how many bytes of one direction what happens.
    fn fate(&self) -> (Fate, u64) {
        let mut random = rand::rng();
        if random.random_range(0..1_000) >= self.unreliable.load(Ordering::Relaxed) {
            return (Fate::Sound, u64::MAX);
        }
        let fate = match random.random_range(0..4) {
            0 | 1 => Fate::Cut,
            2 => Fate::HalfClose,
            _ => Fate::Late(Duration::from_millis(random.random_range(200..4_000))),
        };
        // From the first byte of a request to the middle of a large one, or several later.
        (fate, 2_f64.powf(random.random_range(0.0..18.0)) as u64)
    }
}

/// A connection is over, in good order or not.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Broken;

async fn carry(shared: Arc<Shared>, client: TcpStream, orders: watch::Receiver<Order>) {
    let Ok(server) = TcpStream::connect(shared.to).await else {
        return reset(&client);
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut fates = [Fate::Sound; 2].map(|fate| (fate, u64::MAX));
    fates[usize::from(rand::random::<bool>())] = shared.fate();
    let mut cut = orders.clone();
    let ended = tokio::select! {
        carried = async { tokio::try_join!(
            pump(&mut from_client, &mut to_server, fates[0], orders.clone(), shared.rest),
            pump(&mut from_server, &mut to_client, fates[1], orders, Rest::Delivered),
        ) } => carried.map(drop),
        _ = cut.wait_for(|order| *order == Order::Cut) => Err(Broken),
    };
    if ended == Err(Broken) {
        shared.broken.fetch_add(1, Ordering::Relaxed);
        reset(from_client.as_ref());
        reset(from_server.as_ref());
    }
}

/// The stream's end, when it is dropped, is a reset.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Most bytes that a direction keeps back.
const MOST: usize = 1 << 20;

/// Carries one direction until its end.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    (mut fate, mut left): (Fate, u64),
    mut orders: watch::Receiver<Order>,
    rest: Rest,
) -> Result<(), Broken> {
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    let mut ended = false;
    let mut late = Instant::now();
    loop {
        if left == 0 {
            match std::mem::replace(&mut fate, Fate::Sound) {
                Fate::Cut => return Err(Broken),
                Fate::HalfClose => {
                    to.shutdown().await.map_err(|_| Broken)?;
                    while from.read(&mut chunk).await.map_err(|_| Broken)? > 0 {}
                    return Ok(());
                }
                Fate::Late(time) => late = Instant::now() + time,
                Fate::Sound => {}
            }
            left = u64::MAX;
        }
        let waits = *orders.borrow_and_update() == Order::Hold || late > Instant::now();
        if ended && waits && rest == Rest::Dropped {
            return Err(Broken);
        }
        if ended && !waits && kept.is_empty() {
            return to.shutdown().await.map_err(|_| Broken);
        }
        let most = kept.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        tokio::select! {
            read = from.read(&mut chunk), if !ended && kept.len() < MOST => {
                let read = read.map_err(|_| Broken)?;
                ended = read == 0;
                kept.extend_from_slice(&chunk[..read]);
            }
            written = to.write(&kept[..most]), if !waits && most > 0 => {
                let written = written.map_err(|_| Broken)?;
                kept.drain(..written);
                left -= written as u64;
            }
            // Its end means a cut, which the other side of the connection's task sees.
            changed = orders.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = tokio::time::sleep_until(late), if waits && late > Instant::now() => {}
        }
    }
}
