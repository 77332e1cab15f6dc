//! Options of queries, from saved query to frames, against figures computed by hand.

mod alert;
mod compare;
mod extremes;
mod fill;
mod filters;
mod language;
mod lots;
mod states;
mod tariff;
mod time;
mod top;
