//! Deletes, of which another attempt never meets another file.

use crate::wire::{Pauses, Sent, Wire};
use crate::{Error, FileId, FileName};
use http::header::IF_MATCH;
use http::{Method, StatusCode};

/// Deletes a file; with an id only that very one.
pub(crate) async fn delete(wire: &Wire, name: &FileName, id: Option<FileId>) -> Result<(), Error> {
    let mut pauses = Pauses::new(wire.deadline);
    let mut uncertain = false;
    loop {
        let mut request = wire.request(Method::DELETE, &["file", name.as_str()]);
        if let Some(id) = id {
            request = request.header(IF_MATCH, format!("\"{id}\""));
        }
        let error = match wire.once(request, Sent::default()).await {
            Ok(answer) if answer.status() == StatusCode::NO_CONTENT => return Ok(()),
            Ok(answer) => wire.not_understood(answer.status()),
            Err(error) => error,
        };
        if uncertain && error.is_gone() {
            return Ok(());
        }
        uncertain |= error.is_uncertain();
        if uncertain && id.is_none() {
            return Err(error);
        }
        wire.pause(&mut pauses, error).await?;
    }
}
