//! Which versions a broker serves, and which of them both sides speak. Pure.

use std::collections::BTreeMap;

use millrace_protocol::messages::api_versions::ApiVersionsResponse;
use millrace_protocol::{ApiKey, VersionRange};

/// The versions that one broker serves, by API number: numbers this client has no declaration for are
/// kept, since tools show them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiVersionTable {
    ranges: BTreeMap<i16, VersionRange>,
}

impl ApiVersionTable {
    pub(crate) fn from_response(response: &ApiVersionsResponse) -> Self {
        let ranges = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { first: api.min_version, last: api.max_version }))
            .collect();
        Self { ranges }
    }

    /// What the broker serves of this API.
    #[must_use]
    pub fn range(&self, api_number: i16) -> Option<VersionRange> {
        self.ranges.get(&api_number).copied()
    }

    /// Every API of the broker, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = (i16, VersionRange)> + '_ {
        self.ranges.iter().map(|(number, range)| (*number, *range))
    }

    /// The newest version that both sides speak.
    #[must_use]
    pub fn usable(&self, api: ApiKey) -> Option<i16> {
        self.usable_up_to(api, i16::MAX)
    }

    /// The newest version not above `most` that both sides speak.
    #[must_use]
    pub fn usable_up_to(&self, api: ApiKey, most: i16) -> Option<i16> {
        let theirs = self.range(api.number())?;
        let ours = api.versions();
        let last = theirs.last.min(ours.last).min(most);
        (last >= theirs.first.max(ours.first)).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_protocol::messages::api_versions::ApiVersion;

    fn table(first: i16, last: i16) -> ApiVersionTable {
        let api = ApiVersion { api_key: ApiKey::Metadata.number(), min_version: first, max_version: last };
        ApiVersionTable::from_response(&ApiVersionsResponse { api_keys: vec![api], ..Default::default() })
    }

    #[test]
    fn the_highest_common_version_is_used() {
        let newest = ApiKey::Metadata.versions().last;
        assert_eq!(table(0, 5).usable(ApiKey::Metadata), Some(5));
        assert_eq!(table(0, 500).usable(ApiKey::Metadata), Some(newest));
        assert_eq!(table(newest + 1, newest + 2).usable(ApiKey::Metadata), None);
        assert_eq!(table(0, 5).usable(ApiKey::Fetch), None);
        assert_eq!(table(4, 9).usable_up_to(ApiKey::Metadata, 6), Some(6));
        assert_eq!(table(4, 9).usable_up_to(ApiKey::Metadata, 3), None);
    }
}
