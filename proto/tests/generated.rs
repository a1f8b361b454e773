//! The committed gRPC code is what the contracts generate; no protoc is needed,
//! here or in a build. `DFS_REGENERATE=1 cargo test --workspace --test generated` writes it anew.

use std::path::Path;

#[test]
fn committed_code_is_what_the_contracts_generate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contracts = root.join("proto");
    let set = protox::compile(["dfs/v1/node.proto", "dfs/v1/manager.proto"], [contracts])
        .expect("the contracts compile");
    let out = tempfile::tempdir().expect("a temporary directory");
    let made = |build: tonic_prost_build::Builder| {
        let built = build.bytes(".").out_dir(out.path());
        built.compile_fds(set.clone()).expect("code is generated");
        std::fs::read_to_string(out.path().join("dfs.v1.rs")).expect("generated code")
    };
    let build = tonic_prost_build::configure;
    let messages = made(build().build_client(false).build_server(false));
    let services = made(build().extern_path(".dfs.v1", "::messages::v1"));
    compare(&root.join("messages/src/generated/dfs.v1.rs"), &messages);
    compare(&root.join("src/generated/dfs.v1.rs"), &services);
}

fn compare(committed: &Path, made: &str) {
    if std::env::var_os("DFS_REGENERATE").is_some() {
        std::fs::write(committed, made).expect("the code is written");
    }
    let kept = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(
        made == kept,
        "run DFS_REGENERATE=1 cargo test --workspace --test generated, and commit the result"
    );
}
