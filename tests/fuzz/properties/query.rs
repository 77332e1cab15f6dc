//! The saved query of a panel, which any viewer can make up.

use lotwise::model;

/// A refused query says why.
pub fn hold(json: &[u8]) {
    if let Err(error) = model::parse(json) {
        assert!(!error.to_string().is_empty());
    }
}
