//! The words of the API for what a pool reports: types of conditions, their reasons,
//! and phases. Each is spelled as its variant.

use crate::trouble::Trouble;

/// An enum whose text is the name of the variant.
macro_rules! spelled {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $word:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$doc])* $word,)*
        }

        impl $name {
            /// As the API writes it.
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }
        }
    };
}

spelled! {
    /// What a condition is about.
    Type {
        /// The sum: the pool is as it should be, and every file can be read.
        Ready,
        /// A manager answers.
        ManagerReachable,
        /// Every node is available.
        NodesAvailable,
        /// A node came with another volume than its own.
        VolumeReplaced,
        /// Files do not match their checksums.
        FilesDamaged,
        /// Every volume is as it should be.
        StorageReady,
        /// A smaller pool is not possible.
        ScaleDownBlocked,
        /// Nodes are restarted.
        Rolling,
        /// Nothing goes on before a person does something.
        Stalled,
        /// Something is still to be done.
        Reconciling,
    }
}

impl Type {
    /// Whether all is well where the condition holds; for the others, where it does not.
    pub(super) fn well_holds(self) -> bool {
        match self {
            Self::Ready | Self::ManagerReachable | Self::NodesAvailable | Self::StorageReady => {
                true
            }
            Self::VolumeReplaced
            | Self::FilesDamaged
            | Self::ScaleDownBlocked
            | Self::Rolling
            | Self::Stalled
            | Self::Reconciling => false,
        }
    }
}

spelled! {
    /// Why a condition holds, or does not.
    Reason {
        /// It can't be known now.
        Unknown,
        /// A manager answers.
        Answers,
        /// None does.
        NoAnswer,
        /// Every node is available.
        AllAvailable,
        /// One is not.
        NodeUnavailable,
        /// Managers refuse a node.
        NodeRefused,
        /// A claim holds a volume that no manager knows.
        ClaimUnknown,
        /// Every node has its own volume.
        OwnVolumes,
        /// One does not.
        VolumeReplaced,
        /// No file is damaged.
        Intact,
        /// Copies that no record lists are kept.
        Quarantined,
        /// Files are damaged.
        Corrupt,
        /// A claim that was deleted is in use, and holds files.
        ClaimTerminating,
        /// Those files are moved to other nodes.
        ClaimDraining,
        /// They were.
        ClaimDrained,
        /// Volumes have the size that is wanted.
        Sized,
        /// They can't have it.
        SizeRefused,
        /// A volume is not there yet.
        Pending,
        /// Volumes are growing.
        Growing,
        /// Nothing holds up a smaller pool.
        NotBlocked,
        /// Its files would not fit.
        NoRoom,
        /// A drain holds.
        DrainHolds,
        /// Every node runs what it shall run.
        UpToDate,
        /// Nodes are to be restarted, which waits for a person.
        Waiting,
        /// Nodes are restarted.
        Restarting,
        /// Nothing waits for a person.
        Progresses,
        /// The managers' store may be a stranger.
        StoreDoubted,
        /// A roll waits for a person.
        RollWaits,
        /// All is done.
        Done,
        /// The number of nodes stays while the store is in doubt.
        Held,
        /// Nodes are emptied.
        Draining,
        /// The number of nodes changes.
        Scaling,
        /// Nodes do not serve yet.
        Starting,
        /// Nodes have an earlier template.
        Rolling,
        /// A person had a node emptied.
        Drained,
        /// Every node serves.
        AllServe,
        /// The pool is being deleted.
        Deleting,
        /// A person holds everything.
        Paused,
        /// An object has a name that the pool needs.
        NameConflict,
        /// An object was not written.
        Failed,
        /// An order to give a node up is not carried out.
        AbandonRefused,
        /// An order to empty a node is not carried out.
        DrainRefused,
        /// Managers refuse an order of the operator.
        ManagerRefused,
        /// cert-manager has not made the nodes' certificate.
        NoCertificate,
        /// There is no token.
        TokenRefused,
        /// No release serves the pool.
        NotServed,
    }
}

spelled! {
    /// What is happening, in a word.
    Phase {
        /// Nothing is there yet.
        Pending,
        /// Nodes start.
        Starting,
        /// All is as it should be.
        Ready,
        /// Nodes or volumes come.
        Growing,
        /// Nodes are emptied.
        Draining,
        /// Nodes are restarted.
        Rolling,
        /// Something is wrong.
        Degraded,
        /// A person has to do something.
        Blocked,
        /// The pool is being deleted.
        Deleting,
    }
}

impl Trouble {
    /// The reason that conditions give.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Token(_) => Reason::TokenRefused,
            Self::Conflicts(_) => Reason::NameConflict,
            Self::Uncertified(_) => Reason::NoCertificate,
            Self::NotApplied(_) => Reason::Failed,
            Self::Abandon(_) => Reason::AbandonRefused,
            Self::Drain(_) => Reason::DrainRefused,
            Self::Manager(_) => Reason::ManagerRefused,
            Self::Deleting(_) => Reason::Deleting,
            Self::Paused => Reason::Paused,
        }
    }
}
