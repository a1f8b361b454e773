//! Spans of OpenTelemetry: one trace from the client's request through manager, store and
//! node, sent by OTLP to a collector.

mod collector;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::Upload;
use collector::{Collector, Seen};
use e2e::cluster::{Cluster, Options, SOON, binaries};
use e2e::wire::{Body, Client, Pieces, Route};
use e2e::{content, ports, wait};
use http::Request;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

const MANAGER: &str = "dfs-manager";
const NODE: &str = "dfs-node";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// A larger body has a stream of its own.
const LARGE: usize = 300_000;
/// More than sockets and windows hold.
const HUGE: usize = 60_000_000;

/// A service that sends its spans there, soon after they ended.
async fn traced(address: impl std::fmt::Display) -> Result<Cluster> {
    let flag = ["--otlp-endpoint".to_owned(), format!("http://{address}")];
    Cluster::start_with(Options {
        nodes: 1,
        manager_args: flag.to_vec(),
        node_args: flag.to_vec(),
        env: vec![("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "100".to_owned())],
        ..Options::default()
    })
    .await
}

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-{PARENT}-01")
}

async fn put(client: &Client, name: &str, size: usize, parent: &str) -> Result<()> {
    let data = content::bytes(7, size);
    let mut request: Request<Body> = Route::Put.request(name, &data)?;
    let headers = request.headers_mut();
    headers.insert("traceparent", parent.parse()?);
    headers.insert("tracestate", "vendor=of-the-client".parse()?);
    client.send(request).await?.expect(201)?;
    Ok(())
}

async fn get(client: &Client, name: &str, parent: &str) -> Result<Bytes> {
    let answer = client.get_with(name, &[("traceparent", parent)]).await?;
    Ok(answer.expect(200)?.body)
}

fn is_of_kind(span: &Seen, kind: SpanKind) -> bool {
    span.kind == kind as i32
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_client_to_store_and_node() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let client = cluster.wire();
    put(&client, "secret name", LARGE, &traceparent(TRACE)).await?;
    let request = (MANAGER, "PUT /file/{filename}");
    let (insert, call) = ((MANAGER, "store insert"), (MANAGER, "upload-file"));
    let served = (NODE, "upload-file");
    let wanted = [request, insert, call, served];
    let trace = collector.trace(TRACE, &wanted).await?;
    ensure!(trace.one(request.0, request.1)?.parent == PARENT);
    trace.demand_child(insert, request)?;
    trace.demand_child(call, request)?;
    trace.demand_child(served, call)?;
    let span = trace.one(request.0, request.1)?;
    ensure!(is_of_kind(span, SpanKind::Server), "{span:?}");
    for (key, value) in [
        ("http.request.method", "PUT"),
        ("http.route", "/file/{filename}"),
        ("http.response.status_code", "201"),
        ("url.path", "/file/secret%20name"),
    ] {
        let noted = span.attributes.get(key).map(String::as_str);
        ensure!(noted == Some(value), "{key}: {span:#?}");
    }
    ensure!(is_of_kind(trace.one(call.0, call.1)?, SpanKind::Client));
    ensure!(is_of_kind(trace.one(served.0, served.1)?, SpanKind::Server));
    for span in &trace.0 {
        ensure!(!span.name.contains("secret"), "{span:?}");
        ensure!(span.state == "vendor=of-the-client", "{span:?}");
        ensure!(!span.failed, "{span:?}");
    }
    let other = "6af7651916cd43dd8448eb211c80319c";
    get(&client, "secret name", &traceparent(other)).await?;
    let call = (MANAGER, "download-file");
    let served = (NODE, "download-file");
    let request = (MANAGER, "GET /file/{filename}");
    let trace = collector.trace(other, &[request, call, served]).await?;
    trace.demand_child(call, request)?;
    trace.demand_child(served, call)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn small_operations_that_share_a_stream_have_spans_of_their_own() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let client = cluster.wire();
    put(&client, "small", 10, &traceparent(TRACE)).await?;
    let (call, served) = ((MANAGER, "finish"), (NODE, "finish"));
    let trace = collector.trace(TRACE, &[call, served]).await?;
    trace.demand_child(call, (MANAGER, "PUT /file/{filename}"))?;
    trace.demand_child(served, call)?;
    let other = "1af7651916cd43dd8448eb211c80319c";
    get(&client, "small", &traceparent(other)).await?;
    let (call, served) = ((MANAGER, "read"), (NODE, "read"));
    let trace = collector.trace(other, &[call, served]).await?;
    trace.demand_child(call, (MANAGER, "GET /file/{filename}"))?;
    trace.demand_child(served, call)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_a_span_until_its_last_byte() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let client = cluster.wire();
    let other = "2af7651916cd43dd8448eb211c80319c";
    put(&client, "large", HUGE, &traceparent(other)).await?;
    let request = Request::get("/file/large").header("traceparent", traceparent(TRACE));
    let request = request.body(Pieces::empty().into())?;
    // More than can be under way: most of it waits until it is read.
    let reading = client.start(request).await?;
    ensure!(reading.status() == 200);
    let later = "4af7651916cd43dd8448eb211c80319c";
    put(&client, "later", LARGE, &traceparent(later)).await?;
    let wanted = [(MANAGER, "PUT /file/{filename}"), (NODE, "upload-file")];
    collector.trace(later, &wanted).await?;
    // The spans of a program come in the order in which they ended.
    let all = collector.all();
    let request = (MANAGER, "GET /file/{filename}");
    let ended = all.iter().any(|span| span.is(request.0, request.1));
    ensure!(!ended, "{all:#?}");
    let data = reading.into_body().collect().await?.to_bytes();
    ensure!(data.len() == HUGE);
    let trace = collector.trace(TRACE, &[request]).await?;
    ensure!(trace.one(request.0, request.1)?.parent == PARENT);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn library_and_command_name_the_span_that_they_are_a_part_of() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let url = format!("http://{}", cluster.http());
    let library = client::Client::builder(&url)?;
    let library = library.trace(&traceparent(TRACE), "vendor=library")?;
    library.build()?.put("a", Upload::bytes("1")).await?;
    let request = (MANAGER, "PUT /file/{filename}");
    let trace = collector.trace(TRACE, &[request, (NODE, "finish")]).await?;
    let span = trace.one(request.0, request.1)?;
    ensure!((span.parent.as_str(), span.state.as_str()) == (PARENT, "vendor=library"));
    let other = "5af7651916cd43dd8448eb211c80319c";
    let ran = tokio::process::Command::new(binaries::find()?.dfs)
        .args(["rm", "a"])
        .env("DFS_URL", &url)
        .env("TRACEPARENT", traceparent(other))
        .output()
        .await?;
    ensure!(ran.status.success(), "{ran:?}");
    let request = (MANAGER, "DELETE /file/{filename}");
    let wanted = [request, (NODE, "delete-file")];
    let trace = collector.trace(other, &wanted).await?;
    ensure!(trace.one(request.0, request.1)?.parent == PARENT);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standalone_service_names_both_of_its_parts() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = Cluster::prepare(Options::default())?;
    let data = cluster.folder().join("data");
    let mut args: Vec<std::ffi::OsString> = vec!["standalone".into(), "--data".into(), data.into()];
    for flag in ["--http", "--grpc", "--ops"] {
        args.extend([flag.into(), "127.0.0.1:0".into()]);
    }
    let address = format!("http://{}", collector.address);
    args.extend(["--nodes", "1", "--otlp-endpoint", &address].map(Into::into));
    let process = cluster.manager_command(args).start().await?;
    let client = Client::new(process.address("http")?);
    put(&client, "a", LARGE, &traceparent(TRACE)).await?;
    ensure!(process.terminate(SOON).await?.success());
    let wanted = [(MANAGER, "upload-file"), (NODE, "upload-file")];
    let trace = collector.trace(TRACE, &wanted).await?;
    trace.demand_child(wanted[1], wanted[0])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_parent_begins_a_new_trace() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let malformed = format!("00-{TRACE}-{PARENT}");
    put(&cluster.wire(), "small", 10, &malformed).await?;
    let span = wait::until(SOON, async || {
        let all = collector.all();
        let mut requests = all.iter().filter(|span| span.name.starts_with("PUT"));
        let span = requests.next().cloned();
        span.ok_or_else(|| anyhow::anyhow!("no request: {all:#?}"))
    })
    .await?;
    ensure!(span.parent.is_empty() && span.trace != TRACE, "{span:?}");
    collector.trace(&span.trace, &[(NODE, "finish")]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_record_has_nothing_recorded() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let client = cluster.wire();
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    put(&client, "a", LARGE, &unsampled).await?;
    let other = "3af7651916cd43dd8448eb211c80319c";
    put(&client, "b", LARGE, &traceparent(other)).await?;
    collector.trace(other, &[(NODE, "upload-file")]).await?;
    let all = collector.all();
    ensure!(all.iter().all(|span| span.trace != TRACE), "{all:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_before_the_end() -> Result<()> {
    let collector = Collector::start().await?;
    let mut cluster = traced(collector.address).await?;
    let never = ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "3600000".to_owned());
    cluster.stop().await?;
    cluster.options.env = vec![never];
    cluster.start_manager().await?;
    cluster.start_node(0).await?;
    cluster.wait_available(1).await?;
    put(&cluster.wire(), "a", LARGE, &traceparent(TRACE)).await?;
    cluster.stop().await?;
    let wanted = [(MANAGER, "PUT /file/{filename}"), (NODE, "upload-file")];
    collector.trace(TRACE, &wanted).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_does_is_a_part_of_it() -> Result<()> {
    let collector = Collector::start().await?;
    let cluster = traced(collector.address).await?;
    let client = cluster.wire();
    let order = async |method, path: &str, body: &str, trace| {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("content-type", "application/json")
            .header("traceparent", traceparent(trace));
        let body = Body::from(Bytes::from(body.to_owned()));
        client.send(request.body(body)?).await?.expect(200)
    };
    order("GET", "/fsck", "", TRACE).await?;
    let (request, call) = ((MANAGER, "GET /fsck"), (MANAGER, "list-corrupt"));
    let trace = collector.trace(TRACE, &[request, call]).await?;
    trace.demand_child(call, request)?;
    let other = "7af7651916cd43dd8448eb211c80319c";
    order("DELETE", "/drains?node=node-1", "", other).await?;
    let request = (MANAGER, "DELETE /drains");
    let trace = collector.trace(other, &[request]).await?;
    let parts = trace
        .0
        .iter()
        .filter(|span| span.name.starts_with("store "));
    ensure!(parts.count() > 0, "{trace:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_a_trace_of_its_own_through_both_nodes() -> Result<()> {
    let collector = Collector::start().await?;
    let mut cluster = traced(collector.address).await?;
    let client = cluster.wire();
    for name in ["a", "b"] {
        put(&client, name, 10, &traceparent(TRACE)).await?;
    }
    cluster.add_node().await?;
    let begun = wait::until(SOON, async || {
        let spans = collector.all();
        let begun = spans.iter().find(|span| span.is(MANAGER, "transfer-file"));
        begun.cloned().context("no move")
    })
    .await?;
    ensure!(begun.parent.is_empty(), "{begun:#?}");
    let order = (MANAGER, "transfer-file");
    let (served, receives) = ((NODE, "transfer-in-steps"), (NODE, "receive-file"));
    let trace = collector.trace(&begun.trace, &[served, receives]).await?;
    trace.demand_child(served, order)?;
    trace.demand_child(receives, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_shown_as_failed() -> Result<()> {
    let collector = Collector::start().await?;
    let mut cluster = traced(collector.address).await?;
    let client = cluster.wire();
    client.put("a", "1").await?.expect(201)?;
    cluster.kill_node(0).await?;
    let parent = traceparent(TRACE);
    let answer = client.get_with("a", &[("traceparent", &parent)]).await?;
    let answer = answer.expect(503)?;
    let request = (MANAGER, "GET /file/{filename}");
    let trace = collector.trace(TRACE, &[request]).await?;
    let span = trace.one(request.0, request.1)?;
    ensure!(span.failed, "{span:#?}");
    for (key, value) in [
        ("http.response.status_code", "503"),
        ("error.type", "503"),
        ("dfs.code", "4"),
        ("dfs.request.id", answer.header("x-request-id")),
    ] {
        let noted = span.attributes.get(key).map(String::as_str);
        ensure!(noted == Some(value), "{key}: {span:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_requests_nothing_and_the_log_one_line() -> Result<()> {
    let mut cluster = traced(ports::free()?).await?;
    let client = cluster.wire();
    for i in 0..50 {
        put(&client, &format!("f{i}"), 10, &traceparent(TRACE)).await?;
    }
    let lines = |log: &str| log.matches("traces can't be sent").count();
    wait::until(SOON, async || {
        ensure!(lines(&cluster.manager()?.log()) == 1, "no line");
        Ok(())
    })
    .await?;
    for i in 0..50 {
        get(&client, &format!("f{i}"), &traceparent(TRACE)).await?;
    }
    let log = cluster.manager()?.log();
    cluster.stop().await?;
    ensure!(lines(&log) == 1, "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_at_the_start() -> Result<()> {
    let mut cluster = Cluster::prepare(Options::default())?;
    for (url, why) in [
        ("collector:4317", "must be http://HOST:PORT"),
        ("https://collector:4317", "TLS is not spoken to a collector"),
    ] {
        let flag = vec!["--otlp-endpoint".to_owned(), url.to_owned()];
        cluster.options.manager_args = flag.clone();
        cluster.options.node_args = flag;
        let node = cluster.new_node()?;
        for launch in [cluster.manager_launch(), cluster.node_launch(node)] {
            let (status, log) = launch.refused(SOON).await?;
            ensure!(!status.success());
            let line = format!("--otlp-endpoint: {why}");
            ensure!(log.contains(&line), "{log}");
        }
    }
    Ok(())
}
