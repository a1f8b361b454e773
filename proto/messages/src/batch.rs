//! Messages of many items: none passes its bound, whatever is in it (invariant 9).

use prost::Message;

/// Bytes that a message of many items has at the most, once encoded: a quarter of
/// what every receiver takes, earlier releases included.
pub const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one message that a receiver takes. Above anything that is sent, also by
/// the previous release, which checked its bound only after it had added an item.
pub const MESSAGE_BYTES: usize = 8 << 20;
/// Bytes of a text for people within a message.
pub const TEXT_BYTES: usize = 1024;

/// The items of one message on its way, with their encoded size.
#[derive(Debug)]
pub struct Batch<M> {
    items: Vec<M>,
    bytes: usize,
    most: usize,
}

/// Why an item was not added; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<M> {
    /// There is no room for it beside the others: the next message takes it.
    Full(M),
    /// It would not fit into any message.
    TooLarge(M),
}

impl<M: Message> Batch<M> {
    /// An empty one, for at most so many items.
    pub fn new(most: usize) -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            most,
        }
    }

    /// Adds an item, if the message stays within its bounds.
    ///
    /// # Errors
    /// When it would not.
    pub fn push(&mut self, item: M) -> Result<(), Refused<M>> {
        let bytes = framed(&item);
        if bytes > BATCH_BYTES {
            return Err(Refused::TooLarge(item));
        }
        if self.items.len() >= self.most || self.bytes + bytes > BATCH_BYTES {
            return Err(Refused::Full(item));
        }
        self.bytes += bytes;
        self.items.push(item);
        Ok(())
    }

    /// Whether it has no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The items; it is empty afterwards.
    #[must_use]
    pub fn take(&mut self) -> Vec<M> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

/// Bytes of an item as an element of a message's only field: its tag, its length
/// and itself.
fn framed<M: Message>(item: &M) -> usize {
    let bytes = item.encoded_len();
    1 + prost::length_delimiter_len(bytes) + bytes
}

/// Items cut into messages that each keep the bounds; one that fits into none is
/// left out.
pub fn batches<M: Message>(items: impl IntoIterator<Item = M>, most: usize) -> Vec<Vec<M>> {
    let mut batch = Batch::new(most);
    let mut all = Vec::new();
    for item in items {
        if let Err(Refused::Full(item)) = batch.push(item) {
            all.push(batch.take());
            // It fits into an empty one.
            let _ = batch.push(item);
        }
    }
    if !batch.is_empty() {
        all.push(batch.take());
    }
    all
}

/// A text for people, cut to [`TEXT_BYTES`].
pub fn clip(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
    }
    text
}

#[cfg(test)]
mod tests;
