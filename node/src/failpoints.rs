//! The named steps at which a test may end the process as `kill -9` would, or
//! leave out a flush. Nothing of it is compiled without the feature `failpoints`.

/// Every crash point of the node, in the order of the protocol. Each begins with the
/// crash step (ARCHITECTURE.md) that was reached last.
pub const ALL: &[&str] = &[
    "node::u1_before_stage",
    "node::u1_staged",
    "node::u1_before_flush",
    "node::u1_flushed",
    "node::u2_before_link",
    "node::u3_linked",
    "node::u4_flushed",
    "node::u4_before_reply",
    "node::d1_before_unlink",
    "node::d1_unlinked",
    "node::d2_flushed",
    "node::m1_before_finish",
    "node::m2_finished",
];

/// Leaves out the flush of a file's bytes: to check that a lost flush is caught. It
/// is no crash step.
pub const SKIP_FILE_FLUSH: &str = "node::skip_file_flush";
/// Leaves out the flush of a directory.
pub const SKIP_DIR_FLUSH: &str = "node::skip_dir_flush";
/// Makes the flush of directories fail.
pub const FAIL_DIR_FLUSH: &str = "node::fail_dir_flush";

/// Makes the committer panic: to check that the process then ends.
pub const COMMITTER_PANICS: &str = "node::committer_panics";

/// Panics where a test wants that. Never in a release.
pub(crate) fn panic_here(name: &str) {
    assert!(!wanted(name), "{name}: on purpose");
}

/// Whether a test wants that. Always false in a release.
pub(crate) fn wanted(name: &str) -> bool {
    #[cfg(feature = "failpoints")]
    return fail::eval(name, |_| ()).is_some();
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = name;
        false
    }
}
