// What is in quarantine, as far as it is listed, and what came of adopting all of it.
import { effect, signal } from "@preact/signals";
import { type Adoption, type Copy, signIn } from "./api";
import { count, some } from "./format";
import { connection } from "./live";
import { complain, say } from "./notices";
import { adoptAll, copies } from "./operate";

/** Copies that are listed. */
export const LISTED = 200;
/** Copies that stayed, of which the reason is shown. */
const NAMED = 100;

interface Listed {
  copies: Copy[];
  loading: boolean;
  error?: unknown;
}
const NONE: Listed = { copies: [], loading: true };

export const listed = signal(NONE);
let reading: AbortController | null = null;

/** Reads the list; what is shown stays until the new one is whole. */
export async function readCopies(): Promise<void> {
  reading?.abort();
  const mine = new AbortController();
  reading = mine;
  const before = listed.peek().copies;
  listed.value = { copies: before, loading: true };
  const found: Copy[] = [];
  try {
    await copies(LISTED, mine.signal, (more) => {
      found.push(...more);
      if (before.length === 0) listed.value = { copies: [...found], loading: true };
    });
    listed.value = { copies: found, loading: false };
  } catch (error) {
    if (mine.signal.aborted) return;
    listed.value = { copies: found.length > 0 ? found : before, loading: false, error };
  }
}

interface Adopting {
  done: boolean;
  adopted: number;
  kept: number;
  /** The first that stayed. */
  first: Adoption[];
}

/** The adoption of all copies that goes on, or that ended and kept some. */
export const adopting = signal<Adopting | null>(null);
let adoption: AbortController | null = null;

export async function adoptEverything(): Promise<void> {
  const mine = new AbortController();
  adoption = mine;
  let now: Adopting = { done: false, adopted: 0, kept: 0, first: [] };
  adopting.value = now;
  let failed: { error: unknown } | null = null;
  try {
    await adoptAll(mine.signal, (told) => {
      now = counted(now, told);
      adopting.value = now;
    });
  } catch (error) {
    failed = { error };
  }
  // Stopped, or forgotten: then somebody else may look.
  if (adoption !== mine) return;
  adoption = null;
  adopting.value = now.kept > 0 ? { ...now, done: true } : null;
  void readCopies();
  const sum = `${again(now.adopted)}${now.kept > 0 ? `, ${count(now.kept)} in quarantine still` : ""}`;
  if (failed === null) say(sum);
  else if (mine.signal.aborted) say(`Stopped: ${sum}`);
  else complain(`Not all copies were adopted: ${sum}`, failed.error);
}

/** Adds what became of copies. */
function counted(before: Adopting, told: Adoption[]): Adopting {
  const kept = told.filter(({ adopted }) => !adopted);
  return {
    done: false,
    adopted: before.adopted + told.length - kept.length,
    kept: before.kept + kept.length,
    first: [...before.first, ...kept].slice(0, NAMED),
  };
}

export function again(files: number): string {
  return `${some(files, "copy")} ${files === 1 ? "is a file" : "are files"} again`;
}

/** Adopts no more; what is adopted stays so. */
export function stopAdopting(): void {
  adoption?.abort();
}

/** Whoever signs in next may be another person. */
effect(() => {
  if (signIn.value === null && connection.value.is !== "hidden") return;
  reading?.abort();
  adoption?.abort();
  adoption = null;
  adopting.value = null;
  listed.value = NONE;
});
