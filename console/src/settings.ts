// What this browser remembers: how the page appears. Never a token.
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without storage it holds for this page.
  }
}

const known = stored("theme");
export const theme = signal<Theme>(known === "light" || known === "dark" ? known : "auto");
/** Whether single keys are shortcuts; they can get in the way of speech input. */
export const shortcuts = signal(stored("shortcuts") !== "off");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  store("theme", theme.value);
});
effect(() => store("shortcuts", shortcuts.value ? "on" : "off"));
