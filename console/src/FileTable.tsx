// The rows of the listing. Of a long list only those are in the page that can be seen;
// the keys move one row, one screen, or to either end.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { download, type ListedFile } from "./api";
import { size, time } from "./format";
import { choose, chosen, doomed, listing, more, opened } from "./listing";
import { complain } from "./notices";
import { Button, Wrong } from "./ui";

/** Pixels of a row, as the style has it. */
const ROW = 40;
/** Rows in the page above and below those that can be seen. */
const BEYOND = 10;
/** So many rows before its end the next page is fetched. */
const AHEAD = 60;

export function FileTable() {
  const { files, next, loading, error, prefix } = listing.value;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [active, setActive] = useState(0);
  /** The same at once: keys may come faster than the page is drawn. */
  const at = useRef(0);
  const activate = (row: number) => {
    at.current = row;
    setActive(row);
  };
  /** Whether the keys have moved, so that the focus has to follow. */
  const moved = useRef(false);
  /** Whether a row had the focus when the list was scrolled. */
  const held = useRef(false);
  const look = () => {
    const found = box.current;
    if (!found) return;
    held.current = found.querySelector("tbody :focus") !== null;
    setView({ top: found.scrollTop, height: found.clientHeight });
  };
  useLayoutEffect(() => {
    look();
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, []);
  useEffect(() => {
    at.current = 0;
    setActive(0);
    if (box.current) box.current.scrollTop = 0;
  }, [prefix]);
  const first = Math.max(0, Math.floor(view.top / ROW) - BEYOND);
  const last = Math.min(files.length, Math.ceil((view.top + view.height) / ROW) + BEYOND);
  useEffect(() => {
    if (last + AHEAD >= files.length && next !== undefined && error === undefined) void more();
  }, [last, files.length, next, error]);
  useLayoutEffect(() => {
    if (!moved.current) return;
    const row = box.current?.querySelector<HTMLElement>(`[data-row="${at.current}"]`);
    if (!row) return;
    moved.current = false;
    row.focus();
  });
  // The row of the tab key: the active one, or one that can be seen once that is scrolled away.
  const seen = {
    from: Math.ceil(view.top / ROW),
    to: Math.floor((view.top + view.height) / ROW) - 2,
  };
  const current =
    active >= first && active < last
      ? active
      : Math.max(0, Math.min(files.length - 1, seen.to, Math.max(seen.from, active)));
  useLayoutEffect(() => {
    if (!held.current || moved.current) return;
    held.current = false;
    if (box.current?.contains(document.activeElement)) return;
    const row = box.current?.querySelector<HTMLElement>(`[data-row="${current}"]`);
    row?.focus({ preventScroll: true });
  });
  const move = (to: number) => {
    const row = Math.max(0, Math.min(files.length - 1, to));
    reveal(box.current, row);
    moved.current = true;
    activate(row);
    look();
  };
  const rows = files.slice(first, last);
  const page = Math.max(1, Math.floor(view.height / ROW) - 2);
  return (
    <div class="box" ref={box} onScroll={look}>
      <table
        class="files"
        aria-rowcount={next === undefined ? files.length + 1 : -1}
        onKeyDown={(event) =>
          keys(event, Math.min(at.current, files.length - 1), page, files, move)
        }
      >
        <Head />
        <Space rows={first} />
        <tbody>
          {rows.map((file, below) => (
            <Row
              key={file.id}
              file={file}
              row={first + below}
              active={first + below === current}
              activate={activate}
            />
          ))}
        </tbody>
        <Space rows={files.length - last} />
      </table>
      {error !== undefined && <Wrong error={error} retry={() => void more()} />}
      {next !== undefined && error === undefined && (
        <div class="more">
          <Button onClick={() => void more()} disabled={loading}>
            {loading ? "Loading more" : "Load more"}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Scrolls a row into view below the head, and above the end. */
function reveal(box: HTMLElement | null, row: number): void {
  if (box === null) return;
  const top = row * ROW;
  const room = box.clientHeight - 2 * ROW;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top > box.scrollTop + room) box.scrollTop = top - room;
}

function keys(
  event: KeyboardEvent,
  row: number,
  page: number,
  files: ListedFile[],
  move: (to: number) => void,
): void {
  const steps: Record<string, number> = {
    ArrowDown: row + 1,
    ArrowUp: row - 1,
    PageDown: row + page,
    PageUp: row - page,
    Home: 0,
    End: files.length - 1,
  };
  const to = steps[event.key];
  const file = files[row];
  if (to !== undefined) move(to);
  else if (event.key === "Delete" && file) {
    const many = chosen.peek();
    doomed.value = many.size > 0 ? [...many.values()] : [file];
  } else return;
  event.preventDefault();
}

function Head() {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th class="pick">
          <span class="sr">Choose</span>
        </th>
        <th scope="col">Name</th>
        <th scope="col" class="number">
          Size
        </th>
        <th scope="col" class="wide">
          Stored
        </th>
        <th scope="col" class="wide">
          Node
        </th>
        <th class="acts">
          <span class="sr">Actions</span>
        </th>
      </tr>
    </thead>
  );
}

/** Room of rows that are not in the page. */
function Space({ rows }: { rows: number }) {
  if (rows <= 0) return null;
  return (
    <tbody class="space" aria-hidden="true">
      <tr>
        <td style={{ height: `${rows * ROW}px` }} />
      </tr>
    </tbody>
  );
}

function Row(props: {
  file: ListedFile;
  row: number;
  active: boolean;
  activate: (row: number) => void;
}) {
  const { file, row, active } = props;
  const name = file.filename;
  const stop = active ? 0 : -1;
  const fetchIt = () => download(name).catch((error) => complain(`${name} was not fetched`, error));
  return (
    <tr
      aria-rowindex={row + 2}
      class={chosen.value.has(file.id) ? "chosen" : ""}
      onFocusCapture={() => props.activate(row)}
    >
      <td class="pick">
        <input
          type="checkbox"
          tabIndex={stop}
          aria-label={`Choose ${name}`}
          checked={chosen.value.has(file.id)}
          onChange={(event) => choose(file, event.currentTarget.checked)}
        />
      </td>
      <td class="name">
        <button
          type="button"
          data-row={row}
          tabIndex={stop}
          title={name}
          onClick={() => {
            opened.value = file;
          }}
        >
          <bdi>{name}</bdi>
        </button>
      </td>
      <td class="number">{size(file.size)}</td>
      <td class="wide">{time(file.created)}</td>
      <td class="wide">{file.node}</td>
      <td class="acts">
        <Button
          icon="download"
          kind="quiet"
          label={`Download ${name}`}
          tabIndex={stop}
          onClick={fetchIt}
        />
        <Button
          icon="trash"
          kind="quiet"
          label={`Delete ${name}`}
          tabIndex={stop}
          onClick={() => {
            doomed.value = [file];
          }}
        />
      </td>
    </tr>
  );
}
