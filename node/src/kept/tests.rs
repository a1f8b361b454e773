use super::*;
use proto::FileId;

fn key() -> CopyKey {
    CopyKey {
        id: FileId::random(),
        generation: 2,
    }
}

#[test]
fn what_is_kept_goes_on_where_it_ended_and_to_one_only() {
    let (mut kept, copy, now) = (Kept::default(), key(), Instant::now());
    kept.put(copy, 100, "bytes", now);
    assert_eq!(kept.look(copy, now), Some(100));
    let later = CopyKey {
        generation: 3,
        ..copy
    };
    assert_eq!(kept.look(later, now), None, "another copy of the file");
    assert_eq!(kept.take(later, 100), None);
    assert_eq!(kept.take(copy, 100), Some("bytes"));
    assert_eq!(kept.take(copy, 100), None);
    kept.put(copy, 100, "bytes", now);
    assert_eq!(kept.take(copy, 0), None, "it begins anew");
    assert_eq!(kept.look(copy, now), None);
}

#[test]
fn it_is_kept_for_a_while_after_it_was_last_asked_for() {
    let (mut kept, copy, now) = (Kept::default(), key(), Instant::now());
    kept.put(copy, 1, (), now);
    kept.sweep(now + LONG / 2);
    assert_eq!(kept.look(copy, now + LONG / 2), Some(1));
    kept.sweep(now + LONG);
    assert_eq!(kept.look(copy, now + LONG / 2), Some(1));
    kept.sweep(now + LONG / 2 + LONG);
    assert_eq!(kept.look(copy, now), None);
}

#[test]
fn their_number_is_bounded_and_the_one_longest_untouched_goes() {
    let (mut kept, now) = (Kept::default(), Instant::now());
    let keys: Vec<CopyKey> = (0..=MOST).map(|_| key()).collect();
    for key in &keys[..MOST] {
        kept.put(*key, 1, (), now);
    }
    assert_eq!(kept.look(keys[0], now), Some(1));
    kept.put(keys[MOST], 1, (), now);
    let left: Vec<usize> = (0..=MOST)
        .filter(|at| kept.look(keys[*at], now).is_some())
        .collect();
    assert_eq!(left.len(), MOST);
    assert!(!left.contains(&1) && left.contains(&0), "{left:?}");
    kept.forget(keys[0]);
    assert_eq!(kept.look(keys[0], now), None);
    kept.clear();
    assert!(keys.iter().all(|key| kept.look(*key, now).is_none()));
}
