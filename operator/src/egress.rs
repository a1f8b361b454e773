//! What nodes may reach beside DNS, the managers and one another, as the chart gives it.

use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use serde_json::Value;

/// The default of a port's protocol. It is written, so that what the API server has is
/// what is wanted.
const PROTOCOL: &str = "TCP";

/// Rules for what goes out, as a `NetworkPolicy` has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EgressRules(pub(crate) Vec<NetworkPolicyEgressRule>);

/// Reads rules from JSON. A field that is not known is refused: a rule without its misspelt
/// part would let everything out.
pub(crate) fn rules(text: &str) -> Result<EgressRules, String> {
    let wrong = |error: serde_json::Error| {
        format!("must be JSON, a list of egress rules of a NetworkPolicy: {error}")
    };
    let given: Value = serde_json::from_str(text).map_err(wrong)?;
    let mut rules: Vec<NetworkPolicyEgressRule> =
        serde_json::from_value(given.clone()).map_err(wrong)?;
    let read = serde_json::to_value(&rules).map_err(wrong)?;
    if let Some(field) = unknown(&given, &read) {
        return Err(format!(
            "egress rules of a NetworkPolicy have no field {field} there"
        ));
    }
    for port in rules
        .iter_mut()
        .flat_map(|rule| rule.ports.iter_mut().flatten())
    {
        port.protocol.get_or_insert_with(|| PROTOCOL.to_owned());
    }
    Ok(EgressRules(rules))
}

/// The first field of what is given that was not read.
fn unknown(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .find_map(|(key, value)| match read.get(key) {
                Some(read) => unknown(value, read),
                None => Some(key.clone()),
            }),
        (Value::Array(given), Value::Array(read)) => given
            .iter()
            .zip(read)
            .find_map(|(given, read)| unknown(given, read)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_is_tcp_unless_it_says_otherwise() {
        let text = r#"[{"ports":[{"port":15012},{"port":53,"protocol":"UDP"}],"to":[{"namespaceSelector":{}}]},{}]"#;
        let read = rules(text).expect("rules");
        let tcp = json!({ "port": 15012, "protocol": "TCP" });
        let udp = json!({ "port": 53, "protocol": "UDP" });
        let to = json!([{ "namespaceSelector": {} }]);
        assert_eq!(
            serde_json::to_value(read.0).expect("JSON"),
            json!([{ "ports": [tcp, udp], "to": to }, {}])
        );
    }

    #[test]
    fn what_would_let_more_out_than_is_meant_is_refused() {
        for (text, says) in [
            ("", "must be JSON"),
            ("{}", "a list of egress rules"),
            (r#"[{"port":[{"port":443}]}]"#, "no field port there"),
            (r#"[{"from":[]}]"#, "no field from there"),
            (
                r#"[{"to":[{"podselector":{}}]}]"#,
                "no field podselector there",
            ),
            (
                r#"[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","expect":[]}}]}]"#,
                "no field expect there",
            ),
            (r#"[{"ports":443}]"#, "must be JSON"),
        ] {
            let told = rules(text).expect_err(text);
            assert!(told.contains(says), "{text}: {told}");
        }
        assert_eq!(rules("[]"), Ok(EgressRules::default()));
        assert!(rules(r#"[{"to":null}]"#).is_ok());
    }
}
