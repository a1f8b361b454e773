use super::*;
use proto::v1::{Failure, Fault};

fn sent(bytes: u64) -> TransferStep {
    let step = Some(Step::Sent(bytes));
    TransferStep { step }
}

fn done(result: upload_reply::Result) -> TransferStep {
    let result = Some(result);
    let step = Some(Step::Done(UploadReply {
        result,
        counted: None,
    }));
    TransferStep { step }
}

/// Each step after a pause.
fn paced(
    steps: Vec<TransferStep>,
    pause: Duration,
) -> impl Stream<Item = Result<TransferStep, Status>> + Unpin {
    let steps = futures::stream::iter(steps).then(move |step| async move {
        tokio::time::sleep(pause).await;
        Ok(step)
    });
    steps.boxed()
}

#[tokio::test(start_paused = true)]
async fn a_transfer_of_two_days_ends_well_as_long_as_it_goes_on() {
    let mut steps: Vec<_> = (1..2000).map(sent).collect();
    steps.push(done(upload_reply::Result::Linked(Linked { leaf: 7 })));
    let begun = tokio::time::Instant::now();
    let linked = follow(
        &NodeCount::default(),
        paced(steps, Duration::from_secs(100)),
        1 << 40,
    )
    .await;
    assert_eq!(linked, Ok(7));
    assert!(begun.elapsed() > Duration::from_secs(2 * 24 * 3600));
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_is_lost_and_may_have_happened() {
    let steps = futures::stream::iter([Ok(sent(1))]).chain(futures::stream::pending());
    let begun = tokio::time::Instant::now();
    let error = follow(&NodeCount::default(), steps.boxed(), 1 << 40)
        .await
        .expect_err("still");
    assert!(!error.certainly_not_done());
    assert!(begun.elapsed() < STANDS_STILL * 2);
}

#[tokio::test(start_paused = true)]
async fn the_flush_of_a_large_file_may_take_long_and_a_refusal_is_one() {
    let size = 1 << 40;
    let failure = Failure {
        fault: Fault::Sealed.into(),
        message: "drained".to_owned(),
        session: 0,
    };
    let last = done(upload_reply::Result::Failure(failure));
    let flush = futures::stream::once(async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(last)
    });
    let steps = futures::stream::iter([Ok(sent(size))]).chain(flush);
    let refused = follow(&NodeCount::default(), steps.boxed(), size).await;
    let wanted = CallError::Fault(Fault::Sealed, "drained".to_owned());
    assert_eq!(refused, Err(wanted));
}
