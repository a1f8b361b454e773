// The calls of the REST API. The token is kept in this module's memory and nowhere else.
import { signal } from "@preact/signals";
import type { components } from "./schema";

export type Status = components["schemas"]["Status"];
export type NodeStatus = components["schemas"]["NodeStatus"];
export type ListedFile = components["schemas"]["ListedFile"];
export type Page = components["schemas"]["Page"];
export type NewLink = components["schemas"]["NewLink"];
export type DrainLine = components["schemas"]["DrainLine"];
export type CountedDrain = components["schemas"]["CountedDrain"];
export type Abandoned = components["schemas"]["Abandoned"];
export type Copy = components["schemas"]["Copy"];
export type Adoption = components["schemas"]["Adoption"];
export type Finding = components["schemas"]["Finding"];
type ErrorBody = components["schemas"]["Error"];

/** The caller's token; gone with the page. */
export const token = signal<string | null>(null);
/** Whether the service asked for a token, and what it said to the last one. */
export const signIn = signal<{ wrong: boolean } | null>(null);

/** Why a call did not do what it was asked to. */
export class Failure extends Error {
  constructor(
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** The service's result code; 0 where it gave none. */
    readonly code: number,
    message: string,
    readonly detail?: string,
    readonly request?: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The path of a file. */
export function pathOf(name: string): string {
  return `/file/${encodeURIComponent(name)}`;
}

/** Whether a header can carry a token: visible characters of ASCII. */
export function sendable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** The headers that say who calls. */
export function authorization(): Record<string, string> {
  return token.value === null ? {} : { Authorization: `Bearer ${token.value}` };
}

/** The failure that an answer reports; its text may be missing, as for HEAD. */
export function failureOf(
  status: number,
  text: string,
  header: (name: string) => string | null,
): Failure {
  let body: Partial<ErrorBody> = {};
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null) body = found;
  } catch {
    // Of a proxy, or of a HEAD: the status has to do.
  }
  const code = body.code ?? (status === 401 || status === 403 ? 7 : status === 404 ? 2 : 0);
  const wait = Number(header("retry-after"));
  const again = wait > 0 ? wait : undefined;
  const request = header("x-request-id") ?? undefined;
  if (status === 401) {
    signIn.value = { wrong: token.value !== null };
    token.value = null;
  }
  return new Failure(
    status,
    code,
    body.message ?? `HTTP ${status}`,
    body.detail ?? undefined,
    request,
    again,
  );
}

/** Calls the service; an answer that is no success is a [[Failure]]. */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
  let response: Response;
  try {
    response = await fetch(path, { cache: "no-store", ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Failure(0, 0, "The manager does not answer");
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  throw failureOf(response.status, text, (name) => response.headers.get(name));
}

/** One page of the listing. */
export async function list(
  prefix: string,
  after: string | undefined,
  limit: number,
  signal: AbortSignal,
): Promise<Page> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (prefix !== "") query.set("prefix", prefix);
  if (after !== undefined) query.set("after", after);
  const response = await call(`/files?${query}`, {
    headers: { Accept: "application/json" },
    signal,
  });
  return response.json();
}

/** Deletes this very file: one that has its name by now stays. */
export async function remove(file: ListedFile): Promise<void> {
  await call(pathOf(file.filename), {
    method: "DELETE",
    headers: { "If-Match": `"${file.id}"` },
  });
}

/** A link to fetch a file. */
export async function link(name: string, expires: string): Promise<NewLink> {
  const response = await call(`${pathOf(name)}/link`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ method: "GET", expires }),
  });
  return response.json();
}

/** Has the browser fetch a file to its disk: it never passes through this page. */
export async function download(name: string): Promise<void> {
  let href = pathOf(name);
  if (token.value === null) {
    // A refused download would be silent. Not HEAD, whose errors have no code.
    await call(href, { headers: { Range: "bytes=0-0" } }).catch((error) => {
      // An empty file has no first byte.
      if (!(error instanceof Failure && error.status === 416)) throw error;
    });
  } else {
    const url = new URL((await link(name, "1m")).url, location.href);
    href = url.pathname + url.search;
  }
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

/** Random hex digits; `crypto.randomUUID` is there over TLS alone. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
