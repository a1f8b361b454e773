//! Named places at which a test may end the process as `kill -9` would.
//!
//! [`crash_here!`](crate::crash_here) is empty unless the crate that writes it
//! is built with its feature `failpoints`, which only tests switch on.

/// Ends the process at once if the environment's `FAILPOINTS` names this
/// place, as in `FAILPOINTS='node::u3_linked=return'`. The calling crate needs
/// a dependency `fail` and a feature `failpoints` of its own.
#[macro_export]
macro_rules! crash_here {
    ($name:expr) => {
        #[cfg(feature = "failpoints")]
        {
            if ::fail::eval($name, |_| ()).is_some() {
                ::std::process::abort();
            }
        }
    };
}
