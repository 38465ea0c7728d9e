//! Why the index did not do what it was asked to.

/// Sources are for operators; none of them quotes a document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, did not answer in time, or has too much to do; trying again is right.
    #[error("the search index is not available")]
    Unavailable(#[source] anyhow::Error),
    /// The tenant has no index (or, for a write to the next one, no rebuild is under way): it was
    /// never made, or is lost, and then a rebuild makes it anew.
    #[error("the tenant's search index is not there")]
    Missing,
    /// The tenant's index was made by another version of this program, or is damaged: a rebuild
    /// makes it anew.
    #[error("the tenant's search index has to be rebuilt")]
    Outdated(#[source] anyhow::Error),
    /// The histogram would have too many buckets.
    #[error("the histogram would have more than {max} buckets", max = crate::MAX_BUCKETS)]
    TooManyBuckets,
    /// It answered with a refusal that trying again will not change.
    #[error("the search index refused")]
    Failed(#[source] anyhow::Error),
    /// A setting is not one; names it.
    #[error("{setting}: {message}")]
    Setting {
        setting: &'static str,
        message: String,
    },
}

impl Error {
    /// Whether nothing answers at its address: then it is down for all tenants, and not one of their indices.
    pub fn is_unreachable(&self) -> bool {
        let Self::Unavailable(source) = self else {
            return false;
        };
        let mut causes = source.chain();
        causes.any(|cause| {
            let http = cause.downcast_ref::<reqwest::Error>();
            http.is_some_and(reqwest::Error::is_connect)
        })
    }
}
