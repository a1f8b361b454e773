use super::*;
use crate::v1;
use proptest::prelude::*;

fn reply(seq: u64, bytes: usize) -> v1::Reply {
    v1::Reply {
        seq,
        result: Some(v1::reply::Result::Data(vec![7; bytes].into())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_message_passes_its_bound_whatever_is_in_it(
        sizes in prop::collection::vec(
            prop_oneof![0..100usize, 0..=crate::SMALL, Just(crate::SMALL), Just(BATCH_BYTES)],
            0..80,
        ),
        most in 1..600usize,
    ) {
        let items = sizes.iter().enumerate().map(|(seq, &bytes)| reply(seq as u64, bytes));
        let messages = batches(items, most);
        for replies in &messages {
            prop_assert!(!replies.is_empty() && replies.len() <= most);
            let message = v1::Replies { replies: replies.clone(), counted: None };
            prop_assert!(message.encoded_len() <= BATCH_BYTES);
        }
        let sent: Vec<u64> = messages.iter().flatten().map(|reply| reply.seq).collect();
        let fit = sizes.iter().enumerate().filter(|(_, bytes)| **bytes < BATCH_BYTES);
        prop_assert_eq!(sent, fit.map(|(seq, _)| seq as u64).collect::<Vec<_>>());
    }
}

#[test]
fn messages_are_filled_before_the_next_one_begins() {
    let messages = batches((0..64).map(|seq| reply(seq, crate::SMALL)), 1000);
    assert_eq!(messages.len(), 5, "15 of 64 KiB fit into 1 MiB");
}

#[test]
fn an_item_that_fits_into_no_message_is_given_back() {
    let large = reply(1, BATCH_BYTES);
    let refused = Batch::new(1).push(large.clone());
    assert_eq!(refused, Err(Refused::TooLarge(large)));
}

#[test]
fn lists_that_are_not_cut_stay_within_a_message_at_their_longest() {
    let copy = v1::CopyRef {
        id: vec![7; 16].into(),
        generation: u32::MAX,
        name: "n".repeat(crate::FileName::MAX_BYTES),
        leaf: Some(u32::MAX),
        session: u64::MAX,
    };
    let corrupt = v1::ListCorruptReply {
        copies: vec![copy; 10_000],
    };
    assert!(corrupt.encoded_len() < 4 << 20);
}

#[test]
fn a_text_is_cut_between_characters() {
    let text = "é".repeat(TEXT_BYTES);
    let cut = clip(format!("a{text}"));
    assert!(cut.len() <= TEXT_BYTES && cut.starts_with("aé"));
    assert_eq!(clip("short".to_owned()), "short");
}
