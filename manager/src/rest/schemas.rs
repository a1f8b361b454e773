//! The shapes of bodies, as JSON Schema made from the types that are sent.

use super::answer::ErrorBody;
use super::link::{LinkRequest, NewLink};
use super::listing::{FileLine, Page};
use super::operate::{
    Abandon, Abandoned, Adoption, Adoptions, Copy, CopyName, DrainOrder, Drains, Finding, NamedFile,
};
use super::patterns::{BASE64, ID, MEDIA_TYPE, NAME};
use super::put::Created;
use crate::status::Status;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// What a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Abandon,
    Abandoned,
    Adoption,
    Adoptions,
    Copy,
    CopyName,
    NamedFile,
    Created,
    DrainOrder,
    Drains,
    Error,
    File,
    Finding,
    Line,
    LinkRequest,
    NewLink,
    Page,
    Status,
    Upload,
    UploadParts,
    Bytes,
    Text,
    /// Server-sent events, each with a [`Shape::Status`].
    Events,
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
    #[schemars(length(min = 1, max = 255), regex(pattern = NAME))]
    filename: String,
    /// Its bytes in base64.
    #[schemars(extend("contentEncoding" = "base64"), regex(pattern = BASE64))]
    file: String,
    /// Its media type; guessed from the name where it is missing.
    #[schemars(
        skip_serializing_if = "Option::is_none",
        length(max = 255),
        regex(pattern = MEDIA_TYPE)
    )]
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
    #[schemars(
        skip_serializing_if = "Option::is_none",
        length(min = 1, max = 255),
        regex(pattern = NAME)
    )]
    filename: Option<String>,
    /// The file's bytes; or base64, if the part has no filename.
    #[schemars(extend("format" = "binary"))]
    file: String,
}

/// A file within JSON. Many generated clients have a type File of their own.
#[derive(JsonSchema)]
#[schemars(rename = "EncodedFile")]
#[expect(
    dead_code,
    reason = "downloads are encoded as streams, this only describes them"
)]
struct File {
    /// The file's name.
    #[schemars(length(min = 1, max = 255), regex(pattern = NAME))]
    filename: String,
    /// The file's id.
    #[schemars(regex(pattern = ID))]
    id: String,
    /// Its size in bytes.
    size: u64,
    /// The media type given on upload.
    #[schemars(skip_serializing_if = "Option::is_none")]
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
            Shape::Abandon => generator.subschema_for::<Abandon>(),
            Shape::Abandoned => generator.subschema_for::<Abandoned>(),
            Shape::Adoption => generator.subschema_for::<Adoption>(),
            Shape::Adoptions => generator.subschema_for::<Adoptions>(),
            Shape::Copy => generator.subschema_for::<Copy>(),
            Shape::CopyName => generator.subschema_for::<CopyName>(),
            Shape::NamedFile => generator.subschema_for::<NamedFile>(),
            Shape::DrainOrder => generator.subschema_for::<DrainOrder>(),
            Shape::Drains => generator.subschema_for::<Drains>(),
            Shape::Finding => generator.subschema_for::<Finding>(),
            Shape::Created => generator.subschema_for::<Created<'_>>(),
            Shape::Error => generator.subschema_for::<ErrorBody<'_>>(),
            Shape::File => generator.subschema_for::<File>(),
            Shape::Line => generator.subschema_for::<FileLine<'_>>(),
            Shape::LinkRequest => generator.subschema_for::<LinkRequest>(),
            Shape::NewLink => generator.subschema_for::<NewLink>(),
            Shape::Page => generator.subschema_for::<Page<'_>>(),
            Shape::Status => generator.subschema_for::<Status>(),
            Shape::Upload => generator.subschema_for::<Upload>(),
            Shape::UploadParts => generator.subschema_for::<UploadParts>(),
            Shape::Bytes => {
                return json!({"type": "string", "format": "binary"});
            }
            Shape::Text | Shape::Events => return json!({"type": "string"}),
            Shape::Any => return json!({"type": "object"}),
        };
        schema.to_value()
    }

    /// All that were referred to.
    pub(super) fn components(mut self) -> Map<String, Value> {
        let mut definitions = self.0.take_definitions(true);
        definitions.values_mut().for_each(without_null);
        definitions
    }
}

/// Removes null from the types of optional fields: what has no value is left out and
/// never sent as null.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    fields.insert("type".to_owned(), kind);
                }
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
