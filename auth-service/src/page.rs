//! Pages of lists: at most 1,000 of the ones after a cursor, in the order of their ids, which is the order of their making.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use service::ApiError;

const MOST: i64 = 1000;
const USUAL: i64 = 100;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// 1 to 1,000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl Page {
    pub(crate) fn limit(&self) -> Result<i64, ApiError> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
            Some(_) => Err(ApiError::invalid("query.limit", "must be 1 to 1000")),
        }
    }

    /// The id after which the page begins; the nil id is before every other.
    pub(crate) fn after(&self) -> Result<Uuid, ApiError> {
        let Some(cursor) = &self.cursor else {
            return Ok(Uuid::nil());
        };
        URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| Uuid::from_slice(&bytes).ok())
            .ok_or_else(|| ApiError::invalid("query.cursor", "is not a cursor of this list"))
    }
}

/// Cuts what was read with `limit + 1` to the page, and says where the next one begins.
pub(crate) fn cut<T>(items: &mut Vec<T>, limit: i64, id: impl Fn(&T) -> Uuid) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items
        .last()
        .map(|last| URL_SAFE_NO_PAD.encode(id(last).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_and_nonsense_does_not() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let mut page = ids.clone();
        let next = cut(&mut page, 2, |id| *id);
        assert_eq!(page, ids[..2]);
        let page = |cursor: Option<String>, limit| Page { limit, cursor };
        assert_eq!(page(next, None).after().unwrap(), ids[1]);
        assert_eq!(page(None, None).after().unwrap(), Uuid::nil());
        assert!(page(Some("?".to_owned()), None).after().is_err());
        assert!(page(Some("AAAA".to_owned()), None).after().is_err());
        assert!(page(None, Some(0)).limit().is_err());
        assert!(page(None, Some(1001)).limit().is_err());
        assert!(cut(&mut ids.clone(), 3, |id| *id).is_none());
    }
}
