//! What can go wrong with a store, and whether the change may have happened.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// The error below, shared by all whose changes went into one failed commit.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer, or failed while it committed: a change may or
    /// may not have happened, and rule 1 says how to find out (read back).
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),
    /// Calls are refused: an embedded store whose flush failed takes no more writes
    /// until a restart, one that is closing takes none either, and a database that is
    /// away takes no call at all. This change certainly did not happen.
    #[error("the store refuses calls")]
    Refused(#[source] Cause),
    /// The store's disk is nearly full. This change certainly did not happen.
    #[error("the disk of the metadata store has {free} bytes free, new files need {least}")]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes below which new files are refused.
        least: u64,
    },
    /// What the store holds can't be understood.
    #[error("the store's data is damaged: {0}")]
    Corrupt(String),
    /// Another process has the store open.
    #[error("{} is in use by {holder}; a store serves one manager at a time", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The store was written by a newer version, and was left untouched.
    #[error(
        "{} has store format {found}, this version reads up to {known}: run a newer version \
         (nothing was changed)",
        path.display()
    )]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format that the store has.
        found: u32,
        /// The newest format that this build knows.
        known: u32,
    },
    /// The store's files can't be opened or made.
    #[error("can't open the store in {}", path.display())]
    Open {
        /// The store's directory, or the file in it.
        path: PathBuf,
        /// What the operating system or the engine said.
        #[source]
        source: Cause,
    },
    /// What the caller handed over breaks an invariant; nothing was changed.
    #[error("{0}")]
    Invalid(&'static str),
    /// The cluster id of a store that holds records can't be changed.
    #[error("the store holds records, so its cluster id stays what it is")]
    NotEmpty,
    /// A `--store` that names no store.
    #[error("--store: {0}")]
    Url(String),
}

impl StoreError {
    /// A store that did not answer; the outcome of a change is unknown.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(Cause::from(cause.into()))
    }

    /// A change that was not even tried.
    pub fn refused(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused(Cause::from(cause.into()))
    }

    /// Files of the store that can't be opened or made.
    pub fn open(path: impl Into<PathBuf>, cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Open {
            path: path.into(),
            source: Arc::new(cause),
        }
    }

    /// Whether the change may have happened all the same (rule 1: read back). When
    /// this is false, it certainly did not.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(_)
            | Self::Full { .. }
            | Self::Corrupt(_)
            | Self::Locked { .. }
            | Self::NewerFormat { .. }
            | Self::Open { .. }
            | Self::Invalid(_)
            | Self::NotEmpty
            | Self::Url(_) => false,
        }
    }
}
