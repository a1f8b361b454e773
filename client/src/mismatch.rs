//! Why there is no session with whoever answers: only one side speaks TLS, or one does not
//! trust the other.

use rustls::{AlertDescription, CertificateError, InvalidMessage};
use std::error::Error as StdError;
use std::io;

/// What does not fit between the client and whoever answers. No other attempt helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The URL begins with `https://`, and whoever answers does not speak TLS.
    NoTls,
    /// Its certificate is signed by an authority that the client does not trust.
    UnknownAuthority,
    /// Its certificate is for another name than the URL has.
    OtherName,
    /// Its certificate is not valid yet, or not any more.
    OutOfDate,
    /// Its certificate is not trusted for another reason, such as one of an authority itself.
    Distrusted,
    /// It asks for a certificate of the client.
    NoCertificate,
    /// It does not trust the client's certificate.
    NotTrusted,
}

impl Mismatch {
    /// What an error or one of its causes says.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(found) = error.downcast_ref().and_then(Self::of_tls) {
            return Some(found);
        }
        // What an error of I/O holds is not its source, but itself.
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let next = held.map(|held| held as &(dyn StdError + 'static));
        next.or_else(|| error.source()).and_then(Self::of)
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some(Self::NoTls),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
                Some(Self::NoCertificate)
            }
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown,
            ) => Some(Self::NotTrusted),
            rustls::Error::InvalidCertificate(why) => Some(Self::of_certificate(why)),
            _ => None,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfDate,
            _ => Self::Distrusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_found_behind_other_errors() {
        let tls = |error: rustls::Error| {
            let inner = io::Error::new(io::ErrorKind::InvalidData, error);
            Mismatch::of(&io::Error::other(inner))
        };
        let distrusts = |why| tls(rustls::Error::InvalidCertificate(why));
        assert_eq!(
            distrusts(CertificateError::UnknownIssuer),
            Some(Mismatch::UnknownAuthority)
        );
        assert_eq!(
            distrusts(CertificateError::NotValidForName),
            Some(Mismatch::OtherName)
        );
        assert_eq!(
            distrusts(CertificateError::Expired),
            Some(Mismatch::OutOfDate)
        );
        assert_eq!(
            distrusts(CertificateError::BadEncoding),
            Some(Mismatch::Distrusted)
        );
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(tls(alert), Some(Mismatch::NoCertificate));
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        assert_eq!(tls(alert), Some(Mismatch::NotTrusted));
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(tls(plain), Some(Mismatch::NoTls));
        assert_eq!(tls(rustls::Error::DecryptError), None);
        assert_eq!(Mismatch::of(&io::Error::other("reset")), None);
    }
}
