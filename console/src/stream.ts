// Answers that are read as they come: events, and lines of JSON. The service says something
// every 10 s, so that one which says nothing for longer is lost.
import { call, Failure } from "./api";

const SILENCE = 25_000;

interface Stream {
  path: string;
  init?: RequestInit;
  stop: AbortSignal;
  /** The answer has begun, and is a success. */
  begun?: () => void;
  take: (text: string) => void;
}

/** Reads one answer to its end; one that breaks off before it is a [[Failure]]. */
export async function stream({ path, init, stop, begun, take }: Stream): Promise<void> {
  // Ends with STOP, or by itself. AbortSignal.any would do that in Firefox 124 and later.
  const mine = new AbortController();
  const end = () => mine.abort();
  stop.addEventListener("abort", end);
  let watch = setTimeout(end, SILENCE);
  let answered = false;
  try {
    stop.throwIfAborted();
    const response = await call(path, { ...init, signal: mine.signal });
    stop.throwIfAborted();
    answered = true;
    begun?.();
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      stop.throwIfAborted();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(end, SILENCE);
      take(value);
    }
  } catch (error) {
    if (stop.aborted) throw error;
    if (mine.signal.aborted) throw new Failure(0, 0, "The manager does not answer");
    if (answered && error instanceof TypeError) {
      throw new Failure(BROKE_OFF, 0, "The answer broke off");
    }
    throw error;
  } finally {
    clearTimeout(watch);
    stop.removeEventListener("abort", end);
  }
}

/** The status of an answer that began as a success, and is not whole. */
export const BROKE_OFF = 200;

/** Reads lines of JSON; returns only where the answer was whole. */
export async function lines<T>(
  path: string,
  init: RequestInit,
  stop: AbortSignal,
  take: (found: T[]) => void,
): Promise<void> {
  let rest = "";
  await stream({
    path,
    init,
    stop,
    take: (text) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      const found = parts.filter((line) => line !== "").map((line) => JSON.parse(line));
      if (found.length > 0) take(found);
    },
  });
  if (rest !== "") throw new Failure(BROKE_OFF, 0, "The answer broke off");
}
