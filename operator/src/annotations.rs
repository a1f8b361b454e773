//! Annotations of pools and claims: what a person orders, and what is remembered there.

/// Written on claims: `empty`, `started`, or the id of the volume that joined.
pub(crate) const VOLUME: &str = "fileserver.dev/volume";
/// Written on a pool by a person, `<node>`: its files go to the others.
pub(crate) const DRAIN: &str = "fileserver.dev/drain";
/// Written on a pool by a person, `<node>/<volume-id>`: the node is abandoned.
pub(crate) const ABANDON: &str = "fileserver.dev/abandon";
/// The value of [`ABANDON`], written by the operator once managers have confirmed node
/// and volume, and before it orders them to abandon the node.
pub(crate) const ABANDON_BEGUN: &str = "fileserver.dev/abandon-begun";
/// Written on a pool by a person, `true`: objects that lost their owner are taken over.
pub(crate) const ADOPT: &str = "fileserver.dev/adopt";
/// Written on a pool by a person, `true`: the operator changes nothing of it.
pub(crate) const PAUSED: &str = "fileserver.dev/paused";
/// Written on a pool that `operator leave` has let go: until when no operator takes
/// the finalizer back.
pub(crate) const RELEASED: &str = "fileserver.dev/released-until";
