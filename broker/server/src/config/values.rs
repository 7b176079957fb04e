//! Reads resolved values by name and type, for those who build structures from them. Values were
//! parsed against the table when they were set, so what fails here is a mistake in this program:
//! a name that the table lacks, or a type that is not the key's.

use std::cell::RefCell;
use std::time::Duration;

use millrace_metadata::config::{ConfigLayers, ConfigValue, broker_def, effective};

/// Stands for "never" where a duration is asked for: a hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The values that count over all layers.
pub(super) struct Values<'a> {
    layers: ConfigLayers<'a>,
    /// Names that were asked for in vain. The tests hold that there are none.
    misses: RefCell<Vec<&'static str>>,
}

impl<'a> Values<'a> {
    pub(super) fn new(layers: ConfigLayers<'a>) -> Self {
        Self { layers, misses: RefCell::default() }
    }

    pub(super) fn misses(self) -> Vec<&'static str> {
        self.misses.into_inner()
    }

    /// Whether somebody has set it, under this name.
    pub(super) fn is_set(&self, name: &str) -> bool {
        let ConfigLayers { broker, default_broker, static_broker, .. } = self.layers;
        [broker, default_broker, static_broker].into_iter().any(|layer| layer.contains_key(name))
    }

    /// Of keys that do not go together, the one to be mended: the first that somebody has set.
    pub(super) fn culprit<const N: usize>(&self, keys: [&'static str; N]) -> &'static str {
        let set = keys.iter().find(|key| self.is_set(key));
        set.or(keys.first()).copied().unwrap_or_default()
    }

    fn value(&self, name: &'static str) -> Option<ConfigValue> {
        match broker_def(name) {
            Some(def) => effective(def, &self.layers),
            None => {
                self.misses.borrow_mut().push(name);
                None
            }
        }
    }

    pub(super) fn optional_i64(&self, name: &'static str) -> Option<i64> {
        self.value(name)?.as_i64()
    }

    /// Of keys that have a default.
    pub(super) fn i64(&self, name: &'static str) -> i64 {
        self.optional_i64(name).unwrap_or_else(|| {
            self.misses.borrow_mut().push(name);
            0
        })
    }

    /// Numbers beyond the type's range become the nearest one within.
    pub(super) fn i32(&self, name: &'static str) -> i32 {
        let value = self.i64(name);
        i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
    }

    /// As [`Values::i32`].
    pub(super) fn i16(&self, name: &'static str) -> i16 {
        let value = self.i64(name);
        i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
    }

    /// As [`Values::i32`]; where -1 is no limit it becomes the largest number.
    pub(super) fn usize(&self, name: &'static str) -> usize {
        usize::try_from(self.i64(name)).unwrap_or(usize::MAX)
    }

    pub(super) fn bool(&self, name: &'static str) -> bool {
        self.value(name).and_then(|value| value.as_bool()).unwrap_or_else(|| {
            self.misses.borrow_mut().push(name);
            false
        })
    }

    /// Milliseconds; below zero is never.
    pub(super) fn duration(&self, name: &'static str) -> Duration {
        u64::try_from(self.i64(name)).map_or(FOREVER, |ms| Duration::from_millis(ms).min(FOREVER))
    }

    /// `None` where it is empty or not set.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        self.value(name).map(|value| value.to_string()).filter(|text| !text.is_empty())
    }

    /// Elements that are not empty.
    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        let value = self.value(name);
        let elements = value.iter().flat_map(ConfigValue::elements);
        elements.filter(|element| !element.is_empty()).map(str::to_owned).collect()
    }
}
