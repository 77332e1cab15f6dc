//! A small factory in a test database, with figures that can be computed by hand.
//!
//! Plant `madrid` (two lines) and plant `porto` (one line), four hours of readings, [`from()`] to
//! [`to()`]:
//! - L1: a counter of 30 kWh an hour; below it the machine `press` with a power of 12 kW; the
//!   machine `oven` rises from 180 to 220 °C. RUN-1 (LOT-1, REF-A, Ana) takes the first two hours,
//!   RUN-2 (LOT-2, REF-B, Luis) the next one and a half; then nothing is made.
//! - L2: a delta of 2.5 kWh a quarter of an hour; the machine `saw` at 40 °C. RUN-3 (LOT-3, REF-A)
//!   takes all four hours.
//! - P1 in porto: a counter of 10 kWh an hour; `mixer` at 77 °C. RUN-9 (LOT-9, REF-Z, Rui).

use chrono::{DateTime, TimeZone, Utc};

use super::db::{Server, TestDb};

/// First reading, and start of the first runs.
pub fn from() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 15, 8, 0, 0).unwrap()
}

/// Newest reading.
pub fn to() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 15, 12, 0, 0).unwrap()
}

/// A migrated database with the factory in it.
pub async fn factory(server: Server) -> TestDb {
    let db = TestDb::migrated(server).await;
    seed(&db).await;
    db
}

/// Puts the factory into a migrated database.
pub async fn seed(db: &TestDb) {
    let pool = db.pool().await;
    sqlx::raw_sql(include_str!("fixture.sql")).execute(&pool).await.expect("seed the factory");
    pool.close().await;
}
