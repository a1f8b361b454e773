//! The regular expressions of the document: written so that those of every language take
//! them.

/// What a file's name is, but for its length in bytes: the classes are written so
/// that the regular expressions of every language take them.
pub(super) const NAME: &str = "^(?:[^./\\x00-\\x1f\\x7f-\\x9f][^/\\x00-\\x1f\\x7f-\\x9f]*\
                               |\\.[^./\\x00-\\x1f\\x7f-\\x9f][^/\\x00-\\x1f\\x7f-\\x9f]*\
                               |\\.\\.[^/\\x00-\\x1f\\x7f-\\x9f]+)$";
/// A file's id.
pub(super) const ID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
/// A node's id.
pub(super) const NODE: &str = "^[A-Za-z0-9._/-]+$";
/// A volume's id.
pub(super) const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// A SHA-256 in hex.
pub(super) const SHA256: &str = "^[0-9a-f]{64}$";
/// Base64, of either alphabet, padded or not, the bits beyond the last byte being zero. Line
/// breaks are taken too; the pattern leaves them out.
pub(super) const BASE64: &str = "^(?:[A-Za-z0-9+/_-]{4})*\
                                 (?:[A-Za-z0-9+/_-][AQgw](?:==)?\
                                 |[A-Za-z0-9+/_-]{2}[AEIMQUYcgkosw048]=?)?$";
/// A media type without parameters, neither half of which is `*`.
pub(super) const MEDIA_TYPE: &str = "^(?:[!#$%&'+.^_`|~0-9A-Za-z-][!#$%&'*+.^_`|~0-9A-Za-z-]*|\\*[!#$%&'*+.^_`|~0-9A-Za-z-]+)\
                          /(?:[!#$%&'+.^_`|~0-9A-Za-z-][!#$%&'*+.^_`|~0-9A-Za-z-]*|\\*[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";
/// A digest as RFC 9530 writes it.
pub(super) const DIGEST: &str = "^(?:sha-256=:[A-Za-z0-9+/]{43}=:|sha-512=:[A-Za-z0-9+/]{86}==:)$";
/// A key of an upload: bare, or a quoted string of RFC 8941, in which a quote and a backslash
/// are escaped.
pub(super) const KEY: &str =
    "^(?:[!#-+\\x2d-:<-\\[\\]-~]{1,255}|\"(?:[ !#-\\[\\]-~]|\\\\[\"\\\\]){1,255}\")$";
/// How long a link lasts, in one unit and within a week; more that means the same is taken.
pub(super) const LASTS: &str =
    "^(?:[1-9][0-9]{0,4}s|[1-9][0-9]{0,3}m|[1-9][0-9]?h|1day|[2-7]days)$";
/// A link's number.
pub(super) const LINK: &str = "^[0-9a-f]{16}$";
/// A request's id.
pub(super) const REQUEST_ID: &str = "^[0-9a-f]{16}$";
/// A file's tag.
pub(super) const TAG: &str =
    "^\"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:-json)?\"$";
/// A date of RFC 9110.
pub(super) const HTTP_DATE: &str =
    "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$";
/// A disposition of RFC 6266.
pub(super) const DISPOSITION: &str = "^attachment; filename";
/// A part of a file and the file's size, or the size alone where no part is meant.
pub(super) const CONTENT_RANGE: &str = "^bytes (?:[0-9]+-[0-9]+|\\*)/[0-9]+$";
