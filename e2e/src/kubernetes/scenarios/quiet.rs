//! A release that nobody touches: its operator writes nothing, and reads little.

use super::World;
use crate::kubernetes::release::values;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Its pool.
const POOL: &str = "quiet";
/// After this time the pool's status no longer changes.
const CALM: Duration = Duration::from_secs(25);
/// Requests a second that its operator may make of the API server, besides watches.
const READS_A_SECOND: f64 = 1.0;

/// Installs it, beside the other release.
pub(super) fn install(world: &World) -> Result<()> {
    let still = &world.still;
    still.make_namespace()?;
    let mut values = values();
    values["operator"]["replicas"] = json!(1);
    still.helm("install", &values)?;
    still.apply_pool(POOL, json!({ "replicas": 2 }))
}

/// Gives it a few files, and leaves it alone from then on.
pub(super) async fn fill(world: &mut World) -> Result<()> {
    world.still.ready(POOL, 2).await?;
    let client = world.still.client()?;
    for number in 0..10 {
        client.put(&format!("still-{number}"), "x").await?;
    }
    world.left_alone = Some(Instant::now());
    Ok(())
}

pub(super) async fn run(world: &mut World) -> Result<String> {
    let left_alone = world.left_alone.context("install comes first")?;
    let calm = left_alone + CALM;
    // Watched for at least the time that was asked for, whatever ran meanwhile.
    let end = calm + world.quiet_for;
    tokio::time::sleep_until(end.into()).await;
    let log = world.kube.cluster(&["audit"])?;
    let text = std::fs::read_to_string(log.trim())?;
    let age = calm.elapsed();
    let operator = format!(
        "system:serviceaccount:{}:{}-operator",
        world.still.namespace,
        world.still.full_name()
    );
    let (mut leases, mut reads, mut writes) = (0, 0, Vec::new());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).context("the audit log")?;
        if event["user"]["username"] != operator.as_str() || age_of(&event)? > age {
            continue;
        }
        let verb = event["verb"].as_str();
        match event["objectRef"]["resource"].as_str() {
            Some("leases") => leases += 1,
            _ if matches!(verb, Some("get" | "list")) => reads += 1,
            other => writes.push(format!(
                "{} {other:?} {}",
                event["verb"], event["objectRef"]["name"]
            )),
        }
    }
    ensure!(leases > 0, "the log has not even its lease");
    ensure!(writes.is_empty(), "it was left alone, and wrote {writes:?}");
    let seconds = age.as_secs();
    let a_second = f64::from(reads) / age.as_secs_f64();
    ensure!(a_second <= READS_A_SECOND, "{reads} reads in {seconds} s");
    Ok(format!(
        "no write in {seconds} s but {leases} requests for its lease; {a_second:.2} reads a second"
    ))
}

/// How long ago a request came.
fn age_of(event: &Value) -> Result<Duration> {
    let at = event["requestReceivedTimestamp"]
        .as_str()
        .context("a time")?;
    let at = humantime::parse_rfc3339(at)?;
    Ok(at.elapsed().unwrap_or_default())
}
