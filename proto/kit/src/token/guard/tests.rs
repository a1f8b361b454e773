use super::super::tests::token;
use super::*;
use proto::identity::Identity;

fn call(guard: &Guard, bearer: &Bearer) -> Result<Request<()>, Status> {
    let sent = bearer.clone().call(Request::new(()))?;
    guard.clone().call(sent)
}

#[test]
fn only_the_same_token_is_let_in() {
    let server = token("0123456789abcdef\n");
    assert!(call(&server.guard_of_commands(), &server.bearer()).is_ok());
    let other = token("0123456789abcdeX");
    assert!(call(&server.guard_of_commands(), &other.bearer()).is_err());
    let none = Token::default();
    assert!(call(&server.guard_of_commands(), &none.bearer()).is_err());
    assert!(call(&none.guard_of_commands(), &none.bearer()).is_ok());
}

#[test]
fn of_two_tokens_both_are_let_in_and_the_first_is_sent() {
    let both = token("aaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbb\n");
    let (a, b) = (token("aaaaaaaaaaaaaaaa"), token("bbbbbbbbbbbbbbbb"));
    assert!(call(&both.guard_of_commands(), &a.bearer()).is_ok());
    assert!(call(&both.guard_of_commands(), &b.bearer()).is_ok());
    assert!(call(&a.guard_of_commands(), &both.bearer()).is_ok());
    assert!(call(&b.guard_of_commands(), &both.bearer()).is_err());
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
    assert!(call(&master.guard_of_commands(), &key.bearer_of_node("a/p")).is_err());
    // Managers call every node with the key of its pool, whatever it has.
    for node in [&master, &key] {
        assert!(
            call(
                &node.guard_of_storage("a/p"),
                &master.of_pool("a/p").bearer()
            )
            .is_ok()
        );
    }
    assert!(
        call(
            &key.guard_of_storage("a/p"),
            &master.of_pool("a/q").bearer()
        )
        .is_err()
    );
    assert!(call(&key.guard_of_storage("a/p"), &master.bearer()).is_err());
}

/// The call of a peer that has shown a certificate, with no token.
fn call_as(guard: &Guard, role: Role) -> Result<Request<()>, Status> {
    let mut request = Request::new(());
    let identity = Identity::new("files", role).expect("an identity");
    request.extensions_mut().insert(Peer::shown(identity));
    guard.clone().call(request)
}

#[test]
fn a_certificate_opens_what_its_role_is_for_and_nothing_else() {
    let node = |pool: &str| Role::Node {
        pool: pool.to_owned(),
    };
    for token in [token("0123456789abcdef"), Token::default()] {
        let [commands, storage, joins] = [
            token.guard_of_commands(),
            token.guard_of_storage("a/p"),
            token.guard_of_joins(),
        ];
        assert!(call_as(&commands, Role::Operator).is_ok());
        assert!(call_as(&commands, Role::Manager).is_ok());
        assert!(call_as(&storage, Role::Manager).is_ok());
        let joined = call_as(&joins, node("a/p")).expect("it is let in");
        let pool = joined.extensions().get::<PoolCaller>();
        assert_eq!(pool, Some(&PoolCaller("a/p".to_owned())));
        for (guard, role) in [
            (&commands, node("a/p")),
            (&storage, Role::Operator),
            (&storage, node("a/p")),
            (&joins, Role::Manager),
            (&joins, Role::Operator),
        ] {
            let refused = call_as(guard, role.clone()).expect_err("it is refused");
            assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{role:?}");
        }
    }
}

#[test]
fn a_token_does_not_raise_what_a_certificate_opens() {
    let token = token("0123456789abcdef");
    let mut request = token.bearer().call(Request::new(())).expect("sent");
    let role = Role::Node {
        pool: "a/p".to_owned(),
    };
    let identity = Identity::new("files", role).expect("an identity");
    request.extensions_mut().insert(Peer::shown(identity));
    assert!(token.guard_of_commands().call(request).is_err());
}
