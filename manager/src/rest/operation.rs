//! What the table of routes says of an operation.

use super::error_cases::{ALWAYS, ErrorCase, FORBIDDEN, UNKNOWN};
use super::needs::Needs;
use super::schemas::Shape;
use http::Method;
use serde_json::{Value, json};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Post,
    Put,
    /// `HEAD` too, which is a `GET` without its body.
    Get,
    Delete,
    Link,
    List,
    Status,
    Drains,
    Drain,
    CancelDrain,
    Abandon,
    Fsck,
    Quarantine,
    Adopt,
    AdoptAll,
    RemoveCopy,
    OpenApi,
    Docs,
    Console,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Path,
    Query,
    Header,
}

impl At {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// What a parameter's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number within bounds.
    Number { least: u64, most: u64 },
    /// Text of at most `most` characters.
    Text { most: u64 },
    /// Text of at most `most` characters that fits a regular expression.
    Fits { most: u64, pattern: &'static str },
    /// Any text.
    Any,
}

impl Kind {
    /// Its schema.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Number { least, most } => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Self::Text { most } => json!({"type": "string", "maxLength": most}),
            Self::Fits { most, pattern } => {
                json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern})
            }
            Self::Any => json!({"type": "string"}),
        }
    }

    /// An example that is written as it stands in a request or an answer.
    pub(super) fn example(self, text: &str) -> Value {
        match self {
            Self::Number { .. } => text.parse::<u64>().map_or(Value::Null, Value::from),
            Self::Text { .. } | Self::Fits { .. } | Self::Any => text.into(),
        }
    }
}

/// One parameter.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) at: At,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) about: &'static str,
    /// A value that is taken, as it is written in the request.
    pub(super) example: &'static str,
}

/// What a body may hold: a media type and its shape.
pub(super) type Content = (&'static str, Shape);

/// An answer that is no error.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: &'static [Content],
}

/// One operation of the API.
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) needs: Needs,
    /// Whether it changes what is stored, or lets somebody in.
    pub(super) changes: bool,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: &'static [Content],
    pub(super) success: &'static [Success],
    /// Its errors, besides those of any operation.
    pub(super) errors: &'static [ErrorCase],
}

impl Operation {
    /// Whether its answer is a file's bytes.
    pub(super) fn is_read(&self) -> bool {
        self.action == Action::Get
    }

    /// Every error that it answers, in the order of their statuses.
    pub(super) fn all_errors(&self) -> Vec<ErrorCase> {
        let mut all = self.errors.to_vec();
        all.extend(ALWAYS);
        if self.needs != Needs::Nothing {
            all.extend([UNKNOWN, FORBIDDEN]);
        }
        all.sort_by_key(|case| (case.status.as_u16(), case.code.number()));
        all
    }
}

pub(super) const fn parameter(
    name: &'static str,
    at: At,
    kind: Kind,
    about: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter {
        name,
        at,
        kind,
        required: matches!(at, At::Path),
        about,
        example,
    }
}

impl Parameter {
    /// The same, where it must not be left out.
    pub(super) const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}
