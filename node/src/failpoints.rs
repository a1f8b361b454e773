//! The named steps at which a test may end the process as `kill -9` would, or
//! leave out a flush. Nothing of it is compiled without the feature `failpoints`.

/// Every step of upload, delete and move that has a name.
pub const ALL: &[&str] = &[
    "node::before_stage",
    "node::after_stage",
    "node::before_file_flush",
    "node::after_file_flush",
    "node::before_link",
    "node::after_link",
    "node::after_dir_flush",
    "node::before_reply",
    "node::delete_before_unlink",
    "node::delete_after_unlink",
    "node::delete_after_flush",
    "node::transfer_before_finish",
    "node::transfer_after_finish",
];

/// Leaves out the flush of a file's bytes: for the check that a lost flush is
/// caught, and no step of its own.
pub const SKIP_FILE_FLUSH: &str = "node::skip_file_flush";
/// Leaves out the flush of a directory.
pub const SKIP_DIR_FLUSH: &str = "node::skip_dir_flush";
/// Has the flush of directories fail.
pub const FAIL_DIR_FLUSH: &str = "node::fail_dir_flush";

/// Has the committer panic: for the check that its end ends the process.
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
