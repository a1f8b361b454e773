// Short messages at the edge of the page; errors stay until they are closed.
import { effect, signal } from "@preact/signals";
import { signIn } from "./api";
import { type Own, type Told, told } from "./words";

export interface Notice extends Told {
  id: number;
  bad: boolean;
}

const MOST = 4;
const SECONDS = 6;

export const notices = signal<Notice[]>([]);
let next = 1;

/** They are about files of whoever is signed in. */
effect(() => {
  signIn.value;
  notices.value = [];
});

function push(notice: Omit<Notice, "id">): number {
  const id = next;
  next += 1;
  const others = notices.value.filter((other) => other.title !== notice.title);
  notices.value = [...others, { ...notice, id }].slice(-MOST);
  return id;
}

export function close(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Says that something was done. */
export function say(title: string): void {
  const id = push({ title, bad: false });
  setTimeout(() => close(id), SECONDS * 1000);
}

/** Says that something failed, and what it was. */
export function complain(what: string, error: unknown, own?: Own): void {
  const { title, help, detail } = told(error, own);
  const more = [`${title}.`, help].filter(Boolean).join(" ");
  push({ title: what, help: more, bad: true, ...(detail === undefined ? {} : { detail }) });
}
