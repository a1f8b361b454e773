use super::*;

const SPANS: Spans = Spans {
    fresh: Duration::from_secs(60),
    stale: Duration::from_secs(600),
};

/// A decision of a moment, and a failure so many milliseconds later.
fn record(begin: Instant, times: Times, failed: Option<u64>) -> Record<u8> {
    Record {
        decision: Some(Decision {
            value: 7,
            times,
            asked: begin,
            answered: begin,
            ends: None,
        }),
        failure: failed.map(|at| Failure {
            at: begin + Duration::from_millis(at),
            why: Away("away".to_owned()),
        }),
    }
}

fn chosen(record: &Record<u8>, now: Instant) -> char {
    match record.choose(now, now) {
        Use::Decided(_) => 'd',
        Use::Away(_) => 'a',
        Use::Review => 'r',
    }
}

#[test]
fn each_decision_has_its_times() {
    let times = |fresh, held| Times {
        fresh: Duration::from_secs(fresh),
        held: Duration::from_secs(held),
    };
    assert_eq!(SPANS.of_token(true), times(60, 660));
    assert_eq!(SPANS.of_token(false), times(5, 5));
    assert_eq!(SPANS.of_access(true), times(60, 660));
    assert_eq!(SPANS.of_access(false), times(5, 660));
    let short = Spans {
        fresh: Duration::from_secs(2),
        stale: Duration::MAX,
    };
    assert_eq!(short.of_token(false), times(2, 2));
    assert_eq!(short.of_access(true).held, Duration::MAX);
}

#[test]
fn a_decision_is_used_while_it_is_fresh_and_held_after_a_failure() {
    let begin = Instant::now();
    let after = |milliseconds| begin + Duration::from_millis(milliseconds);
    let times = SPANS.of_access(true);
    for (failed, now, wanted) in [
        (None, 0, 'd'),
        (None, 59_999, 'd'),
        (None, 60_000, 'r'),
        (None, 660_000, 'r'),
        (Some(60_000), 60_000, 'd'),
        (Some(60_000), 60_999, 'd'),
        (Some(60_000), 61_000, 'r'),
        (Some(659_500), 659_999, 'd'),
        (Some(659_500), 660_000, 'a'),
        (Some(659_500), 660_500, 'r'),
    ] {
        let record = record(begin, times, failed);
        assert_eq!(chosen(&record, after(now)), wanted, "{failed:?} {now}");
    }
}

#[test]
fn an_end_comes_before_every_age() {
    let begin = Instant::now();
    let after = |seconds| begin + Duration::from_secs(seconds);
    for failed in [None, Some(30_000)] {
        let mut record = record(begin, SPANS.of_access(true), failed);
        if let Some(decision) = &mut record.decision {
            decision.ends = Some(after(30));
        }
        assert_eq!(chosen(&record, after(29)), 'd');
        let wanted = if failed.is_some() { 'a' } else { 'r' };
        assert_eq!(chosen(&record, after(30)), wanted);
        assert_eq!(record.meanwhile(after(30)), None);
    }
}

#[test]
fn what_came_of_the_review_that_a_request_waited_for_counts_for_it() {
    let begin = Instant::now();
    let late = begin + Duration::from_secs(3_600);
    let waited = begin - Duration::from_millis(1);
    let answered = record(begin, SPANS.of_access(true), None);
    assert_eq!(answered.choose(waited, late), Use::Decided(&7));
    assert_eq!(answered.choose(begin, late), Use::Review);
    let failed = record(begin, SPANS.of_access(true), Some(0));
    let failed = Record {
        decision: None,
        ..failed
    };
    assert_eq!(
        failed.choose(waited, late),
        Use::Away(&Away("away".to_owned()))
    );
    assert_eq!(failed.choose(begin, late), Use::Review);
}

#[test]
fn nobody_waits_for_another_review_after_a_failure() {
    let begin = Instant::now();
    let after = |seconds| begin + Duration::from_secs(seconds);
    let times = SPANS.of_access(true);
    assert_eq!(record(begin, times, None).meanwhile(after(61)), None);
    let failed = record(begin, times, Some(60_000));
    assert_eq!(failed.meanwhile(after(70)), Some(&7));
    assert_eq!(failed.meanwhile(after(660)), None);
}
