// What needs somebody, found in the status; pure. What helps is what docs/failures.md says.
import type { NodeStatus, Status } from "./api";
import { count, some, span } from "./format";

export interface Problem {
  id: string;
  bad: boolean;
  title: string;
  /** What it means, and what to do. */
  text: string;
  /** What the service says of it. */
  said?: string[];
  /** Files, and how many there are beyond those that are named. */
  files?: { names: string[]; more: number };
  /** What can be done about it here. */
  order?: { giveUp: string } | "quarantine";
}

/** A disk that does not answer for so long takes no files. */
const SILENT = 3;

export function problems(status: Status): Problem[] {
  return [...ofStore(status), ...status.nodes.flatMap(ofNode), ...ofFiles(status)];
}

function ofStore(status: Status): Problem[] {
  const found: Problem[] = [];
  if (status.store_away !== undefined) {
    found.push({
      id: "store-away",
      bad: true,
      title: "The metadata store is away",
      text: "Files that were read lately are still served. Nothing is stored, deleted or moved until the store answers again.",
      said: [status.store_away],
    });
  }
  if (status.store_full !== undefined) {
    found.push({
      id: "store-full",
      bad: true,
      title: "The disk of the metadata store is nearly full",
      text: "New files are refused. Reads and deletes work. Make room on that disk; uploads then work again at once.",
      said: [status.store_full],
    });
  }
  if (status.set_back !== undefined) {
    found.push({
      id: "set-back",
      bad: true,
      title: "The store was set back to an earlier state",
      text: "Nothing settles, moves or is deleted until every node was compared with it.",
      said: [status.set_back],
    });
  }
  return found;
}

function ofNode(node: NodeStatus): Problem[] {
  const found: Problem[] = [];
  const add = (
    kind: string,
    bad: boolean,
    title: string,
    text: string,
    more: Partial<Problem> = {},
  ) => found.push({ id: `${kind}-${node.id}`, bad, title, text, ...more });
  if (node.refused !== undefined) {
    const text =
      "Somebody came under this name and was not let in. Check its volume and its address.";
    add("refused", true, `${node.id} is refused`, text, { said: [node.refused] });
  } else if (node.state === "unavailable") {
    add(
      "away",
      true,
      `${node.id} is unavailable`,
      "Its files can't be read until it is back, and nothing of it is lost by that. New files go to the other nodes. Start its process, and look at its log. Only if its disk is lost for good, or if it was drained before, give it up: what that would lose is shown first.",
      { order: { giveUp: node.id } },
    );
  }
  if (node.read_only) {
    const said = node.read_only_why === undefined ? [] : [node.read_only_why];
    const text =
      "It serves what its disk can read and takes no files. Repair the disk, then restart the node.";
    add("read-only", true, `${node.id} is read-only`, text, { said });
  }
  if (node.disk_silent_seconds >= SILENT) {
    const title = `The disk of ${node.id} has not answered for ${span(node.disk_silent_seconds)}`;
    add(
      "silent",
      true,
      title,
      "It takes no files until the disk answers again, which it notices by itself.",
    );
  }
  if (node.troubles !== undefined && node.troubles.length > 0) {
    const title = `${node.id} leaves something on its disk alone`;
    const text =
      "These entries can't be used. Look at the paths on the node; everything else works.";
    add("troubles", false, title, text, { said: node.troubles });
  }
  return found;
}

function ofFiles(status: Status): Problem[] {
  const found: Problem[] = [];
  const named = (damaged: Status["missing"]) => ({
    names: damaged.names,
    more: damaged.files - damaged.names.length,
  });
  if (status.missing.files > 0) {
    found.push({
      id: "missing",
      bad: true,
      title: `${some(status.missing.files, "file")} missing on disk`,
      text: "Their node does not have the bytes. Put them back from a copy of its disk while the node is stopped, or delete what is lost.",
      files: named(status.missing),
    });
  }
  if (status.corrupt.files > 0) {
    found.push({
      id: "corrupt",
      bad: true,
      title: `${some(status.corrupt.files, "file")} damaged`,
      text: "Their bytes are not those that were stored. They are kept and not served. Delete them, or restore their bytes on the node: the next scrub then serves them again.",
      files: named(status.corrupt),
    });
  }
  if (status.quarantined > 0) {
    found.push({
      id: "quarantine",
      bad: false,
      title: `${count(status.quarantined)} in quarantine`,
      text: "Bytes that no record lists. They are never served, and stay until somebody decides.",
      order: "quarantine",
    });
  }
  if (status.stuck.files > 0) {
    found.push({
      id: "stuck",
      bad: false,
      title: `${some(status.stuck.files, "file")} can't be moved now`,
      text: "They stay where they are and are served. Each is tried again by itself, at the latest after ten minutes.",
      said: status.stuck.first.map((file) => `${file.name} on ${file.node}: ${file.why}`),
    });
  }
  return found;
}
