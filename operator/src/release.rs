//! What is the same for every pool of a release.

/// The release that this operator is part of.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    /// Its name, `app.kubernetes.io/instance` of all that is its own.
    pub name: String,
    /// The chart's name, `app.kubernetes.io/name` of all that is its own.
    pub chart: String,
    /// Every namespace whose pools it serves, its own among them.
    pub namespaces: Vec<String>,
    /// Where nodes and operator find the managers.
    pub manager: String,
    /// Image of nodes whose pool names none.
    pub node_image: String,
    /// When that image is pulled.
    pub pull_policy: Option<String>,
    /// With which Secrets it is pulled.
    pub pull_secrets: Vec<String>,
    /// What nodes ask of their machines whose pool says nothing of it.
    pub node_resources: Option<serde_json::Value>,
    /// The token of the inner ports.
    pub token: TokenSource,
    /// The Secret with the pools' keys in the release's namespace.
    pub keys: String,
}

/// The Secret that holds the token of the inner ports.
#[derive(Debug, Clone)]
pub struct TokenSource {
    /// Its name, in the release's namespace.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// Whether it is made where it is absent.
    pub make: bool,
}

impl Release {
    /// The Secret with the pools' keys in a namespace. Elsewhere another release of
    /// the same name may have one as well.
    pub fn keys_secret(&self, namespace: &str) -> String {
        match namespace == self.namespace {
            true => self.keys.clone(),
            false => format!("{}.{}", self.namespace, self.keys),
        }
    }

    /// What `status.managedBy` says of its pools.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
