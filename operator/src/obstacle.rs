//! The cluster's warnings about a pod or a volume that does not come. They are read from
//! events, which no watch shows: those of a namespace all at once, for all its pools; and
//! where they are too many for that, those of each object, ever more rarely.

use crate::lately::Lately;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::{Api, Client};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of a namespace, or of one object, that are read at once.
const MOST: u32 = 500;
/// How long an event counts as current.
const SAID: SignedDuration = SignedDuration::from_mins(10);
/// How soon events of one object are read again at the earliest.
const SOONEST: Duration = Duration::from_secs(4);
/// How late events of one object are read again at the latest.
const LATEST: Duration = Duration::from_mins(1);

/// An object that lacks something: its kind and name.
pub(crate) type Lacking = (&'static str, String);

/// The cluster's warnings about the objects of a namespace, or about one object.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    events: Vec<Event>,
    /// Whether these are all.
    whole: bool,
}

/// What a warning about objects said, and when it was read.
#[derive(Debug, Clone)]
pub(crate) struct Obstacle {
    about: Vec<Lacking>,
    /// When these were first asked about.
    since: Instant,
    asked: Instant,
    said: Option<String>,
}

impl Obstacle {
    /// Whether this is about these objects and still valid; pure. The longer they lack
    /// something, the longer it stays valid.
    fn holds(&self, about: &[Lacking], now: Instant) -> bool {
        let holds = ((self.asked - self.since) / 2).clamp(SOONEST, LATEST);
        self.about == about && now.duration_since(self.asked) < holds
    }
}

/// The warning about the first of these objects that has one. `lately` is what was read
/// for whole namespaces, `known` what was read for these objects alone.
pub(crate) async fn ask(
    client: &Client,
    namespace: &str,
    about: Vec<Lacking>,
    lately: &Lately<String, Arc<Warnings>>,
    known: &mut Option<Obstacle>,
) -> Option<String> {
    if about.is_empty() {
        *known = None;
        return None;
    }
    let of_all = match lately.get(&namespace.to_owned()) {
        Some(of_all) => of_all,
        None => {
            let of_all = Arc::new(warnings(client, namespace, None).await);
            lately.put(namespace.to_owned(), Arc::clone(&of_all));
            of_all
        }
    };
    if of_all.whole {
        return about.iter().find_map(|object| of_all.last(object));
    }
    let now = Instant::now();
    if let Some(known) = known.as_ref().filter(|known| known.holds(&about, now)) {
        return known.said.clone();
    }
    let mut said = None;
    for object in &about {
        said = warnings(client, namespace, Some(object)).await.last(object);
        if said.is_some() {
            break;
        }
    }
    let before = known.take().filter(|known| known.about == about);
    *known = Some(Obstacle {
        about,
        since: before.map_or(now, |before| before.since),
        asked: now,
        said: said.clone(),
    });
    said
}

/// Reads the warnings. They are for people alone: where they can't be read, there are none.
async fn warnings(client: &Client, namespace: &str, of: Option<&Lacking>) -> Warnings {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut fields = "type=Warning".to_owned();
    if let Some((kind, name)) = of {
        fields += &format!(",involvedObject.kind={kind},involvedObject.name={name}");
    }
    let about = ListParams::default().fields(&fields).limit(MOST);
    match events.list(&about).await {
        Ok(read) => Warnings {
            whole: read.metadata.continue_.is_none_or(|more| more.is_empty()),
            events: read.items,
        },
        Err(error) => {
            tracing::debug!(%error, namespace, "events can't be read");
            Warnings {
                events: Vec::new(),
                whole: true,
            }
        }
    }
}

impl Warnings {
    /// The last warning about an object, if it is of the last ten minutes; pure except for
    /// the clock.
    fn last(&self, (kind, name): &Lacking) -> Option<String> {
        let is_about = |event: &&Event| {
            let object = &event.involved_object;
            object.kind.as_deref() == Some(kind) && object.name.as_deref() == Some(name)
        };
        let at = |event: &&Event| {
            let last = event.last_timestamp.as_ref().map(|time| time.0);
            last.or(event.event_time.as_ref().map(|time| time.0))
        };
        let newest = self.events.iter().filter(is_about).max_by_key(at)?;
        let is_new = at(&newest).is_some_and(|at| Timestamp::now().duration_since(at) < SAID);
        newest.message.clone().filter(|_| is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::played::Played;
    use serde_json::json;

    fn lacking() -> Vec<Lacking> {
        vec![("StatefulSet", "p-node".to_owned())]
    }

    /// A list of events as the API server answers it, the second one against the object.
    fn events(more: &str) -> serde_json::Value {
        let now = Timestamp::now().to_string();
        let event = |name: &str, message: &str| {
            json!({
                "metadata": { "name": name, "namespace": "a" },
                "involvedObject": { "kind": "StatefulSet", "name": name },
                "type": "Warning", "message": message, "lastTimestamp": now,
            })
        };
        json!({
            "apiVersion": "v1", "kind": "EventList", "metadata": { "continue": more },
            "items": [event("q-node", "another"), event("p-node", "quota")],
        })
    }

    #[tokio::test]
    async fn the_events_of_a_namespace_are_read_once_for_all_its_pools() {
        let server = Played::new(vec![(200, events(""))]).await;
        let (client, lately) = (server.client(), Lately::default());
        for (name, wanted) in [
            ("p-node", Some("quota")),
            ("r-node", None),
            ("p-node", Some("quota")),
        ] {
            let about = vec![("StatefulSet", name.to_owned())];
            let said = ask(&client, "a", about, &lately, &mut None).await;
            assert_eq!(said.as_deref(), wanted, "{name}");
        }
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn where_they_are_too_many_an_object_is_asked_about_but_not_at_each_look() {
        let answers = vec![(200, events("more")), (200, events("")), (200, events(""))];
        let server = Played::new(answers).await;
        let (client, lately) = (server.client(), Lately::default());
        let mut known = None;
        for _ in 0..3 {
            let said = ask(&client, "a", lacking(), &lately, &mut known).await;
            assert_eq!(said.as_deref(), Some("quota"));
        }
        assert_eq!(server.asked().len(), 2);
        assert!(server.asked()[1].contains("p-node"));
        // All is there, and then something else is not.
        let none = ask(&client, "a", Vec::new(), &lately, &mut known).await;
        assert!(none.is_none() && known.is_none());
        let claim = vec![("PersistentVolumeClaim", "data-p-node-0".to_owned())];
        ask(&client, "a", claim, &lately, &mut known).await;
        assert_eq!(server.asked().len(), 3);
    }

    #[test]
    fn the_longer_something_lacks_the_more_rarely_events_are_read() {
        let since = Instant::now();
        let holds = |age: u64, for_: u64| {
            let asked = since + Duration::from_secs(age);
            let known = Obstacle {
                about: lacking(),
                since,
                asked,
                said: None,
            };
            known.holds(&lacking(), asked + Duration::from_secs(for_))
        };
        for (age, at_least, at_most) in [(0, 3, 4), (8, 3, 4), (40, 19, 20), (3600, 59, 60)] {
            assert!(
                holds(age, at_least) && !holds(age, at_most),
                "after {age} s"
            );
        }
    }
}
