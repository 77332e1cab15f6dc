//! The statements that the plugin's database layer carries out, with their parameters.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// A statement and its parameters, as `Debug` shows them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Text.
    pub sql: String,
    /// `["[1, 2]", "None"]`.
    pub parameters: String,
}

/// Statements of this thread, as long as this value lives.
pub struct Statements {
    seen: Arc<Mutex<Vec<Seen>>>,
    _guard: DefaultGuard,
}

impl Statements {
    /// Starts to listen.
    pub fn listen() -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let listener = tracing_subscriber::registry().with(Listener(seen.clone()));
        Self { seen, _guard: tracing::subscriber::set_default(listener) }
    }

    /// Those since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("statements"))
    }
}

struct Listener(Arc<Mutex<Vec<Seen>>>);

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        if !seen.sql.is_empty() {
            self.0.lock().expect("statements").push(seen);
        }
    }
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.statement" {
            self.sql = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "db.parameters" {
            self.parameters = format!("{value:?}");
        }
    }
}
