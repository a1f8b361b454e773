use super::*;
use crate::verify::{anchors, der, manager, second, verify};
use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, TrustAnchor};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const START: u64 = 1_800_000_000;

const TERMS: Terms = Terms {
    authority: Duration::from_secs(90 * 86_400),
    certificate: Duration::from_secs(9 * 86_400),
    spread: Duration::from_secs(600),
};

/// The trust that was handed out, and from when on.
struct Trust {
    since: SystemTime,
    anchors: Vec<TrustAnchor<'static>>,
    ends: Vec<SystemTime>,
}

/// A release in the course of time.
struct Played {
    chain: Chain,
    now: SystemTime,
    trusts: Vec<Trust>,
    /// Certificates that have not expired.
    signed: Vec<(SystemTime, CertificateDer<'static>)>,
}

impl Played {
    fn new() -> Self {
        let now = second(START);
        let chain = Chain::first("files.dfs", &TERMS, now).expect("made");
        let (trusts, signed) = (Vec::new(), Vec::new());
        let mut played = Self {
            chain,
            now,
            trusts,
            signed,
        };
        played.hand_out();
        played
    }

    fn hand_out(&mut self) {
        let ages = self.chain.ages();
        let all = [ages.previous, Some(ages.current), ages.next];
        self.trusts.push(Trust {
            since: self.now,
            anchors: anchors(&self.chain.trust()),
            ends: all.into_iter().flatten().map(|it| it.not_after).collect(),
        });
    }

    /// Time goes on; what is due is done, and everybody has to get along with it.
    fn pass(&mut self, time: Duration) -> Result<(), TestCaseError> {
        self.now += time;
        let before = self.chain.trust();
        let changed = self.chain.advance(&TERMS, self.now).expect("made");
        prop_assert!(changed || self.chain.trust() == before);
        prop_assert!(!self.chain.advance(&TERMS, self.now).expect("rests"));
        self.hand_out();
        let identity = manager("files.dfs");
        let pair = self.chain.sign(&identity, &TERMS, self.now);
        let pair = pair.expect("there is an authority that signs");
        prop_assert!(!self.chain.is_due(&pair.cert, &identity, self.now));
        let read = Certificate::from_pem(&pair.cert).expect("a certificate");
        let end = read.validity().not_after;
        self.signed.push((end, der(&pair.cert)));
        self.signed.retain(|(end, _)| *end >= self.now);
        self.check()
    }

    /// Whoever has trust that is no older than `spread` accepts every certificate. Trust
    /// whose authorities have all expired accepts nothing, whatever is done.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let oldest = self.now - TERMS.spread;
        let replaced = self.trusts.windows(2);
        let gone = replaced.filter(|two| two[1].since <= oldest).count();
        self.trusts.drain(..gone);
        for trust in &self.trusts {
            if trust.ends.iter().all(|end| *end < self.now) {
                continue;
            }
            for (_, cert) in &self.signed {
                let verified = verify(cert, &[], &trust.anchors, self.now);
                prop_assert_eq!(verified, Ok(()), "{:?}", trust.since);
            }
        }
        Ok(())
    }
}

/// From the moment between two steps to a sleep in which all authorities expire.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..5000_u64).prop_map(Duration::from_millis),
        (0..40_u64).prop_map(|minutes| MINUTE * minutes as u32),
        Just(TERMS.spread),
        (0..20_u32).prop_map(|days| DAY * days),
        (0..250_u32).prop_map(|days| DAY * days),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn certificates_are_accepted_while_authorities_take_turns(
        times in proptest::collection::vec(time(), 1..24)
    ) {
        let mut played = Played::new();
        for time in times {
            played.pass(time)?;
        }
    }
}

/// Everybody slept until the authority is about to expire: what it signs now ends with it,
/// and is made anew by the next one, not each time that somebody asks.
#[test]
fn what_ends_with_its_authority_waits_for_the_next_one() {
    for before_the_end in [0, 1, 60, 299] {
        let mut played = Played::new();
        let end = TERMS.authority - Duration::from_secs(before_the_end);
        played.pass(end).expect("gets along");
        assert!(played.chain.has_next(), "{before_the_end}");
        played.pass(TERMS.spread + MINUTE).expect("gets along");
        assert!(!played.chain.has_next(), "{before_the_end}");
    }
}

#[test]
fn authorities_take_turns_at_their_times() {
    let terms = Terms::default();
    let mut now = second(START);
    let mut chain = Chain::first("files.dfs", &terms, now).expect("made");
    let identity = manager("files.dfs");
    let pair = chain.sign(&identity, &terms, now).expect("signed");
    let first = chain.current().cert().to_owned();
    let mut told = Vec::new();
    while told.len() < 3 {
        now += DAY;
        if chain.advance(&terms, now).expect("made") {
            let days = now.duration_since(second(START)).expect("later");
            told.push(days.as_secs() / 86_400);
        }
        let signs = chain.current().cert() == first;
        assert_eq!(signs, told.len() < 2, "{told:?}");
        assert_eq!(chain.trust().contains(&first), told.len() < 3, "{told:?}");
        assert!(chain.trust().starts_with(chain.current().cert()));
    }
    // Made when two thirds are over, signs once it is known, and the first one expires.
    assert_eq!(told, [487, 488, 731]);
    assert!(chain.is_due(&pair.cert, &identity, second(START)));
}
