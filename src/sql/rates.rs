//! Tariffs and emission factors of plants that may hold in a time range.

use chrono::NaiveDate;
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::domain::TimeRange;
use crate::domain::tariff::{Period, Rule, Terms};
use crate::plan::{PlantRates, Rates, Valid};

// A day on either side: the plants' days are not those of UTC.
const SQL: &str = "\
SELECT p.id, p.currency, v.kind, v.valid_from, v.valid_to, v.factor, v.periods, v.calendar, v.holidays
FROM lotwise.plant p
LEFT JOIN (
  SELECT plant_id, 'tariff' AS kind, valid_from, valid_to, NULL::float8 AS factor,
         periods::text, calendar::text, holidays
  FROM lotwise.tariff
  UNION ALL
  SELECT plant_id, kind, valid_from, valid_to, kg_co2_per_kwh, NULL, NULL, NULL FROM lotwise.factor
) v ON v.plant_id = p.id AND v.valid_from <= $3::date + 1 AND (v.valid_to > $2::date - 1 OR v.valid_to IS NULL)
WHERE p.id = ANY($1::int4[])";

/// The rates of plants, by row id.
pub fn statement(plants: Vec<i32>, range: TimeRange) -> Statement {
    let params = vec![
        Box::new(plants) as Param,
        Box::new(range.from().date_naive()) as Param,
        Box::new(range.to().date_naive()) as Param,
    ];
    Statement::new(SQL, params, "")
}

/// All rows of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when a row is not of [`statement`], or holds a tariff that ingest would
/// have refused.
pub fn read(rows: &[Row]) -> Result<Rates, DbError> {
    let mut rates = Rates::new();
    for row in rows {
        let plant: &mut PlantRates = rates.entry(column(row, 0)?).or_default();
        plant.currency = column(row, 1)?;
        match column::<Option<String>>(row, 2)?.as_deref() {
            None => {}
            Some("tariff") => plant.tariffs.push(valid(row, terms(row)?)?),
            Some("location_based") => plant.location_based.push(valid(row, column(row, 5)?)?),
            Some("market_based") => plant.market_based.push(valid(row, column(row, 5)?)?),
            Some(other) => return Err(DbError::Unexpected(format!("factor of kind {other:?}"))),
        }
    }
    Ok(rates)
}

fn valid<T>(row: &Row, what: T) -> Result<Valid<T>, DbError> {
    Ok(Valid { from: column(row, 3)?, to: column(row, 4)?, what })
}

fn terms(row: &Row) -> Result<Terms, DbError> {
    let wrong = |e: String| DbError::Unexpected(format!("a tariff: {e}"));
    let periods: Vec<Period> =
        serde_json::from_str(&column::<String>(row, 6)?).map_err(|e| wrong(e.to_string()))?;
    let rules: Vec<Rule> =
        serde_json::from_str(&column::<String>(row, 7)?).map_err(|e| wrong(e.to_string()))?;
    let holidays: Vec<NaiveDate> = column(row, 8)?;
    Terms::new(periods, &rules, holidays).map_err(|e| wrong(e.to_string()))
}
