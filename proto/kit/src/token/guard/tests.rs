use super::super::tests::token;
use super::*;

fn call(guard: &Guard, bearer: &Bearer) -> Result<Request<()>, Status> {
    let sent = bearer.clone().call(Request::new(()))?;
    guard.clone().call(sent)
}

#[test]
fn only_the_same_token_is_let_in() {
    let server = token("0123456789abcdef\n");
    assert!(call(&server.guard(), &server.bearer()).is_ok());
    let other = token("0123456789abcdeX");
    assert!(call(&server.guard(), &other.bearer()).is_err());
    let none = Token::default();
    assert!(call(&server.guard(), &none.bearer()).is_err());
    assert!(call(&none.guard(), &none.bearer()).is_ok());
}

#[test]
fn of_two_tokens_both_are_let_in_and_the_first_is_sent() {
    let both = token("aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb\n");
    let (a, b) = (token("aaaaaaaaaaaaaaaa"), token("bbbbbbbbbbbbbbbb"));
    assert!(call(&both.guard(), &a.bearer()).is_ok());
    assert!(call(&both.guard(), &b.bearer()).is_ok());
    assert!(call(&a.guard(), &both.bearer()).is_ok());
    assert!(call(&b.guard(), &both.bearer()).is_err());
    assert!(Token::parse("aaaaaaaaaaaaaaaa\n".repeat(3).as_str(), "DFS_TOKEN").is_err());
}

#[test]
fn the_key_of_a_pool_opens_joins_and_that_pools_nodes() {
    let master = token("0123456789abcdef");
    let key = token(&pool_key("0123456789abcdef", "a/p"));
    let joins = master.guard_of_joins();
    let caller = |bearer: &Bearer| -> Option<String> {
        let let_in = call(&joins, bearer).expect("it is let in");
        let caller = let_in.extensions().get::<PoolCaller>();
        caller.map(|PoolCaller(pool)| pool.clone())
    };
    assert_eq!(caller(&key.bearer_of_node("a/p")), Some("a/p".to_owned()));
    assert_eq!(caller(&master.bearer_of_node("a/p")), None);
    assert!(call(&joins, &key.bearer_of_node("a/q")).is_err());
    assert!(call(&joins, &key.bearer()).is_err());
    assert!(call(&master.guard(), &key.bearer_of_node("a/p")).is_err());
    // Managers call every node with the key of its pool, whatever it has.
    for node in [&master, &key] {
        assert!(call(&node.guard_of_node("a/p"), &master.of_pool("a/p").bearer()).is_ok());
    }
    assert!(call(&key.guard_of_node("a/p"), &master.of_pool("a/q").bearer()).is_err());
    assert!(call(&key.guard_of_node("a/p"), &master.bearer()).is_err());
}
