//! The result codes that clients see: their numbers and messages.

/// A result code of the REST API. The messages of 1 to 4 are fixed to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// No node can take the file now.
    ServersUnavailable = 1,
    /// No file has that name.
    FileDoesNotExist = 2,
    /// The name is in use.
    FileNameExists = 3,
    /// The file exists, but its node can't serve it now.
    FileUnavailable = 4,
    /// A defect or a failure on our side.
    Internal = 5,
    /// The request is malformed or above a limit.
    InvalidRequest = 6,
    /// The caller is not known, or may not do that.
    NotAuthorized = 7,
    /// No node has room for the file.
    InsufficientStorage = 8,
    /// A bound was reached; try again later.
    TooManyRequests = 9,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 9] = [
        Self::ServersUnavailable,
        Self::FileDoesNotExist,
        Self::FileNameExists,
        Self::FileUnavailable,
        Self::Internal,
        Self::InvalidRequest,
        Self::NotAuthorized,
        Self::InsufficientStorage,
        Self::TooManyRequests,
    ];

    /// The number in the body of an error.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The message in the body of an error.
    pub fn message(self) -> &'static str {
        match self {
            Self::ServersUnavailable => "Servers unavailable",
            Self::FileDoesNotExist => "File does not exist",
            Self::FileNameExists => "File name already exists",
            Self::FileUnavailable => "File unavailable",
            Self::Internal => "Internal error",
            Self::InvalidRequest => "Invalid request",
            Self::NotAuthorized => "Not authorized",
            Self::InsufficientStorage => "Insufficient storage",
            Self::TooManyRequests => "Too many requests",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_contract() {
        let numbers: Vec<u8> = Code::ALL.iter().map(|c| c.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(Code::ServersUnavailable.message(), "Servers unavailable");
        assert_eq!(Code::FileDoesNotExist.message(), "File does not exist");
        assert_eq!(Code::FileNameExists.message(), "File name already exists");
        assert_eq!(Code::FileUnavailable.message(), "File unavailable");
    }
}
