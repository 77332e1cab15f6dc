//! Options of queries, from saved query to frames, against figures computed by hand.

mod lots;
mod time;
