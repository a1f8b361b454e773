//! The shapes of bodies, as JSON Schema made from the types that are sent.

use super::answer::ErrorBody;
use super::listing::{FileLine, Page};
use super::put::Created;
use crate::status::Status;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// What a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Created,
    Error,
    File,
    Line,
    Page,
    Status,
    Upload,
    UploadParts,
    Bytes,
    Text,
    Any,
}

/// An upload: the file in base64.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "uploads are decoded as streams, this only describes them"
)]
struct Upload {
    /// The file's name.
    #[schemars(length(min = 1, max = 255))]
    filename: String,
    /// Its bytes in base64.
    #[schemars(extend("contentEncoding" = "base64"))]
    file: String,
    /// Its media type; guessed from the name where it is missing.
    content_type: Option<String>,
}

/// An upload in parts: a part with a filename holds the file's bytes.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "uploads are decoded as streams, this only describes them"
)]
struct UploadParts {
    /// The file's name; where it is missing, the part's own filename.
    filename: Option<String>,
    /// The file's bytes, or base64 if the part has no filename.
    #[schemars(extend("contentMediaType" = "application/octet-stream"))]
    file: String,
}

/// A file within JSON.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "downloads are encoded as streams, this only describes them"
)]
struct File {
    /// The file's name.
    filename: String,
    /// The file's id.
    id: String,
    /// Its size in bytes.
    size: u64,
    /// The media type given on upload.
    content_type: Option<String>,
    /// Its bytes in base64.
    #[schemars(extend("contentEncoding" = "base64"))]
    file: String,
}

/// Collects the schemas that a document refers to.
pub(super) struct Schemas(SchemaGenerator);

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12()
            .for_serialize()
            .with(|settings| {
                settings.definitions_path = "/components/schemas".into();
            });
        Self(settings.into_generator())
    }

    /// The schema of a shape, by reference where it has a name.
    pub(super) fn of(&mut self, shape: Shape) -> Value {
        let generator = &mut self.0;
        let schema = match shape {
            Shape::Created => generator.subschema_for::<Created<'_>>(),
            Shape::Error => generator.subschema_for::<ErrorBody<'_>>(),
            Shape::File => generator.subschema_for::<File>(),
            Shape::Line => generator.subschema_for::<FileLine<'_>>(),
            Shape::Page => generator.subschema_for::<Page<'_>>(),
            Shape::Status => generator.subschema_for::<Status>(),
            Shape::Upload => generator.subschema_for::<Upload>(),
            Shape::UploadParts => generator.subschema_for::<UploadParts>(),
            Shape::Bytes => {
                return json!({"type": "string", "contentMediaType": "application/octet-stream"});
            }
            Shape::Text => return json!({"type": "string"}),
            Shape::Any => return json!({"type": "object"}),
        };
        schema.to_value()
    }

    /// All that were referred to.
    pub(super) fn components(mut self) -> Map<String, Value> {
        self.0.take_definitions(true)
    }
}
