//! The gauges that are set on one thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Bits of a number by name.
#[derive(Default)]
pub(crate) struct Gauges(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Gauges {
    pub(crate) fn get(&self, name: &str) -> f64 {
        let gauges = self.0.lock().unwrap();
        let bits = gauges
            .get(name)
            .map_or(0, |bits| bits.load(Ordering::SeqCst));
        f64::from_bits(bits)
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.0.lock().unwrap();
        let bits = gauges.entry(key.name().to_owned()).or_default();
        Gauge::from_arc(Arc::clone(bits))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
