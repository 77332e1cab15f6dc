//! Arrays of eight-byte values in PostgreSQL's binary format: how many readings come in one row.

use tokio_postgres::types::{FromSql, Type};

/// What PostgreSQL counts instants from, in microseconds since 1970.
const Y2000_US: i64 = 946_684_800_000_000;

/// PostgreSQL's microseconds since 2000 as nanoseconds since 1970; `None` for the infinite.
pub(super) fn nanoseconds(us: i64) -> Option<i64> {
    us.checked_add(Y2000_US)?.checked_mul(1_000)
}

/// PostgreSQL's microseconds since 2000 as microseconds since 1970.
pub(super) fn microseconds(us: i64) -> i64 {
    us.saturating_add(Y2000_US)
}

/// PostgreSQL's microseconds since 2000 as seconds since an origin in microseconds since 1970.
pub(super) fn seconds_since(origin_us: i64, us: i64) -> f64 {
    microseconds(us).saturating_sub(origin_us) as f64 / 1e6
}

/// An array of eight-byte values without nulls, in PostgreSQL's binary format: a head of dimensions,
/// flags, element type, length and lower bound, then each value after its length.
pub(super) struct Packed<'a>(&'a [u8]);

/// Bytes of an array's head, and of an item with its length.
pub(super) const HEAD: usize = 20;
pub(super) const ITEM: usize = 12;

impl Packed<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len() / ITEM
    }

    pub(super) fn items(&self) -> impl Iterator<Item = [u8; 8]> {
        self.0
            .as_chunks::<ITEM>()
            .0
            .iter()
            .map(|&[_, _, _, _, a, b, c, d, e, f, g, h]| [a, b, c, d, e, f, g, h])
    }
}

impl<'a> FromSql<'a> for Packed<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let (head, items) = raw.split_at_checked(HEAD).ok_or("an array without a head")?;
        // One dimension, no nulls; and a length that fits the bytes.
        let [0, 0, 0, 1, 0, 0, 0, 0, _, _, _, _, length @ .., _, _, _, _] = head else {
            return Err("not a plain array".into());
        };
        let length = <[u8; 4]>::try_from(length).map(u32::from_be_bytes)? as usize;
        let plain = items.as_chunks::<ITEM>();
        if !plain.1.is_empty()
            || plain.0.len() != length
            || plain.0.iter().any(|item| item[..4] != [0, 0, 0, 8])
        {
            return Err("not an array of eight-byte values".into());
        }
        Ok(Self(items))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TIMESTAMPTZ_ARRAY | Type::FLOAT8_ARRAY)
    }
}
