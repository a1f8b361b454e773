//! The committed gRPC code is what the contracts generate; no protoc is needed,
//! here or in a build. `DFS_REGENERATE=1 cargo test --workspace --test generated` writes it anew.

#[test]
fn committed_code_is_what_the_contracts_generate() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let contracts = root.join("proto");
    let set = protox::compile(["dfs/v1/node.proto", "dfs/v1/manager.proto"], [contracts])
        .expect("the contracts compile");
    let out = tempfile::tempdir().expect("a temporary directory");
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out.path())
        .compile_fds(set)
        .expect("code is generated");
    let made = std::fs::read_to_string(out.path().join("dfs.v1.rs")).expect("generated code");
    let committed = root.join("src/generated/dfs.v1.rs");
    if std::env::var_os("DFS_REGENERATE").is_some() {
        std::fs::write(&committed, &made).expect("the code is written");
    }
    let kept = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        made == kept,
        "run DFS_REGENERATE=1 cargo test --workspace --test generated, and commit the result"
    );
}
