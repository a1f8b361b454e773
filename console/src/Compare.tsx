// The comparison of disks and records, with what it finds as it comes.
import type { Finding } from "./api";
import { compare, comparison, stopComparing } from "./comparison";
import { count, some } from "./format";
import { hrefOf } from "./route";
import { Button, Icon, Refused } from "./ui";

/** The kinds of difference, as docs/failures.md has them. */
const KINDS: Record<string, string> = {
  "missing-bytes": "bytes are missing",
  "corrupt-file": "damaged",
  quarantined: "in quarantine",
  "bytes-without-record": "bytes without a record",
  "unreadable-file": "can't be read",
  "unsettled-record": "waits for a node",
  "node-unavailable": "node is unavailable",
};

export function Compare() {
  const now = comparison.value;
  const running = now?.is === "running";
  return (
    <section class="card compare" aria-labelledby="compare">
      <header>
        <h2 id="compare">Compare disks and records</h2>
        <div class="buttons">
          {running ? (
            <Button onClick={stopComparing}>Stop</Button>
          ) : (
            <Button icon="compare" onClick={() => void compare()}>
              Compare
            </Button>
          )}
        </div>
      </header>
      <p>
        Looks for files whose bytes are missing, and bytes that no record lists, on every node. It
        changes nothing, and reads every record and directory, which can take a while.
      </p>
      <Outcome />
      {now?.is === "broken" && <Refused error={now.error} />}
      {now !== null && now.count > 0 && (
        <ul class="differences" aria-label="Differences">
          {now.first.map((found, at) => (
            <Row key={`${at} ${found.kind}`} found={found} />
          ))}
          {now.count > now.first.length && (
            <li class="hint">and {count(now.count - now.first.length)} more</li>
          )}
        </ul>
      )}
    </section>
  );
}

/** What came of it: only an answer that is whole says that there is no difference. */
function Outcome() {
  const now = comparison.value;
  if (now === null) return null;
  const found = now.count === 0 ? "no difference" : some(now.count, "difference");
  const at = new Date(now.at ?? 0).toLocaleTimeString();
  const text = {
    running: `Comparing, ${found} so far`,
    whole: `${now.count === 0 ? "No differences" : found}. Compared at ${at}`,
    stopped: `Stopped, and so not complete: ${found} until then`,
    broken: `Not complete: ${found} until it broke off`,
  }[now.is];
  return (
    <p class={`outcome ${now.is}`} role="status">
      {now.is === "whole" && now.count === 0 && <Icon name="check" />}
      {text}
    </p>
  );
}

function Row({ found }: { found: Finding }) {
  const { filename, kind, node, detail } = found;
  return (
    <li>
      <b>{filename ? <a href={hrefOf("files", filename)}>{filename}</a> : node}</b>
      {filename && ` on ${node}`}: {KINDS[kind] ?? kind}
      {detail && <span class="detail"> ({detail})</span>}
    </li>
  );
}
