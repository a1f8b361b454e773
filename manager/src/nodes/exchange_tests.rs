use super::*;
use proto::v1::{Abort, Finish, ReadRequest, Reply, StatRequest};
use tokio_stream::wrappers::ReceiverStream;

/// A node's end of one pair of streams.
struct End {
    requests: mpsc::Receiver<Requests>,
    replies: mpsc::Sender<Result<Replies, tonic::Status>>,
}

fn pair() -> (Streams, End) {
    let (requests, received) = mpsc::channel(4);
    let (replies, stream) = mpsc::channel(4);
    let streams = Streams {
        requests,
        replies: ReceiverStream::new(stream).boxed(),
    };
    let end = End {
        requests: received,
        replies,
    };
    (streams, end)
}

/// Opens what was prepared; after that the node is gone.
struct Prepared(Mutex<VecDeque<Result<Streams, NotOpened>>>);

impl Opens for Prepared {
    async fn open(&self) -> Result<Streams, NotOpened> {
        let next = self.0.lock().pop_front();
        next.unwrap_or_else(|| Err(NotOpened::Gone("nobody there".to_owned())))
    }
}

fn read(seq: u64) -> request::Op {
    request::Op::Read(ReadRequest {
        offset: seq,
        ..ReadRequest::default()
    })
}

impl End {
    async fn take(&mut self) -> Vec<Request> {
        self.requests.recv().await.expect("a message").requests
    }

    async fn answer(&self, seq: u64, result: reply::Result) {
        let result = Some(result);
        let replies = vec![Reply { seq, result }];
        let sent = self
            .replies
            .send(Ok(Replies {
                replies,
                counted: None,
            }))
            .await;
        sent.expect("somebody listens");
    }
}

fn data() -> reply::Result {
    reply::Result::Data("bytes".into())
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_costs_a_read_nothing_and_leaves_the_node_joined() {
    let closed = CancellationToken::new();
    let ((first, mut end), (second, mut again)) = (pair(), pair());
    let opens = Prepared(Mutex::new(VecDeque::from([
        Err(NotOpened::Failed("not yet".to_owned())),
        Ok(second),
    ])));
    let exchange = Arc::new(Exchange::start(
        first,
        opens,
        Arc::default(),
        closed.clone(),
    ));
    let asked = Arc::clone(&exchange);
    let reading = tokio::spawn(async move { asked.ask(7, read(1), Duration::from_secs(10)).await });
    let sent = end.take().await;
    // As tonic ends a stream whose message is too long.
    let status = tonic::Status::out_of_range("decoded message length too large");
    end.replies.send(Err(status)).await.expect("it listens");
    assert_eq!(again.take().await, sent, "the very same is sent again");
    again.answer(sent[0].seq, data()).await;
    assert_eq!(reading.await.expect("no panic"), Ok(data()));
    assert!(!closed.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_done_twice_is_lost_with_its_stream() {
    let closed = CancellationToken::new();
    let ((first, mut end), (second, mut again)) = (pair(), pair());
    let opens = Prepared(Mutex::new(VecDeque::from([Ok(second)])));
    let exchange = Arc::new(Exchange::start(
        first,
        opens,
        Arc::default(),
        closed.clone(),
    ));
    let asked = Arc::clone(&exchange);
    let finish = request::Op::Finish(Finish::default());
    let finishing =
        tokio::spawn(async move { asked.ask(7, finish, Duration::from_secs(10)).await });
    end.take().await;
    drop(end);
    let outcome = finishing.await.expect("no panic");
    let error = outcome.expect_err("its answer is lost");
    assert!(!error.certainly_not_done(), "{error}");
    // The exchange goes on.
    let asked = Arc::clone(&exchange);
    let stat = request::Op::Stat(StatRequest::default());
    let looking = tokio::spawn(async move { asked.ask(7, stat, Duration::from_secs(10)).await });
    let sent = again.take().await;
    assert_eq!(sent.len(), 1, "finish is sent once");
    let state = reply::Result::State(proto::v1::CopyState::default());
    again.answer(sent[0].seq, state.clone()).await;
    assert_eq!(looking.await.expect("no panic"), Ok(state));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_gone_is_out_at_once_and_later_calls_were_never_sent() {
    let closed = CancellationToken::new();
    let (first, end) = pair();
    let opens = Prepared(Mutex::default());
    let exchange = Exchange::start(first, opens, Arc::default(), closed.clone());
    let begun = Instant::now();
    drop(end);
    closed.cancelled().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    let told = exchange
        .tell(
            7,
            request::Op::Abort(Abort::default()),
            Duration::from_secs(1),
        )
        .await;
    assert!(told.expect_err("it left").certainly_not_done());
}

#[tokio::test(start_paused = true)]
async fn what_breaks_every_stream_is_given_up() {
    let closed = CancellationToken::new();
    let (pairs, mut ends): (Vec<_>, Vec<_>) = (0..=SENDS).map(|_| pair()).unzip();
    let mut pairs = pairs.into_iter();
    let first = pairs.next().expect("one");
    let opens = Prepared(Mutex::new(pairs.map(Ok).collect()));
    let exchange = Arc::new(Exchange::start(
        first,
        opens,
        Arc::default(),
        closed.clone(),
    ));
    let asked = Arc::clone(&exchange);
    let reading = tokio::spawn(async move { asked.ask(7, read(1), Duration::from_secs(10)).await });
    let last = ends.pop().expect("one more than it is sent");
    for mut end in ends {
        assert_eq!(end.take().await.len(), 1);
    }
    let outcome = reading.await.expect("no panic");
    assert!(matches!(outcome, Err(CallError::Lost(_))), "{outcome:?}");
    assert!(!closed.is_cancelled());
    drop(last);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_is_remembered() {
    let (first, mut end) = pair();
    let opens = Prepared(Mutex::default());
    let exchange = Arc::new(Exchange::start(
        first,
        opens,
        Arc::default(),
        CancellationToken::new(),
    ));
    let deadline = Duration::from_secs(10);
    let asked = Arc::clone(&exchange);
    let answered = tokio::spawn(async move { asked.ask(7, read(1), deadline).await });
    let sent = end.take().await;
    end.answer(sent[0].seq, data()).await;
    assert_eq!(answered.await.expect("no panic"), Ok(data()));
    assert_eq!(exchange.late(), None);
    let begun = Instant::now();
    let outcome = exchange.ask(7, read(2), deadline).await;
    assert!(matches!(outcome, Err(CallError::Lost(_))), "{outcome:?}");
    assert!(exchange.late() >= Some(begun + deadline));
}

#[test]
fn messages_to_a_node_stay_within_their_bound_and_one_that_can_not_is_dropped_alone() {
    use prost::Message;
    let waiting = Waiting::default();
    let write = |bytes: usize| {
        request::Op::Write(proto::v1::Write {
            data: vec![0; bytes].into(),
            ..proto::v1::Write::default()
        })
    };
    let sizes = [proto::SMALL; 40]
        .into_iter()
        .chain([2 << 20, 1, 900_000, 900_000]);
    let mut ready: VecDeque<Outgoing> = sizes
        .enumerate()
        .map(|(seq, bytes)| Outgoing {
            request: Request {
                seq: seq as u64,
                trace: 0,
                context: None,
                op: Some(write(bytes)),
            },
            reply: None,
            sent: 0,
        })
        .collect();
    let mut seqs = Vec::new();
    while !ready.is_empty() {
        let requests = next_batch(&mut ready, &waiting);
        seqs.extend(requests.iter().map(|request| request.seq));
        assert!(Requests { requests }.encoded_len() <= proto::BATCH_BYTES);
    }
    let wanted: Vec<u64> = (0..44).filter(|seq| *seq != 40).collect();
    assert_eq!(seqs, wanted);
}
