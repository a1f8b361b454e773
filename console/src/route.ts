// Which view is shown, kept in the fragment of the address, so that it can be linked to.
import { signal } from "@preact/signals";

export const VIEWS = ["overview", "files", "problems"] as const;
export type View = (typeof VIEWS)[number];

function read(): { view: View; prefix: string } {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const view = VIEWS.find((known) => known === path) ?? "overview";
  return { view, prefix: new URLSearchParams(query).get("prefix") ?? "" };
}

export const route = signal(read());

export function hrefOf(view: View, prefix = ""): string {
  return prefix === "" ? `#/${view}` : `#/${view}?${new URLSearchParams({ prefix })}`;
}

/** Goes to a view; what is typed into a search does not fill the history. */
export function go(view: View, prefix = "", replace = false): void {
  const href = hrefOf(view, prefix);
  if (replace) history.replaceState(null, "", href);
  else location.hash = href;
  route.value = { view, prefix };
}

window.addEventListener("hashchange", () => {
  route.value = read();
});
