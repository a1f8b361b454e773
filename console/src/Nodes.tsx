// The table of nodes.
import { useState } from "preact/hooks";
import type { NodeStatus } from "./api";
import { emptied } from "./emptied";
import { byName, count, percent, size } from "./format";
import { NodeOrder } from "./NodeOrders";
import { Badge, Bar, Empty } from "./ui";

type Key = "id" | "pool" | "state" | "files" | "bytes" | "free";
const COLUMNS: { key: Key; name: string; number?: boolean; wide?: boolean }[] = [
  { key: "id", name: "Node" },
  { key: "pool", name: "Pool", wide: true },
  { key: "state", name: "State" },
  { key: "files", name: "Files", number: true },
  { key: "bytes", name: "Stored", number: true, wide: true },
  { key: "free", name: "Free", number: true },
];
/** With so many nodes there is a filter. */
const FILTERED = 8;

function compare(a: NodeStatus, b: NodeStatus, key: Key): number {
  const [left, right] = [a[key], b[key]];
  const order =
    typeof left === "number" && typeof right === "number"
      ? left - right
      : byName(String(left), String(right));
  return order || byName(a.id, b.id);
}

export function Nodes({ nodes }: { nodes: NodeStatus[] }) {
  const [sort, setSort] = useState<{ key: Key; down: boolean }>({ key: "id", down: false });
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLowerCase();
  const shown = nodes
    .filter((node) => `${node.id} ${node.pool} ${node.state}`.toLowerCase().includes(wanted))
    .sort((a, b) => compare(a, b, sort.key) * (sort.down ? -1 : 1));
  const most = Math.max(1, ...nodes.map((node) => node.files));
  const by = (key: Key) => setSort({ key, down: sort.key === key && !sort.down });
  return (
    <section class="card" aria-labelledby="nodes">
      <header>
        <h2 id="nodes">Nodes</h2>
        {nodes.length > FILTERED && (
          <input
            type="search"
            class="filter"
            placeholder="Filter by name, pool or state"
            aria-label="Filter nodes by name, pool or state"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        )}
      </header>
      {shown.length === 0 ? (
        <Empty title={nodes.length === 0 ? "No node has joined" : "No node fits the filter"} />
      ) : (
        <table class="nodes">
          <thead>
            <tr>
              {COLUMNS.map(({ key, name, number, wide }) => (
                <th
                  key={key}
                  scope="col"
                  class={`${number ? "number" : ""} ${wide ? "wide" : ""}`}
                  aria-sort={sort.key !== key ? undefined : sort.down ? "descending" : "ascending"}
                >
                  <button type="button" onClick={() => by(key)}>
                    {name}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((node) => (
              <Row key={node.id} node={node} most={most} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ node, most }: { node: NodeStatus; most: number }) {
  const here = node.state !== "unavailable";
  const used = node.capacity === 0 ? 0 : 1 - node.free / node.capacity;
  const full = used > 0.95 ? "bad" : used > 0.85 ? "warn" : "";
  return (
    <tr class={here ? "" : "away"}>
      <th scope="row">
        <span class="id">{node.id}</span>
        {notes(node).map(([text, kind]) => (
          <span key={text} class={`note ${kind}`}>
            {text}
          </span>
        ))}
      </th>
      <td class="wide">{node.pool}</td>
      <td>
        <span class="state">
          <Badge state={node.state} />
          <NodeOrder node={node} />
        </span>
      </td>
      <td class="number">
        {here ? count(node.files) : "unknown"}
        {here && <Bar part={node.files / most} kind={node.state} />}
      </td>
      <td class="number wide">{here ? size(node.bytes) : "unknown"}</td>
      <td class="number">
        {here ? size(node.free) : "unknown"}
        {here && <span class="hint wide"> of {size(node.capacity)}</span>}
        {here && <Bar part={used} kind={full} />}
      </td>
    </tr>
  );
}

/** What is special about a node, in a few words. */
function notes(node: NodeStatus): [string, string][] {
  const found: [string, string][] = [];
  if (node.refused !== undefined) found.push(["refused", "bad"]);
  if (node.read_only) found.push(["read-only", "bad"]);
  if (node.disk_silent_seconds >= 3) found.push(["disk silent", "bad"]);
  if (node.corrupt > 0) found.push([`${count(node.corrupt)} damaged`, "bad"]);
  if (node.quarantined > 0) found.push([`${count(node.quarantined)} in quarantine`, "warn"]);
  if (node.troubles !== undefined && node.troubles.length > 0) found.push(["trouble", "warn"]);
  if (node.state !== "unavailable" && !node.merged) found.push(["being compared", ""]);
  if (emptied.value.has(node.id)) found.push(["empty, can be stopped", ""]);
  const { done } = node.scrub;
  if (done > 0 && done < 1) found.push([`scrub ${percent(done)}`, ""]);
  return found;
}
