// The comparison of disks and records, as far as it has come. It goes on while another view
// is shown.
import { effect, signal } from "@preact/signals";
import { type Finding, signIn } from "./api";
import { connection } from "./live";
import { fsck } from "./operate";

/** Differences that are kept; all are counted. */
const KEPT = 500;
/** Differences may come faster than a page is drawn. */
const PICTURE = 100;

interface Comparison {
  is: "running" | "whole" | "stopped" | "broken";
  count: number;
  first: Finding[];
  /** When it ended. */
  at?: number;
  error?: unknown;
}

export const comparison = signal<Comparison | null>(null);
let current: AbortController | null = null;

export async function compare(): Promise<void> {
  current?.abort();
  const mine = new AbortController();
  current = mine;
  const first: Finding[] = [];
  let count = 0;
  let due: number | undefined;
  const show = (more: Partial<Comparison>) => {
    clearTimeout(due);
    due = undefined;
    if (current === mine) comparison.value = { is: "running", count, first: [...first], ...more };
  };
  show({});
  try {
    await fsck(mine.signal, (found) => {
      count += found.length;
      first.push(...found.slice(0, KEPT - first.length));
      due ??= setTimeout(() => show({}), PICTURE);
    });
    show({ is: "whole", at: Date.now() });
  } catch (error) {
    if (mine.signal.aborted) show({ is: "stopped" });
    else show({ is: "broken", error });
  }
}

export function stopComparing(): void {
  current?.abort();
}

/** Whoever signs in next may be another person. */
effect(() => {
  if (signIn.value === null && connection.value.is !== "hidden") return;
  current?.abort();
  current = null;
  comparison.value = null;
});
