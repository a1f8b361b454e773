//! The OpenAPI 3.1 document, made from the table of routes and the types that
//! are sent.

use super::answer_headers;
use super::error_cases::ErrorCase;
use super::examples;
use super::needs::Needs;
use super::operation::{Action, Content, Operation, Parameter, Success};
use super::routes::operations;
use super::schemas::{Schemas, Shape};
use http::Method;
use manager_callers::Verb;
use serde_json::{Map, Value, json};

/// The document; `closed` says whether callers have to be known, `longest_body` how many
/// bytes a body may have.
///
/// The schemes of credentials are in it only then; where anyone may call, it says so.
pub(super) fn document(closed: bool, longest_body: u64) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in described() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let mut described = describe(operation, &mut schemas);
        if closed && operation.needs != Needs::Nothing {
            described["security"] = security(operation);
        }
        path[operation.method.as_str().to_lowercase()] = described;
    }
    let mut components =
        json!({"schemas": schemas.components(), "headers": answer_headers::components()});
    let stored_by_link = "/schemas/LinkRequest/oneOf/1/properties/max_bytes";
    if let Some(bound) = components.pointer_mut(stored_by_link) {
        bound["maximum"] = longest_body.into();
    }
    if closed {
        components["securitySchemes"] = schemes();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Distributed file server",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Stores each file whole on one of many nodes. Every error has a code, \
                            a message and, where it helps, a detail; a path that is not there is \
                            404 with code 6, a method that its path has not is 405 with code 6. \
                            Every answer to a request that could be read has an `X-Request-Id`, the client's own if it has 16 hex \
                            digits. `traceparent` and `tracestate` of W3C Trace Context may come \
                            with any request; no answer depends on them.",
        },
        "servers": [{"url": "/", "description": "This service"}],
        "tags": [
            {"name": FILES, "description": "Store, fetch, list and delete files"},
            {"name": OPERATE, "description": "Drains, lost nodes, comparison and quarantine"},
            {"name": SERVICE, "description": "The service itself"},
        ],
        "paths": paths,
        "components": components,
        "security": [],
    })
}

/// All but the console, which is for people alone.
fn described() -> impl Iterator<Item = &'static Operation> {
    operations().filter(|operation| operation.action != Action::Console)
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
const OPERATE: &str = "operate";
const SERVICE: &str = "service";

fn tag(action: Action) -> &'static str {
    match action {
        Action::Post | Action::Put | Action::Get | Action::Delete | Action::Link | Action::List => {
            FILES
        }
        Action::Drains
        | Action::Drain
        | Action::CancelDrain
        | Action::Abandon
        | Action::Fsck
        | Action::Quarantine
        | Action::Adopt
        | Action::AdoptAll
        | Action::RemoveCopy => OPERATE,
        Action::Status | Action::OpenApi | Action::Docs | Action::Console => SERVICE,
    }
}

/// A parameter. The example of one that may be left out stands in its schema: a form would
/// be filled with what stands beside it, and a request made with a digest of another file.
fn parameter(parameter: &Parameter) -> Value {
    let example = parameter.kind.example(parameter.example);
    let mut described = json!({
        "name": parameter.name,
        "in": parameter.at.as_str(),
        "required": parameter.required,
        "schema": parameter.kind.schema(),
    });
    if parameter.required {
        described["description"] = parameter.about.into();
        described["example"] = example;
    } else {
        let about = format!("{} For example `{}`.", parameter.about, parameter.example);
        described["description"] = about.into();
        described["schema"]["examples"] = json!([example]);
    }
    described
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Map<String, Value> {
    let mut responses = Map::new();
    for Success {
        status,
        about,
        content: bodies,
    } in operation.success
    {
        let headers = answer_headers::of_answer(operation.action, *status);
        let mut response = json!({"description": about, "headers": headers});
        if !bodies.is_empty() {
            response["content"] = content(bodies, schemas);
        }
        responses.insert(status.to_string(), response);
    }
    for case in operation.all_errors() {
        let told = format!(
            "Code {}: {}: {}",
            case.code.number(),
            case.code.message(),
            case.when
        );
        let status = case.status.as_u16();
        let headers = || answer_headers::of_answer(operation.action, status);
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": "", "headers": headers()}));
        // Several codes may share a status: its description then names each.
        response["description"] = match response["description"].as_str() {
            Some("") | None => told.into(),
            Some(before) => format!("{before}; {told}").into(),
        };
        // An answer to HEAD has no body, an error included.
        if operation.method != Method::HEAD {
            add_error(response, &case, schemas);
        }
    }
    responses
}

/// Adds an error's example to the response of its status.
fn add_error(response: &mut Value, case: &ErrorCase, schemas: &mut Schemas) {
    let body = &mut response["content"]["application/json"];
    body["schema"] = schemas.of(Shape::Error);
    body["examples"][format!("code{}", case.code.number())] = json!({
        "summary": case.code.message(),
        "value": examples::of_error(case),
    });
}

fn content(bodies: &[Content], schemas: &mut Schemas) -> Value {
    let described = bodies.iter().map(|(media, shape)| {
        let example = examples::of_shape(*shape);
        let body = json!({"schema": schemas.of(*shape), "example": example});
        ((*media).to_owned(), body)
    });
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
        let document = document(true, 1 << 40);
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

    /// Every operation of a document, with what it is called.
    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods
                .iter()
                .map(move |(method, operation)| (format!("{method} {path}"), operation))
        });
        all.collect()
    }

    fn lists<'a>(value: &'a Value, name: &str) -> &'a [Value] {
        value[name].as_array().map_or(&[], Vec::as_slice)
    }

    #[test]
    fn every_operation_has_a_tag_and_every_server_tag_is_told() {
        let document = document(true, 1 << 40);
        assert_eq!(document["servers"][0]["url"], "/");
        let told: Vec<_> = lists(&document, "tags")
            .iter()
            .map(|tag| &tag["name"])
            .collect();
        for (called, operation) in operations(&document) {
            let tags = lists(operation, "tags");
            assert!(!tags.is_empty(), "{called}");
            assert!(tags.iter().all(|tag| told.contains(&tag)), "{called}");
        }
    }

    #[test]
    fn every_parameter_and_every_body_has_an_example() {
        let document = document(true, 1 << 40);
        for (called, operation) in operations(&document) {
            for parameter in lists(operation, "parameters") {
                let beside = !parameter["example"].is_null();
                let within = !lists(&parameter["schema"], "examples").is_empty();
                assert!(beside || within, "{called}: {parameter}");
                assert_eq!(
                    beside,
                    parameter["required"] == true,
                    "{called}: {parameter}"
                );
            }
            let bodies = std::iter::once(&operation["requestBody"])
                .chain(
                    operation["responses"]
                        .as_object()
                        .expect("responses")
                        .values(),
                )
                .filter_map(|body| body["content"].as_object())
                .flatten();
            for (media, body) in bodies {
                let one = !body["example"].is_null();
                let many = body["examples"]
                    .as_object()
                    .is_some_and(|all| !all.is_empty());
                assert!(one || many, "{called}: {media}");
            }
        }
    }

    #[test]
    fn every_error_of_an_operation_has_its_code_as_an_example() {
        let document = document(true, 1 << 40);
        for operation in described() {
            let method = operation.method.as_str().to_lowercase();
            let responses = &document["paths"][operation.path][method]["responses"];
            for case in operation.all_errors() {
                let response = &responses[case.status.as_str()];
                let told = response["description"].as_str().expect("a description");
                assert!(
                    told.contains(case.code.message()),
                    "{}: {told}",
                    operation.id
                );
                let body = &response["content"]["application/json"];
                if operation.method == Method::HEAD {
                    assert!(body.is_null(), "{}: {body}", operation.id);
                    continue;
                }
                let number = case.code.number();
                let example = &body["examples"][format!("code{number}")]["value"];
                assert_eq!(example["code"], number, "{}: {body}", operation.id);
                assert_eq!(example["message"], case.code.message(), "{}", operation.id);
            }
        }
    }

    #[test]
    fn a_link_to_store_is_bounded_as_bodies_are() {
        let document = document(true, 77);
        let put = &document["components"]["schemas"]["LinkRequest"]["oneOf"][1];
        assert_eq!(put["properties"]["method"]["const"], "PUT");
        assert_eq!(put["properties"]["max_bytes"]["maximum"], 77);
    }

    #[test]
    fn a_service_for_anyone_names_no_credentials() {
        let open = document(false, 1 << 40);
        assert!(open["components"]["securitySchemes"].is_null());
        for (called, operation) in operations(&open) {
            assert!(operation["security"].is_null(), "{called}");
        }
        let closed = document(true, 1 << 40);
        let list = &closed["paths"]["/files"]["get"]["security"];
        assert_eq!(*list, json!([{BEARER: []}]));
    }
}
