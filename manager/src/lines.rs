//! The results of a long task, one by one, for whoever ordered it.

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use std::fmt::Display;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Results that may wait for the caller.
const LINES: usize = 64;

/// Results, and where they are not complete the reason at their end.
pub(crate) type Lines<T> = BoxStream<'static, Result<T, String>>;

/// Runs the task beside its caller. If it breaks off, in whatever way, the reason ends the
/// results, so that the caller knows that they are not complete.
pub(crate) fn lines<T, E, F>(work: impl FnOnce(mpsc::Sender<T>) -> F) -> Lines<T>
where
    T: Send + 'static,
    E: Display + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    let (lines, told) = mpsc::channel(LINES);
    let ended = tokio::spawn(kit::spans::here().around(work(lines))).map(|ended| match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Err(error.to_string())),
        Err(panic) => Some(Err(panic.to_string())),
    });
    let end = stream::once(ended).filter_map(std::future::ready);
    ReceiverStream::new(told).map(Ok).chain(end).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(lines: Lines<u8>) -> (Vec<u8>, Option<String>) {
        let mut found = Vec::new();
        let mut lines = lines;
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => found.push(line),
                Err(why) => return (found, Some(why)),
            }
        }
        (found, None)
    }

    #[tokio::test]
    async fn only_a_task_that_ended_well_ends_the_results_well() {
        let ended = |how: &'static str| {
            lines(move |lines| async move {
                lines.send(1).await.expect("a reader");
                match how {
                    "well" => Ok(()),
                    "fails" => Err(how),
                    _ => panic!("{how}"),
                }
            })
        };
        assert_eq!(all(ended("well")).await, (vec![1], None));
        assert_eq!(
            all(ended("fails")).await,
            (vec![1], Some("fails".to_owned()))
        );
        let (found, why) = all(ended("breaks")).await;
        assert!(found == [1] && why.is_some_and(|why| why.contains("panic")));
    }
}
