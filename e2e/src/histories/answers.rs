//! What an answer means for a name. An answer that the service must never give
//! is an error at once.

use super::history::{Call, Content, Effect};
use super::wire::Sent;
use crate::content::{base64, sha256};
use crate::wire::Answer;
use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Part of the answer to a delete that has begun and was not confirmed.
const BEGUN: &str = "has begun";

/// Which content has which sum, and which id it was given.
#[derive(Default)]
pub(super) struct Contents(Mutex<Known>);

#[derive(Default)]
struct Known {
    sums: HashMap<[u8; 32], Content>,
    ids: HashMap<String, Content>,
}

impl Contents {
    /// Notes a content before it is uploaded.
    pub(super) fn add(&self, content: Content, bytes: &[u8]) {
        self.0.lock().sums.insert(sha256(bytes), content);
    }

    /// The content whose sum `found` accepts; bytes that no upload had are an error.
    fn of(&self, found: impl Fn(&[u8; 32]) -> bool) -> Result<Content> {
        let known = self.0.lock();
        let mut all = known.sums.iter();
        let one = all.find(|(sum, _)| found(sum)).map(|(_, content)| *content);
        one.context("bytes that nobody uploaded, or not all of them")
    }

    /// Checks that an id always stands for the same content.
    fn pair(&self, id: &str, content: Content) -> Result<()> {
        ensure!(!id.is_empty(), "no id");
        let before = *self.0.lock().ids.entry(id.to_owned()).or_insert(content);
        ensure!(
            before == content,
            "id {id} stood for content {before}, now for {content}"
        );
        Ok(())
    }
}

/// What a request for one name did or saw; none where its answer proves nothing.
///
/// # Errors
/// Names what the service must never answer.
pub(super) fn effect(
    contents: &Contents,
    call: Call,
    content: Content,
    sent: &Sent,
) -> Result<Option<Effect>> {
    let answer = match sent {
        Sent::Answer(answer) => answer,
        Sent::Never => return Ok(None),
        Sent::Lost(_) => return Ok(open(call, content)),
    };
    Ok(match (call, answer.outcome()) {
        (Call::Put | Call::Post, (201, None)) => {
            let told = answer.json()?;
            contents.pair(told["id"].as_str().unwrap_or_default(), content)?;
            Some(Effect::Created(content))
        }
        (Call::Put | Call::Post, (409, Some(3))) => Some(Effect::Exists),
        (Call::Put | Call::Post, (503, Some(1))) => open(call, content),
        (Call::Get | Call::Head, (200, None)) => {
            Some(Effect::Found(found(contents, call, answer)?))
        }
        // An answer to HEAD has no body that could contain its code.
        (Call::Head, (404, None)) => Some(Effect::Absent),
        (Call::Head, (503, None)) | (Call::Get, (503, Some(1 | 4))) => None,
        (Call::Get | Call::Delete, (404, Some(2))) => Some(Effect::Absent),
        (Call::Delete, (204, None)) => Some(Effect::Deleted),
        (Call::Delete, (503, Some(1))) => open(call, content),
        (Call::Delete, (503, Some(4))) => {
            // Without this text nothing was changed (rule 7).
            let text = String::from_utf8_lossy(&answer.body);
            text.contains(BEGUN).then_some(Effect::MaybeDeleted)
        }
        _ => bail!("{call:?} was answered {answer:?}"),
    })
}

/// What a request may have done whose outcome is unknown.
fn open(call: Call, content: Content) -> Option<Effect> {
    match call {
        Call::Put | Call::Post => Some(Effect::MaybeCreated(content)),
        Call::Delete => Some(Effect::MaybeDeleted),
        Call::Get | Call::Head | Call::List => None,
    }
}

fn found(contents: &Contents, call: Call, answer: &Answer) -> Result<Content> {
    let content = match call {
        Call::Get => {
            let sum = sha256(&answer.body);
            contents.of(|known| *known == sum)
        }
        Call::Put | Call::Post | Call::Head | Call::Delete | Call::List => {
            let digest = answer.header("repr-digest");
            contents.of(|known| digest.contains(&base64(known)))
        }
    };
    let content = content.with_context(|| format!("{:?}", answer.headers))?;
    contents.pair(answer.header("etag").trim_matches('"'), content)?;
    Ok(content)
}

/// What a listing shows of each of the names: it counts as a read of each.
///
/// # Errors
/// As [`effect`].
pub(super) fn listed(contents: &Contents, names: &[String], sent: &Sent) -> Result<Vec<Effect>> {
    let answer = match sent {
        Sent::Answer(answer) if answer.status == 503 => return Ok(Vec::new()),
        Sent::Answer(answer) => answer.clone().expect(200)?.json()?,
        Sent::Never | Sent::Lost(_) => return Ok(Vec::new()),
    };
    let files = answer["files"]
        .as_array()
        .context("no files in a listing")?;
    let mut effects = vec![Effect::Absent; names.len()];
    for file in files {
        let text = |key: &str| file[key].as_str().unwrap_or_default();
        let at = names.iter().position(|name| name == text("filename"));
        let at = at.with_context(|| format!("a listing shows {file}"))?;
        ensure!(effects[at] == Effect::Absent, "listed twice: {file}");
        let content = contents.of(|sum| crate::content::hex(sum) == text("sha256"))?;
        contents.pair(text("id"), content)?;
        effects[at] = Effect::Found(content);
    }
    Ok(effects)
}
