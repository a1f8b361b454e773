// The listing: pages of one prefix, one after the other, as far as somebody scrolls.
import { effect, signal } from "@preact/signals";
import { type ListedFile, list, type Page, signIn } from "./api";

const PAGE = 1000;

interface Listing {
  prefix: string;
  files: ListedFile[];
  /** What the next page comes after; missing at the end. */
  next?: string | undefined;
  loading: boolean;
  error?: unknown;
}

export const listing = signal<Listing>({ prefix: "", files: [], loading: true });
/** The files that are chosen, by their ids: a name may be another file's by now. */
export const chosen = signal<ReadonlyMap<string, ListedFile>>(new Map());

/** The file whose details are open, and the files that are about to be deleted. */
export const opened = signal<ListedFile | null>(null);
export const doomed = signal<ListedFile[]>([]);

let current: AbortController | null = null;

/** Lists what begins with a prefix, from its first name. */
export async function show(prefix: string): Promise<void> {
  const same = listing.peek().prefix === prefix;
  // What is there stays until the new page has come, so that nothing flickers.
  listing.value = { ...listing.peek(), prefix, loading: true, error: undefined };
  if (!same) chosen.value = new Map();
  await page([], undefined);
}

/** Lists the page that follows. */
export async function more(): Promise<void> {
  const { next, loading, files, error } = listing.peek();
  if (loading || (next === undefined && error === undefined)) return;
  listing.value = { ...listing.peek(), loading: true, error: undefined };
  await page(files, next);
}

async function page(before: ListedFile[], after: string | undefined): Promise<void> {
  current?.abort();
  const mine = new AbortController();
  current = mine;
  const prefix = listing.peek().prefix;
  try {
    const found = await list(prefix, after, PAGE, mine.signal);
    if (mine.signal.aborted) return;
    settle(after, found);
    const files = before.length === 0 ? found.files : before.concat(found.files);
    listing.value = { prefix, files, next: found.next, loading: false };
  } catch (error) {
    if (mine.signal.aborted) return;
    const files = listing.peek().files;
    listing.value = {
      ...listing.peek(),
      files: before.length === 0 ? [] : files,
      loading: false,
      error,
    };
  }
}

/** No longer chosen is what a page shows to be gone, or to be another file. */
function settle(after: string | undefined, { files, next }: Page): void {
  const end = next === undefined ? undefined : files.at(-1)?.filename;
  const there = new Set(files.map((file) => file.id));
  const within = (name: string) =>
    (after === undefined || order(after, name) < 0) && (end === undefined || order(name, end) <= 0);
  keep((file) => there.has(file.id) || !within(file.filename));
}

const bytes = new TextEncoder();
/** Names are listed in the order of their bytes; that of JavaScript's texts is another. */
function order(one: string, other: string): number {
  const [a, b] = [bytes.encode(one), bytes.encode(other)];
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}

function keep(which: (file: ListedFile) => boolean): void {
  const left = [...chosen.peek()].filter(([, file]) => which(file));
  if (left.length < chosen.peek().size) chosen.value = new Map(left);
}

/** Takes files out of what is shown, by their ids. */
export function drop(ids: ReadonlySet<string>): void {
  const now = listing.peek();
  listing.value = { ...now, files: now.files.filter((file) => !ids.has(file.id)) };
  keep((file) => !ids.has(file.id));
}

/** Whoever signs in next may be another person. */
effect(() => {
  if (signIn.value === null) return;
  current?.abort();
  listing.value = { prefix: "", files: [], loading: true };
  chosen.value = new Map();
  opened.value = null;
  doomed.value = [];
});

export function choose(file: ListedFile, is: boolean): void {
  const files = new Map(chosen.peek());
  if (is) files.set(file.id, file);
  else files.delete(file.id);
  chosen.value = files;
}
