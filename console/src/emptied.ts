// Which drained nodes are empty by the records too, and may be stopped. The status knows what
// is on the disks; the records are asked once a disk has nothing left.
import { effect, signal } from "@preact/signals";
import type { CountedDrain, DrainLine } from "./api";
import { status } from "./live";
import { drains } from "./operate";

/** How long the records have for what is being settled, in milliseconds. */
const PAUSE = 2000;

export const emptied = signal<ReadonlySet<string>>(new Set());

/** Whether nothing is left on a node's disk. */
function bare(drain: DrainLine): boolean {
  return drain.sealed && drain.files_left === 0 && drain.quarantined === 0;
}

export function empty(drain: CountedDrain): boolean {
  return bare(drain) && drain.records_left === 0;
}

let asking = false;

async function ask(): Promise<void> {
  asking = true;
  try {
    const found = (await drains()).filter(empty);
    if (status.peek() !== null) emptied.value = new Set(found.map(({ node }) => node));
  } catch {
    // The connection's own message says what is wrong.
  }
  setTimeout(() => {
    asking = false;
    look();
  }, PAUSE);
}

/** Asks where a node is bare, and not known to be empty. */
function look(): void {
  const now = (status.value?.drains ?? []).filter(bare).map(({ node }) => node);
  const known = emptied.peek();
  const left = now.filter((node) => known.has(node));
  if (left.length < known.size) emptied.value = new Set(left);
  if (now.length > left.length && !asking) void ask();
}

effect(look);
