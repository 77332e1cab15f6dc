//! The real plugin behind a real host: what Grafana may rely on.
//!
//! Each test starts the executable and speaks to it as Grafana does. What the figures are is the
//! business of other tests; here they only have to arrive.

mod frames;
mod go;
mod handshake;
mod health;
mod isolation;
mod logs;
mod requests;
mod resources;
mod scope;
mod services;
