//! What watches have shown of a namespace. A pool at rest is reconciled from here, without
//! a request to the API server; whatever is then to be done is decided anew from what the
//! API server itself has.

use futures::FutureExt;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The objects of one namespace, by their kinds.
#[derive(Default)]
pub(crate) struct Cache {
    stores: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} kinds)", self.stores.len())
    }
}

impl Cache {
    /// Adds a kind.
    pub(crate) fn add<K>(&mut self, store: Store<K>)
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        self.stores.insert(TypeId::of::<K>(), Box::new(store));
    }

    /// The store of a kind, once it has seen the whole namespace.
    fn store<K>(&self) -> Option<&Store<K>>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let store = self.stores.get(&TypeId::of::<K>())?;
        let store = store.downcast_ref::<Store<K>>()?;
        let seen = store.wait_until_ready().now_or_never();
        seen.is_some_and(|seen| seen.is_ok()).then_some(store)
    }

    /// An object; None where there is none, or where that is not known yet.
    pub(crate) fn get<K>(&self, namespace: &str, name: &str) -> Option<Arc<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.store::<K>()?
            .get(&ObjectRef::new(name).within(namespace))
    }

    /// All objects of a kind; None while they are not known yet.
    pub(crate) fn list<K>(&self) -> Option<Vec<Arc<K>>>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        Some(self.store::<K>()?.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Pod, Service};
    use kube::runtime::reflector::store;
    use kube::runtime::watcher::Event;

    #[test]
    fn nothing_is_known_before_the_whole_was_seen() {
        let mut cache = Cache::default();
        assert!(cache.list::<Pod>().is_none(), "not watched");
        let (reader, mut writer) = store::<Pod>();
        cache.add(reader);
        let mut pod = Pod::default();
        pod.metadata.name = Some("p".to_owned());
        pod.metadata.namespace = Some("a".to_owned());
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitApply(pod));
        assert!(cache.list::<Pod>().is_none(), "not all of them");
        writer.apply_watcher_event(&Event::InitDone);
        assert_eq!(cache.list::<Pod>().map(|pods| pods.len()), Some(1));
        assert!(cache.get::<Pod>("a", "p").is_some());
        assert!(cache.get::<Pod>("b", "p").is_none());
        assert!(cache.get::<Service>("a", "p").is_none());
    }
}
