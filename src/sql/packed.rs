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

/// An array of rows of eight-byte values: what `array_agg(ARRAY[...])` makes, at a third of the price of
/// an array a column.
pub(super) struct Grid<T> {
    width: usize,
    items: Vec<T>,
}

impl<T> Grid<T> {
    /// The rows, which must have so many values; without rows none is of a wrong width.
    pub(super) fn rows<const N: usize>(&self) -> Option<&[[T; N]]> {
        (self.width == N || self.items.is_empty()).then(|| self.items.as_chunks::<N>().0)
    }
}

type Odd = Box<dyn std::error::Error + Sync + Send>;

/// Reads a grid; `null` stands for null where there may be one.
fn grid<T: Copy>(
    raw: &[u8],
    value: impl Fn([u8; 8]) -> T,
    null: Option<T>,
) -> Result<Grid<T>, Odd> {
    let number = |at: usize| -> Result<usize, Odd> {
        let bytes = raw.get(at..at + 4).ok_or("an array without a head")?;
        Ok(u32::from_be_bytes(bytes.try_into()?) as usize)
    };
    if number(0)? != 2 {
        return Err("not an array of rows".into());
    }
    // Dimensions, flags, type; then length and lower bound of each dimension.
    let (rows, width) = (number(12)?, number(20)?);
    let mut rest = raw.get(28..).unwrap_or_default();
    let count = rows.checked_mul(width).filter(|n| *n <= rest.len() / 4).ok_or("a wrong length")?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>().ok_or("too short an array")?;
        rest = match (i32::from_be_bytes(*length), null) {
            (8, _) => {
                let (bytes, after) = after.split_first_chunk::<8>().ok_or("too short an array")?;
                items.push(value(*bytes));
                after
            }
            (-1, Some(null)) => {
                items.push(null);
                after
            }
            _ => return Err("not an array of eight-byte values".into()),
        };
    }
    if rest.is_empty() { Ok(Grid { width, items }) } else { Err("too long an array".into()) }
}

/// Numbers; NaN stands for null.
impl<'a> FromSql<'a> for Grid<f64> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Odd> {
        grid(raw, f64::from_be_bytes, Some(f64::NAN))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::FLOAT8_ARRAY
    }
}

/// Instants, microseconds since 1970.
impl<'a> FromSql<'a> for Grid<i64> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Odd> {
        grid(raw, |bytes| microseconds(i64::from_be_bytes(bytes)), None)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ_ARRAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(rows: i32, width: i32, items: &[Option<f64>]) -> Vec<u8> {
        let head = [2, 1, 701, rows, 1, width, 1];
        let mut bytes: Vec<u8> = head.iter().flat_map(|n| n.to_be_bytes()).collect();
        for item in items {
            bytes.extend(item.map_or(-1_i32, |_| 8).to_be_bytes());
            bytes.extend(item.iter().flat_map(|v| v.to_be_bytes()));
        }
        bytes
    }

    #[test]
    fn grids_are_read_with_their_nulls_and_nothing_else_is() {
        let read = |raw: &[u8]| Grid::<f64>::from_sql(&Type::FLOAT8_ARRAY, raw);
        let good = bytes(2, 2, &[Some(1.0), None, Some(-3.0), Some(4.0)]);
        let read_good = read(&good).expect("a grid");
        let rows = read_good.rows::<2>().expect("two wide");
        assert_eq!((rows[0][0], rows[1]), (1.0, [-3.0, 4.0]));
        assert!(rows[0][1].is_nan());
        assert!(read_good.rows::<3>().is_none());
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "{cut}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert!(read(&longer).is_err());
        assert!(read(&bytes(i32::MAX, i32::MAX, &[])).is_err());
        assert!(Grid::<i64>::from_sql(&Type::TIMESTAMPTZ_ARRAY, &good).is_err(), "no null");
    }
}
