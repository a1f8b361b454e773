// The queue of uploads: a few at once, the others wait. An upload can't be taken up in its
// middle: what is paused or broken off begins again, with the same key, so that nothing is
// stored twice.
import { computed, effect, signal } from "@preact/signals";
import { authorization, Failure, failureOf, pathOf, randomKey, signIn } from "./api";

/** Uploads at once; a browser has six connections to a service over HTTP/1. */
const AT_ONCE = 4;
/** Tries of one file before it is left to the person. */
const TRIES = 6;
const LONGEST_WAIT = 15_000;
/** The rate is that of the last seconds. */
const WINDOW = 5_000;

export type State = "waiting" | "sending" | "stored" | "failed";

export interface Item {
  id: number;
  name: string;
  file: File;
  key: string;
  state: State;
  sent: number;
  tries: number;
  /** Not before this moment, in milliseconds. */
  after: number;
  error?: Failure;
  request?: XMLHttpRequest;
}

/** Something changed; items themselves are no signals, since there may be thousands. */
const changed = signal(0);
const items: Item[] = [];
let next = 1;

export const paused = signal<{ why: Failure | null } | null>(null);
/** Counts files that were stored, so that a listing knows it is old. */
export const stored = signal(0);

interface Summary {
  all: number;
  stored: number;
  failed: number;
  sending: number;
  waiting: number;
  bytes: number;
  sent: number;
  rate: number;
}

let samples: [number, number][] = [];
/** Bytes of this session that have gone, again and again ones included. */
let moved = 0;

export const summary = computed<Summary>(() => {
  changed.value;
  const sum = { all: items.length, stored: 0, failed: 0, sending: 0, waiting: 0 };
  let bytes = 0;
  let sent = 0;
  for (const item of items) {
    sum[item.state] += 1;
    bytes += item.file.size;
    sent += item.state === "stored" ? item.file.size : item.sent;
  }
  const first = samples[0];
  const span = first === undefined ? 0 : (performance.now() - first[0]) / 1000;
  const rate = first === undefined || span < 0.2 ? 0 : (moved - first[1]) / span;
  return { ...sum, bytes, sent, rate };
});

/** What is worth showing, the most important first, and how many are left out. */
export function shown(most: number): { rows: Item[]; more: number } {
  changed.value;
  const order: State[] = ["failed", "sending", "waiting", "stored"];
  const rows: Item[] = [];
  for (const state of order) {
    for (const item of items) {
      if (rows.length >= most) break;
      if (item.state === state) rows.push(item);
    }
  }
  return { rows, more: items.length - rows.length };
}

/** Shows what changed. */
function show(): void {
  const now = performance.now();
  samples = samples.filter(([at]) => now - at < WINDOW);
  samples.push([now, moved]);
  changed.value = changed.peek() + 1;
}

let told = false;
/** Shows what changed, once for all that changes until the next picture. */
function tell(): void {
  if (told) return;
  told = true;
  setTimeout(() => {
    told = false;
    show();
  }, 100);
}

/** Adds files under their names. */
export function add(files: { name: string; file: File }[]): void {
  for (const { name, file } of files) {
    const item: Item = {
      id: next,
      name,
      file,
      key: randomKey(),
      state: "waiting",
      sent: 0,
      tries: 0,
      after: 0,
    };
    next += 1;
    items.push(item);
  }
  go();
}

/** Starts what there is room for. */
export function go(): void {
  tell();
  if (paused.value !== null) return;
  let sending = items.filter((item) => item.state === "sending").length;
  const now = Date.now();
  let soonest = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (sending >= AT_ONCE) return;
    if (item.state !== "waiting") continue;
    if (item.after > now) {
      soonest = Math.min(soonest, item.after);
      continue;
    }
    send(item);
    sending += 1;
  }
  if (soonest < Number.POSITIVE_INFINITY) setTimeout(go, soonest - now + 10);
}

/** Starts no more, and takes back what is under way. What is shown as paused stands still. */
export function pause(why: Failure | null = null): void {
  paused.value = { why };
  for (const item of items) {
    if (item.state === "sending") halt(item);
  }
  show();
}

export function resume(): void {
  paused.value = null;
  for (const item of items) item.after = 0;
  go();
}

/** Takes what failed into the queue again. */
export function retryFailed(): void {
  for (const item of items) {
    if (item.state !== "failed") continue;
    item.state = "waiting";
    item.tries = 0;
    item.after = 0;
    delete item.error;
  }
  resume();
}

/** Takes one out of the queue, or all that have not been stored. */
export function cancel(one?: Item): void {
  for (const item of [...items]) {
    if (item.state === "stored" || (one !== undefined && item !== one)) continue;
    halt(item);
    items.splice(items.indexOf(item), 1);
  }
  go();
}

/** Files that are not stored, those that failed among them. */
export function unstored(): number {
  return items.filter((item) => item.state !== "stored").length;
}

/** Empties the queue: it is not for the caller that comes next. */
export function discard(): void {
  for (const item of items) halt(item);
  items.length = 0;
  paused.value = null;
  show();
}

/** Forgets what has ended, well or not. */
export function clear(): void {
  const left = items.filter((item) => item.state !== "stored" && item.state !== "failed");
  items.splice(0, items.length, ...left);
  tell();
}

function halt(item: Item): void {
  const request = item.request;
  delete item.request;
  item.state = "waiting";
  item.sent = 0;
  request?.abort();
}

function send(item: Item): void {
  const request = new XMLHttpRequest();
  item.state = "sending";
  item.sent = 0;
  item.tries += 1;
  item.request = request;
  const mine = () => item.request === request;
  request.upload.onprogress = (event) => {
    if (!mine()) return;
    moved += Math.max(0, event.loaded - item.sent);
    item.sent = event.loaded;
    tell();
  };
  request.onload = () => {
    if (mine()) answered(item, request);
  };
  request.onerror = () => {
    if (mine()) fail(item, new Failure(0, 0, "The manager does not answer"));
  };
  try {
    request.open("PUT", pathOf(item.name));
  } catch {
    fail(item, new Failure(400, 6, "Invalid request", "the name is no valid text"));
    return;
  }
  const headers = {
    ...authorization(),
    "Idempotency-Key": item.key,
    // A name in use is refused before the bytes are sent.
    "If-None-Match": "*",
  };
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.send(item.file);
}

function answered(item: Item, request: XMLHttpRequest): void {
  if (request.status === 201) {
    delete item.request;
    moved += Math.max(0, item.file.size - item.sent);
    item.state = "stored";
    stored.value += 1;
    go();
    return;
  }
  const header = (name: string) => request.getResponseHeader(name);
  const failure = failureOf(request.status, request.responseText, header);
  // The condition that there is no such file.
  fail(item, failure.status === 412 ? new Failure(409, 3, "File name already exists") : failure);
}

/** What passes where there is no result code: no answer, or that of a proxy. */
const PASSING = [0, 408, 429, 502, 503, 504];

/** Whether another try makes sense without a person. */
function passes(failure: Failure): boolean {
  const { status, code } = failure;
  return status === 408 || [1, 4, 9].includes(code) || (code === 0 && PASSING.includes(status));
}

function fail(item: Item, failure: Failure): void {
  delete item.request;
  item.sent = 0;
  if (failure.status === 401 || failure.code === 8) {
    // It would be the same for all others.
    item.state = "waiting";
    pause(failure);
    return;
  }
  item.error = failure;
  if (passes(failure) && item.tries < TRIES) {
    item.state = "waiting";
    const wait = Math.min(1000 * 2 ** (item.tries - 1), LONGEST_WAIT);
    item.after = Date.now() + Math.max(wait, (failure.retryAfter ?? 0) * 1000);
  } else {
    item.state = "failed";
  }
  go();
}

/** What is left waits until somebody has signed in and resumes: it may be another person. */
effect(() => {
  if (signIn.value === null) return;
  if (unstored() === 0) discard();
  else pause(new Failure(401, 7, "Not authorized"));
});

/** Leaving the page would lose what is not stored. */
window.addEventListener("beforeunload", (event) => {
  if (items.some((item) => item.state === "sending" || item.state === "waiting")) {
    event.preventDefault();
  }
});
