//! Identical queries that are under way at the same time are answered once.
//!
//! An answer ends with the last one who waits for it: then it is dropped, and with it its SQL.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use grafana_plugin_sdk::pluginv2::DataQuery;

use super::telemetry;
use crate::answer::AnswerError;

/// Frames, or why there are none.
pub(super) type Answer = Result<Vec<Vec<u8>>, Arc<AnswerError>>;
type Under = BoxFuture<'static, Answer>;

/// All that an answer depends on but for the data source. (The ref id is in the frames.)
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    ref_id: String,
    json: Vec<u8>,
    from_ms: i64,
    to_ms: i64,
    interval_ms: i64,
    max_data_points: i64,
    alert: bool,
}

/// The queries of one data source that are under way.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Key, WeakShared<Under>>>);

impl InFlight {
    /// The answer that is under way for the same query, or that of `answer`.
    pub(super) fn join<F>(
        &self,
        query: &DataQuery,
        alert: bool,
        answer: impl FnOnce() -> F,
    ) -> Shared<Under>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let range = query.time_range.unwrap_or_default();
        let key = Key {
            ref_id: query.ref_id.clone(),
            json: query.json.clone(),
            from_ms: range.from_epoch_ms,
            to_ms: range.to_epoch_ms,
            interval_ms: query.interval_ms,
            max_data_points: query.max_data_points,
            alert,
        };
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has its answer is over: the next one asks anew.
        let known = under_way.get(&key).and_then(WeakShared::upgrade);
        if let Some(known) = known.filter(|known| known.peek().is_none()) {
            metrics::counter!(telemetry::JOINED).increment(1);
            return known;
        }
        under_way.retain(|_, weak| weak.upgrade().is_some_and(|one| one.peek().is_none()));
        let shared = answer().boxed().shared();
        if let Some(weak) = shared.downgrade() {
            under_way.insert(key, weak);
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn query(json: &str, to_ms: i64) -> DataQuery {
        let time_range =
            grafana_plugin_sdk::pluginv2::TimeRange { from_epoch_ms: 0, to_epoch_ms: to_ms };
        DataQuery {
            ref_id: "A".to_owned(),
            json: json.as_bytes().to_vec(),
            time_range: Some(time_range),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn identical_queries_are_answered_once_and_others_by_themselves() {
        let (in_flight, go) = (InFlight::default(), Arc::new(Notify::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = || {
            let (go, number) = (go.clone(), asked.fetch_add(1, Ordering::Relaxed));
            async move {
                go.notified().await;
                Ok(vec![vec![number as u8]])
            }
        };
        let ask = |query: DataQuery| in_flight.join(&query, false, answer);
        let (one, same) = (ask(query("{}", 1)), ask(query("{}", 1)));
        let (later, other) = (ask(query("{}", 2)), ask(query("[]", 1)));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        let done = tokio::spawn(futures_util::future::join_all([one, same, later, other]));
        tokio::task::yield_now().await;
        go.notify_waiters();
        let answers: Vec<u8> =
            done.await.expect("task").into_iter().map(|a| a.expect("answer")[0][0]).collect();
        assert_eq!(answers, [0, 0, 1, 2]);
        // What is over is not kept.
        let _again = ask(query("{}", 1));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert_eq!(in_flight.0.lock().expect("lock").len(), 1);
    }

    #[tokio::test]
    async fn an_answer_ends_with_the_last_who_waits() {
        struct Ends(Arc<AtomicUsize>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (in_flight, ended) = (InFlight::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let ends = Ends(ended.clone());
            in_flight.join(&query("{}", 1), false, || async move {
                let _ends = ends;
                std::future::pending().await
            })
        };
        let (one, two) = (tokio::spawn(ask()), tokio::spawn(ask()));
        tokio::task::yield_now().await;
        let before = ended.load(Ordering::Relaxed);
        one.abort();
        assert!(one.await.is_err());
        assert_eq!(ended.load(Ordering::Relaxed), before, "somebody still waits");
        two.abort();
        assert!(two.await.is_err());
        assert_eq!(ended.load(Ordering::Relaxed), before + 1);
    }
}
