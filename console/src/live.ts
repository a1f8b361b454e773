// The status of the service, live: one stream of server-sent events, opened anew whenever
// it breaks. It is read with fetch, since EventSource sends no token.
import { effect, signal } from "@preact/signals";
import { Failure, type Status, signIn } from "./api";
import { BROKE_OFF, stream } from "./stream";

/** The last status; kept while the manager is away. */
export const status = signal<Status | null>(null);

type Connection =
  /** What is shown, if anything, was true until then. */
  | { is: "connecting"; since?: number }
  | { is: "live" }
  | { is: "lost"; since: number; why: unknown }
  /** The caller may not see the status. */
  | { is: "hidden" };
export const connection = signal<Connection>({ is: "connecting" });

const LONGEST_PAUSE = 5_000;

let current: AbortController | null = null;
/** Whether there is something to follow, also where the page is hidden and does not. */
let wanted = false;
let wake: (() => void) | null = null;

/** Tries at once where a pause is under way. */
export function retryNow(): void {
  wake?.();
}

/** Follows the status from now on, with the token as it is. */
export function follow(): void {
  current?.abort();
  wanted = true;
  // A browser has six connections to a service over HTTP/1: hidden pages hold none.
  if (document.hidden) return;
  const mine = new AbortController();
  current = mine;
  void run(mine.signal);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    if (wanted) follow();
    return;
  }
  current?.abort();
  if (connection.peek().is === "live") connection.value = { is: "connecting", since: Date.now() };
});

/** Whoever signs in next may be another person. */
effect(() => {
  if (signIn.value === null) return;
  current?.abort();
  wanted = false;
  status.value = null;
  connection.value = { is: "connecting" };
});

function lose(why: unknown): void {
  const before = connection.peek();
  const since = ("since" in before ? before.since : undefined) ?? Date.now();
  connection.value = { is: "lost", since, why };
}

async function run(stop: AbortSignal): Promise<void> {
  let pause = 500;
  while (!stop.aborted) {
    try {
      await read(stop, () => {
        pause = 500;
      });
      // It ended in order: the manager leaves, or the token does.
      if (!stop.aborted) lose(new Failure(0, 0, "The manager ended the stream"));
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof Failure && error.status === 401) return;
      if (error instanceof Failure && error.status === 403) {
        signIn.value = null;
        wanted = false;
        status.value = null;
        connection.value = { is: "hidden" };
        return;
      }
      const broke = error instanceof Failure && error.status === BROKE_OFF;
      lose(broke ? new Failure(0, 0, "The manager does not answer") : error);
    }
    await new Promise<void>((done) => {
      wake = done;
      setTimeout(done, pause);
    });
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** Reads one stream to its end. */
async function read(stop: AbortSignal, begun: () => void): Promise<void> {
  let text = "";
  await stream({
    path: "/status",
    init: { headers: { Accept: "text/event-stream" } },
    stop,
    begun: () => {
      signIn.value = null;
    },
    take: (more) => {
      const events = (text + more).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) take(event, begun);
    },
  });
}

function take(event: string, begun: () => void): void {
  const lines = event.split("\n");
  if (!lines.includes("event: status")) return;
  const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
  status.value = JSON.parse(data.join("\n"));
  connection.value = { is: "live" };
  begun();
}
