//! Mistakes as a new user makes them, and accidents: each has a message that says what to do.

mod ask;
mod connect;
mod interrupt;
mod outage;
mod replicas;
