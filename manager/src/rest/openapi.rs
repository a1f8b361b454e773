//! The OpenAPI 3.1 document, made from the table of routes and the types that
//! are sent.

use super::answer::status_of;
use super::needs::Needs;
use super::operation::{Action, At, Content, Kind, Operation, Parameter, Success};
use super::routes::OPERATIONS;
use super::schemas::{Schemas, Shape};
use http::{Method, StatusCode};
use manager_callers::Verb;
use proto::Code;
use serde_json::{Map, Value, json};

/// The document; `closed` says whether callers have to be known.
pub(super) fn document(closed: bool) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let mut described = describe(operation, &mut schemas);
        if closed && operation.needs != Needs::Nothing {
            described["security"] = security(operation);
        }
        path[operation.method.as_str().to_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Distributed file server",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Stores each file whole on one of many nodes. Every error has a code, \
                            a message and, where it helps, a detail. Every answer has an \
                            X-Request-Id, the client's own if it has 16 hex digits.",
        },
        "servers": [{"url": "/", "description": "This service"}],
        "tags": [
            {"name": FILES, "description": "Store, fetch, list and delete files"},
            {"name": SERVICE, "description": "The service itself"},
        ],
        "paths": paths,
        "components": {"schemas": schemas.components(), "securitySchemes": schemes()},
    })
}

/// A bearer token, or a link's signature.
const BEARER: &str = "bearer";
const LINK: &str = "link";

fn schemes() -> Value {
    json!({
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the service's file of callers, or one of a ServiceAccount.",
        },
        LINK: {
            "type": "apiKey",
            "in": "query",
            "name": "signature",
            "description": "A link that the service made; all of its query belongs to it.",
        },
    })
}

fn security(operation: &Operation) -> Value {
    match operation.needs {
        Needs::Right(Verb::Get) => json!([{BEARER: []}, {LINK: []}]),
        Needs::Right(Verb::Create) if operation.method == Method::PUT => {
            json!([{BEARER: []}, {LINK: []}])
        }
        Needs::Right(_) | Needs::Caller | Needs::Nothing => json!([{BEARER: []}]),
    }
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.about,
        "tags": [tag(operation.action)],
        "responses": responses(operation, schemas),
    });
    if !operation.parameters.is_empty() {
        described["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if !operation.body.is_empty() {
        described["requestBody"] =
            json!({"required": true, "content": content(operation.body, schemas)});
    }
    described
}

const FILES: &str = "files";
const SERVICE: &str = "service";

fn tag(action: Action) -> &'static str {
    match action {
        Action::Post | Action::Put | Action::Get | Action::Delete | Action::Link | Action::List => {
            FILES
        }
        Action::Status | Action::OpenApi | Action::Docs => SERVICE,
    }
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Number { least, most } => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::Text { most } => json!({"type": "string", "maxLength": most}),
        Kind::Fits { most, pattern } => {
            json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern})
        }
        Kind::Any => json!({"type": "string"}),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.at.as_str(),
        "required": parameter.at == At::Path,
        "description": parameter.about,
        "schema": kind(parameter.kind),
    })
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    for Success {
        status,
        about,
        content: bodies,
    } in operation.success
    {
        let mut response = json!({"description": about});
        if !bodies.is_empty() {
            response["content"] = content(bodies, schemas);
        }
        responses.insert(status.to_string(), response);
    }
    // Several codes may share a status: its description then names each.
    for code in operation.codes {
        let status = status_of(*code).as_u16().to_string();
        let told = told(*code);
        match responses.get_mut(&status) {
            Some(response) => {
                let both = format!("{}; {told}", response["description"].as_str().unwrap_or(""));
                response["description"] = both.into();
            }
            None => {
                let body = content(&[("application/json", Shape::Error)], schemas);
                responses.insert(status, json!({"description": told, "content": body}));
            }
        }
    }
    if operation.needs != Needs::Nothing {
        let refused = [
            (StatusCode::UNAUTHORIZED, "no credential, or a wrong one"),
            (
                StatusCode::FORBIDDEN,
                "the caller lacks this right, or a page of another site asks",
            ),
        ];
        for (status, why) in refused {
            let told = format!("{}: {why}", told(Code::NotAuthorized));
            let body = content(&[("application/json", Shape::Error)], schemas);
            let response = json!({"description": told, "content": body});
            responses.insert(status.as_str().to_owned(), response);
        }
    }
    let body = content(&[("application/json", Shape::Error)], schemas);
    let other = "Code 6 with a status that says more (405, 408, 412, 413, 415, 416, 421, 431, 501), or code 5: Internal error";
    responses.insert(
        "default".to_owned(),
        json!({"description": other, "content": body}),
    );
    responses
}

fn told(code: Code) -> String {
    format!("Code {}: {}", code.number(), code.message())
}

fn content(bodies: &[Content], schemas: &mut Schemas) -> Value {
    let described = bodies
        .iter()
        .map(|(media, shape)| ((*media).to_owned(), json!({"schema": schemas.of(*shape)})));
    Value::Object(described.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in a document.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(target) if name == "$ref" => found.push(target),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = document(true);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for target in found {
            let pointer = target
                .strip_prefix('#')
                .expect("a reference within the document");
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn every_code_of_an_operation_is_told() {
        let document = document(true);
        let post = &document["paths"]["/file"]["post"]["responses"];
        assert_eq!(
            post["409"]["description"],
            "Code 3: File name already exists"
        );
        let get = &document["paths"]["/file/{filename}"]["get"]["responses"];
        assert_eq!(
            get["503"]["description"],
            "Code 1: Servers unavailable; Code 4: File unavailable"
        );
    }
}
