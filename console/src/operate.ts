// What whoever operates the service orders: calls that need the right `admin`.
import {
  type Abandoned,
  type Adoption,
  type Copy,
  type CountedDrain,
  call,
  type Finding,
} from "./api";
import { lines } from "./stream";

function json(body: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

/** How drains stand, by what the records say too. */
export async function drains(): Promise<CountedDrain[]> {
  return (await (await call("/drains")).json()).drains;
}

export async function drain(node: string): Promise<void> {
  await call("/drains", json({ nodes: [node] }));
}

export async function cancelDrain(node: string): Promise<void> {
  await call(`/drains?${new URLSearchParams({ node })}`, { method: "DELETE" });
}

/** What giving a node up would cost; nothing is changed. */
export async function costOf(node: string): Promise<Abandoned> {
  return (await call("/abandon", json({ node }))).json();
}

/** Gives a node up at the cost that was shown, and at no other. */
export async function abandon({ node, volume, files }: Abandoned): Promise<Abandoned> {
  return (await call("/abandon", json({ node, volume, lose_files: files }))).json();
}

/** The first copies in quarantine. */
export function copies(
  limit: number,
  stop: AbortSignal,
  take: (found: Copy[]) => void,
): Promise<void> {
  return lines(`/quarantine?limit=${limit}`, {}, stop, take);
}

const named = ({ node, id, generation }: Copy) => ({ node, id, generation });

export async function adopt(copy: Copy): Promise<void> {
  await call("/quarantine/adopt", json(named(copy)));
}

export async function removeCopy(copy: Copy): Promise<void> {
  const { node, id, generation } = named(copy);
  const query = new URLSearchParams({ node, id, generation: String(generation) });
  await call(`/quarantine?${query}`, { method: "DELETE" });
}

/** Makes all copies files again that can be, and hands on what became of each. */
export function adoptAll(stop: AbortSignal, take: (told: Adoption[]) => void): Promise<void> {
  return lines("/quarantine/adopt-all", json({}), stop, take);
}

/** Compares disks and records. */
export function fsck(stop: AbortSignal, take: (found: Finding[]) => void): Promise<void> {
  return lines("/fsck", {}, stop, take);
}
