//! Rules of ad hoc filters: whether a key passes.

use regex::{Regex, RegexBuilder};

use super::FilterError;
use super::saved::{FilterKey, FilterOp, Rule};

/// Most rules of a query, and most values of one.
const MAX_RULES: usize = 50;
const MAX_VALUES: usize = 1_000;
/// Largest compiled expression, bytes.
const MAX_EXPRESSION: usize = 1 << 20;

/// Rules with their expressions compiled.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<(Rule, Vec<Regex>)>);

impl Rules {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`FilterError::Expression`] and [`FilterError::TooManyValues`].
    pub fn new(rules: &[Rule]) -> Result<Self, FilterError> {
        let too_many = |field, count, max| Err(FilterError::TooManyValues { field, count, max });
        if rules.len() > MAX_RULES {
            return too_many(["filters", "filtros ad hoc"], rules.len(), MAX_RULES);
        }
        let mut compiled = Vec::new();
        for rule in rules.iter().filter(|r| !r.values.is_empty()) {
            if rule.values.len() > MAX_VALUES {
                return too_many(rule.key.words(), rule.values.len(), MAX_VALUES);
            }
            let expressions = match rule.op {
                FilterOp::Is | FilterOp::IsNot => Vec::new(),
                FilterOp::Matches | FilterOp::MatchesNot => {
                    rule.values.iter().map(|text| expression(text)).collect::<Result<_, _>>()?
                }
            };
            compiled.push((rule.clone(), expressions));
        }
        Ok(Self(compiled))
    }

    /// True without any rule about this key.
    pub fn is_free(&self, key: FilterKey) -> bool {
        !self.0.iter().any(|(rule, _)| rule.key == key)
    }

    /// True when a key passes all rules about it.
    pub fn pass(&self, key: FilterKey, text: &str) -> bool {
        self.0.iter().filter(|(rule, _)| rule.key == key).all(|(rule, expressions)| match rule.op {
            FilterOp::Is => rule.values.iter().any(|value| value == text),
            FilterOp::IsNot => rule.values.iter().all(|value| value != text),
            FilterOp::Matches => expressions.iter().any(|e| e.is_match(text)),
            FilterOp::MatchesNot => !expressions.iter().any(|e| e.is_match(text)),
        })
    }
}

/// Linear in the text, whatever it is; bounded in memory.
fn expression(text: &str) -> Result<Regex, FilterError> {
    let built = RegexBuilder::new(text).size_limit(MAX_EXPRESSION).build();
    built.map_err(|e| FilterError::Expression { text: text.to_owned(), why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(FilterOp, &[&str])]) -> Rules {
        let rule = |(op, values): &(FilterOp, &[&str])| Rule {
            key: FilterKey::Lot,
            op: *op,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        Rules::new(&list.iter().map(rule).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn all_rules_of_a_key_must_hold() {
        let lots = rules(&[
            (FilterOp::Matches, &["^L-1", "^K-"]),
            (FilterOp::IsNot, &["L-12", "L-13"]),
            (FilterOp::MatchesNot, &["0$"]),
            (FilterOp::Is, &[]),
        ]);
        let pass = |key: &str| lots.pass(FilterKey::Lot, key);
        assert!(pass("L-11") && pass("K-7"));
        assert!(!pass("L-12") && !pass("L-10") && !pass("M-L-11"));
        assert!(lots.pass(FilterKey::Line, "anything") && lots.is_free(FilterKey::Line));
        assert!(!lots.is_free(FilterKey::Lot));
        assert!(rules(&[(FilterOp::Is, &["a", "b"])]).pass(FilterKey::Lot, "b"));
    }

    #[test]
    fn an_expression_that_is_none_says_so() {
        let rule = |text: &str| Rule {
            key: FilterKey::Lot,
            op: FilterOp::Matches,
            values: vec![text.to_owned()],
        };
        let error = Rules::new(&[rule("L-(")]).unwrap_err().to_string();
        assert!(error.contains("\"L-(\" is no regular expression"), "{error}");
        assert!(Rules::new(&[rule("(\\w{1000}){1000}")]).is_err(), "too large");
    }
}
