//! `operator crd`: the definitions of FileServerPool and `files`, printed or brought to
//! the cluster.

use crate::differs::lacks;
use anyhow::{Context, Result};
use clap::Args;
use crds::RELEASE;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use std::io::Write;

/// The flags of `operator crd`.
#[derive(Debug, Args)]
pub struct CrdArgs {
    /// Bring them to the cluster instead, where no newer ones are there
    #[arg(long)]
    apply: bool,
}

/// Prints the definitions, or applies them.
///
/// # Errors
/// Where the cluster does not take them.
pub async fn run(args: CrdArgs) -> Result<()> {
    if !args.apply {
        let definitions = crds::definitions()?;
        let texts: Vec<_> = definitions
            .iter()
            .map(crds::yaml)
            .collect::<Result<_, _>>()?;
        return Ok(std::io::stdout().write_all(texts.join("---\n").as_bytes())?);
    }
    let client = Client::try_default().await.context("the cluster's API")?;
    bring(&client).await
}

/// Brings the definitions to the cluster. One stays that is newer there, or has all of
/// ours and perhaps more.
///
/// # Errors
/// Where the cluster does not take one.
pub(crate) async fn bring(client: &Client) -> Result<()> {
    let there: Api<CustomResourceDefinition> = Api::all(client.clone());
    for wanted in crds::definitions()? {
        bring_one(&there, &wanted).await?;
    }
    Ok(())
}

async fn bring_one(
    definitions: &Api<CustomResourceDefinition>,
    wanted: &CustomResourceDefinition,
) -> Result<()> {
    let name = wanted.name_any();
    let own = env!("CARGO_PKG_VERSION");
    let there = definitions.get_opt(&name).await?;
    if let Some(there) = &there
        && let Some(why) = stays(there, wanted, own)?
    {
        writeln!(std::io::stdout(), "{name} stays: {why}")?;
        return Ok(());
    }
    let params = PatchParams::apply(crate::names::FIELD_MANAGER).force();
    let patch = Patch::Apply(wanted);
    definitions
        .patch(&name, &params, &patch)
        .await
        .context(name.clone())?;
    writeln!(std::io::stdout(), "{name} is of release {own}")?;
    Ok(())
}

/// Why the definition that is there stays, where it does; pure. One that is not newer
/// stays where it has all that is wanted: what it has more came from somebody who
/// needs it.
fn stays(
    there: &CustomResourceDefinition,
    wanted: &CustomResourceDefinition,
    own: &str,
) -> Result<Option<String>> {
    let release = there.annotations().get(RELEASE);
    if let Some(newer) = release.filter(|release| is_newer(release, own)) {
        return Ok(Some(format!(
            "it is of release {newer}, which is newer than {own}"
        )));
    }
    let spec = |of: &CustomResourceDefinition| serde_json::to_value(&of.spec);
    let whole = !lacks(&spec(there)?, &spec(wanted)?);
    Ok(whole.then(|| format!("it has all that release {own} needs")))
}

/// Whether a release comes after another; pure. What is no version counts as older.
fn is_newer(other: &str, own: &str) -> bool {
    let parts = |text: &str| -> Option<Vec<u64>> {
        let core = text.split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    match (parts(other), parts(own)) {
        (Some(other), Some(own)) => other > own,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_never_set_back() {
        for (other, own, newer) in [
            ("0.2.0", "0.1.9", true),
            ("0.1.0", "0.1.0", false),
            ("0.9.0", "0.10.0", false),
            ("1.0.0", "0.10.0", true),
            ("x", "0.1.0", false),
        ] {
            assert_eq!(is_newer(other, own), newer, "{other} {own}");
        }
    }

    #[test]
    fn a_definition_that_has_more_stays_and_one_that_lacks_something_does_not() {
        let [wanted, _] = crds::definitions().expect("definitions");
        let changed = |release: Option<&str>, change: &dyn Fn(&mut serde_json::Value)| {
            let mut there = serde_json::to_value(&wanted).expect("JSON");
            let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
            change(there.pointer_mut(spec).expect("the spec's fields"));
            there["metadata"]["annotations"] = match release {
                Some(release) => serde_json::json!({ RELEASE: release }),
                None => serde_json::Value::Null,
            };
            let there = serde_json::from_value(there).expect("a definition");
            stays(&there, &wanted, "1.2.0")
                .expect("an answer")
                .is_some()
        };
        let same = |_: &mut serde_json::Value| {};
        let more = |fields: &mut serde_json::Value| {
            fields["future"] = serde_json::json!({ "type": "string", "default": "x" });
        };
        let less = |fields: &mut serde_json::Value| {
            fields.as_object_mut().map(|fields| fields.remove("scrub"));
        };
        for release in [None, Some("1.1.0"), Some("1.2.0")] {
            assert!(changed(release, &same), "{release:?}");
            assert!(changed(release, &more), "{release:?}");
            assert!(!changed(release, &less), "{release:?}");
        }
        // A newer one may well lack what it has no more use for.
        assert!(changed(Some("1.3.0"), &less));
    }
}
