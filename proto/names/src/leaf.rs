//! The shape of the tree on a node's disk: where leaf number N lies.

/// The most files and directories that a directory may hold (invariant 1).
pub const MAX_ENTRIES: usize = 36;
/// Directory levels above a file: 36^5 leaves of 36 files are 36^6 files.
pub const LEVELS: usize = 5;
/// How many leaf directories a volume can have.
pub const LEAF_COUNT: u32 = 36u32.pow(LEVELS as u32);

const DIGITS: &[u8; MAX_ENTRIES] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The path of a leaf directory below `data/`: its number in base 36, a
/// directory for each digit, such as `0/0/0/1/z`.
///
/// # Panics
/// When the number is not below [`LEAF_COUNT`]; allocators never give one out.
pub fn leaf_path(leaf: u32) -> String {
    assert!(leaf < LEAF_COUNT, "leaf {leaf} is beyond the tree");
    let mut digits = [0u8; LEVELS];
    let mut rest = leaf as usize;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % MAX_ENTRIES];
        rest /= MAX_ENTRIES;
    }
    let mut path = String::with_capacity(LEVELS * 2);
    for digit in digits {
        if !path.is_empty() {
            path.push('/');
        }
        path.push(char::from(digit));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_lie_in_base_36_order() {
        assert_eq!(leaf_path(0), "0/0/0/0/0");
        assert_eq!(leaf_path(35), "0/0/0/0/z");
        assert_eq!(leaf_path(36), "0/0/0/1/0");
        assert_eq!(leaf_path(LEAF_COUNT - 1), "z/z/z/z/z");
    }
}
