//! Signed links as a request's path and query have them.

use super::name;
use super::query::{number, once};
use crate::format;
use http::Uri;
use manager_callers::Denied;
use manager_callers::link::{Allows, Signature, Terms};

/// The link that a request's path and query are, if they are one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) terms: Terms,
    pub(super) signature: Signature,
}

impl Link {
    /// The link of a request, if its query has a signature.
    pub(super) fn of(uri: &Uri) -> Option<Result<Self, Denied>> {
        let query = uri.query()?;
        let mut fields = query.split('&').filter_map(|pair| pair.split_once('='));
        fields
            .any(|(field, _)| field == "signature")
            .then(|| Self::parse(uri, query).ok_or(Denied::Unknown))
    }

    fn parse(uri: &Uri, query: &str) -> Option<Self> {
        let [
            mut link,
            mut by,
            mut owner,
            mut id,
            mut most,
            mut ends,
            mut signature,
        ] = [None; 7];
        for pair in query.split('&') {
            let (field, value) = pair.split_once('=')?;
            let slot = match field {
                "link" => &mut link,
                "by" => &mut by,
                "for" => &mut owner,
                "id" => &mut id,
                "max_bytes" => &mut most,
                "expires" => &mut ends,
                "signature" => &mut signature,
                _ => continue,
            };
            once(field, slot, value).ok()?;
        }
        let allows = match (id, most) {
            (Some(id), None) => Allows::Get(id.parse().ok()?),
            (None, Some(most)) => Allows::Put(number(most)?),
            _ => return None,
        };
        let mut bytes = Signature::default();
        let signature = base16ct::lower::decode(signature?, &mut bytes).ok()?;
        Some(Self {
            terms: Terms {
                number: link?.parse().ok()?,
                name: name::in_path(uri).ok()?,
                allows,
                ends: number(ends?)?,
                by: by?.parse().ok()?,
                owner: owner.map(str::parse).transpose().ok()?,
            },
            signature: signature.try_into().ok()?,
        })
    }
}

/// The path and query of a link.
pub(super) fn written(terms: &Terms, signature: &Signature) -> String {
    let allows = match terms.allows {
        Allows::Get(id) => format!("id={id}"),
        Allows::Put(most) => format!("max_bytes={most}"),
    };
    let owner = terms.owner.map(|owner| format!("&for={owner}"));
    format!(
        "{}?link={}&by={}{}&{allows}&expires={}&signature={}",
        name::path_of(&terms.name),
        terms.number,
        terms.by,
        owner.unwrap_or_default(),
        terms.ends,
        format::hex(signature)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_callers::Account;
    use manager_callers::link::Number;
    use proto::{FileId, FileName, Owner};

    fn terms(allows: Allows) -> Terms {
        Terms {
            number: Number(0xabc),
            name: FileName::new("ä b").expect("a name"),
            allows,
            ends: 1_700_000_000,
            by: Account(0xdef),
            owner: None,
        }
    }

    #[test]
    fn a_link_is_read_as_it_is_written() {
        for allows in [Allows::Get(FileId::from([7; 16])), Allows::Put(u64::MAX)] {
            let owner = matches!(allows, Allows::Put(_)).then_some(Owner(0x123));
            let terms = Terms {
                owner,
                ..terms(allows)
            };
            let uri: Uri = written(&terms, &[0xab; 32]).parse().expect("a path");
            let link = Link::of(&uri).expect("a link").expect("well-formed");
            assert_eq!(link.signature, [0xab; 32]);
            assert_eq!(link.terms, terms);
        }
    }

    #[test]
    fn what_is_malformed_is_a_wrong_credential_and_not_none() {
        let good = written(&terms(Allows::Put(1)), &[0; 32]);
        let of = |uri: &str| Link::of(&uri.parse().expect("a path"));
        assert!(of("/file/a").is_none() && of("/files?limit=1").is_none());
        for bad in [
            good.replace("&expires", "&expires=1&expires"),
            good.replace("&max_bytes=1", ""),
            good.replace("max_bytes=1", "max_bytes=+1"),
            good.replace("expires=17", "expires=x"),
            good.replace("expires=17", "expires=%3117"),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            format!("{good}&for=1"),
            format!("{good}&id=00000000-0000-0000-0000-000000000000"),
            "/file/a?signature=".to_owned(),
        ] {
            assert_eq!(of(&bad), Some(Err(Denied::Unknown)), "{bad}");
        }
    }
}
