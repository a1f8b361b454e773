//! The resource `files`, which has no objects: it is there to be named in roles, and for
//! `kubectl auth can-i`, which asks about nothing that the API server does not have.

use crate::GROUP;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::json;

/// What the API server says to whoever creates one.
const NO_OBJECT: &str = "files are stored by the REST API of the file server; this resource is \
                         only there to be named in roles";

/// The definition of `files`. Its one rule fails for every object.
///
/// # Errors
/// When it is malformed, which a test rules out.
pub(crate) fn definition() -> Result<CustomResourceDefinition, serde_json::Error> {
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("files.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {"kind": "File", "listKind": "FileList", "plural": "files", "singular": "file"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "description": "Rights on the files of a file server: get, list, create, delete \
                                    and admin in the namespace of its release. It has no objects.",
                    "type": "object",
                    "x-kubernetes-validations": [{"rule": "false", "message": NO_OBJECT}],
                }},
            }],
        },
    }))
}
