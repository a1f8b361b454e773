// The queue of uploads, with its progress.
import { useEffect, useRef, useState } from "preact/hooks";
import { count, size, some, span } from "./format";
import {
  cancel,
  clear,
  type Item,
  pause,
  paused,
  resume,
  retryFailed,
  shown,
  summary,
} from "./queue";
import { Bar, Button, Icon } from "./ui";
import { told } from "./words";

/** Rows in the page. */
const MOST = 60;
/** A screen reader hears of the queue so often at most, in milliseconds. */
const APART = 4000;

export function Uploads() {
  const [open, setOpen] = useState(true);
  const all = summary.value;
  if (all.all === 0) return null;
  const part = all.bytes === 0 ? all.stored / all.all : all.sent / all.bytes;
  const busy = all.sending + all.waiting > 0;
  const { rows, more } = shown(MOST);
  return (
    <section class="card uploads" aria-labelledby="uploads">
      <header>
        <h2 id="uploads">Uploads</h2>
        <p class="hint">{said(all)}</p>
        <Aloud stored={all.stored} failed={all.failed} />
        <div class="buttons">
          {busy && paused.value === null && (
            <Button icon="pause" onClick={() => pause()}>
              Pause
            </Button>
          )}
          {busy && paused.value !== null && (
            <Button icon="play" kind="main" onClick={resume}>
              Resume
            </Button>
          )}
          {all.failed > 0 && (
            <Button icon="refresh" onClick={retryFailed}>
              Try again
            </Button>
          )}
          {busy ? (
            <Button onClick={() => cancel()}>Cancel</Button>
          ) : (
            <Button onClick={clear}>Clear</Button>
          )}
          <Button kind="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide" : "Show"}
          </Button>
        </div>
      </header>
      <div
        class="progress"
        role="progressbar"
        aria-label="Uploads"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(part * 100)}
      >
        <Bar part={part} kind={all.failed > 0 ? "warn" : busy ? "" : "ok"} />
      </div>
      {paused.value !== null && busy && <Paused why={paused.value.why} />}
      {open && (
        <ul class="queue">
          {rows.map((item) => (
            <Row key={item.id} item={item} />
          ))}
          {more > 0 && <li class="hint">and {count(more)} more</li>}
        </ul>
      )}
    </section>
  );
}

function said(all: typeof summary.value): string {
  const parts = [`${count(all.stored)} of ${some(all.all, "file")} stored`];
  if (all.failed > 0) parts.push(`${count(all.failed)} failed`);
  if (all.sending > 0 && all.rate > 0) {
    parts.push(`${size(all.rate)}/s`);
    parts.push(`${span((all.bytes - all.sent) / all.rate)} to go`);
  }
  return parts.join(", ");
}

/** What was stored and what failed, without what changes many times a second. */
function Aloud({ stored, failed }: { stored: number; failed: number }) {
  const [text, setText] = useState("");
  const now = `${some(stored, "upload")} done${failed > 0 ? `, ${count(failed)} failed` : ""}`;
  const latest = useRef(now);
  latest.current = now;
  const wait = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (now === text || wait.current !== undefined) return;
    wait.current = window.setTimeout(() => {
      wait.current = undefined;
      setText(latest.current);
    }, APART);
  }, [now, text]);
  useEffect(() => () => clearTimeout(wait.current), []);
  return (
    <p class="sr" role="status">
      {text}
    </p>
  );
}

function Paused({ why }: { why: unknown }) {
  if (why === null) {
    return (
      <p class="hint">
        Paused. Files that were under way begin again when you resume; none is stored twice.
      </p>
    );
  }
  const { title, help, detail } = told(why);
  return (
    <p class="error" role="alert">
      <Icon name="problems" />
      <span>
        <b>Paused: {title.toLowerCase()}.</b> {help} Then resume.{" "}
        {detail && <span class="detail">{detail}</span>}
      </span>
    </p>
  );
}

function Row({ item }: { item: Item }) {
  const part = item.file.size === 0 ? 0 : item.sent / item.file.size;
  return (
    <li class={item.state}>
      <span class="name" title={item.name}>
        <bdi>{item.name}</bdi>
      </span>
      <span class="hint size">{size(item.file.size)}</span>
      <span class="outcome">
        <Outcome item={item} part={part} />
      </span>
      {item.state === "stored" ? (
        <span />
      ) : (
        <Button
          icon="close"
          kind="quiet"
          label={`Take out ${item.name}`}
          onClick={() => cancel(item)}
        />
      )}
      {item.state === "failed" && <Why error={item.error} />}
    </li>
  );
}

/** What helps, what the service says of it, and the request's id. */
function Why({ error }: { error: unknown }) {
  const { help, detail } = told(error);
  if (help === undefined && detail === undefined) return null;
  return (
    <p class="why hint">
      {help} {detail && <span class="detail">{detail}</span>}
    </p>
  );
}

function Outcome({ item, part }: { item: Item; part: number }) {
  switch (item.state) {
    case "sending":
      return <Bar part={part} />;
    case "stored":
      return (
        <span class="ok">
          <Icon name="check" /> stored
        </span>
      );
    case "failed":
      return <span class="bad">{told(item.error).title}</span>;
    case "waiting":
      return (
        <span class="hint">
          {item.error === undefined ? "waiting" : `${told(item.error).title}; trying again`}
        </span>
      );
  }
}
