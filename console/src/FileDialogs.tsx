// The details of one file, its link, and the question before files are deleted.
import { useEffect, useRef, useState } from "preact/hooks";
import { download, type ListedFile, link, type NewLink, pathOf, remove, token } from "./api";
import { count, size, some, time } from "./format";
import { doomed, drop, opened } from "./listing";
import { complain, say } from "./notices";
import { Button, Copied, Dialog, Refused } from "./ui";

export function Details({ file }: { file: ListedFile }) {
  const [error, setError] = useState<unknown>(null);
  const fetchIt = () => {
    setError(null);
    download(file.filename).catch(setError);
  };
  const close = () => {
    opened.value = null;
  };
  return (
    <Dialog title="File" close={close}>
      <p class="whole">
        <bdi>{file.filename}</bdi>
      </p>
      <dl class="facts">
        <dt>Size</dt>
        <dd>
          {size(file.size)} <span class="hint">({some(file.size, "byte")})</span>
        </dd>
        <dt>Stored</dt>
        <dd>{time(file.created)}</dd>
        <dt>Node</dt>
        <dd>{file.node}</dd>
        {file.content_type !== undefined && (
          <>
            <dt>Type</dt>
            <dd>{file.content_type}</dd>
          </>
        )}
        <dt>SHA-256</dt>
        <dd>
          <Copied text={file.sha256} label="SHA-256" />
        </dd>
        <dt>Id</dt>
        <dd>
          <Copied text={file.id} label="Id" />
        </dd>
      </dl>
      <Linked name={file.filename} />
      {error !== null && <Refused error={error} />}
      <footer>
        <Button
          icon="trash"
          kind="danger"
          onClick={() => {
            close();
            doomed.value = [file];
          }}
        >
          Delete
        </Button>
        <Button icon="download" kind="main" onClick={fetchIt}>
          Download
        </Button>
      </footer>
    </Dialog>
  );
}

const TIMES: [string, string][] = [
  ["15m", "15 minutes"],
  ["1h", "an hour"],
  ["1day", "a day"],
  ["7days", "a week"],
];

/** A link for somebody without a token; without authentication the address is enough. */
function Linked({ name }: { name: string }) {
  const [lasts, setLasts] = useState("1h");
  const [made, setMade] = useState<NewLink | null>(null);
  const [error, setError] = useState<unknown>(null);
  if (token.value === null) {
    return (
      <fieldset>
        <legend>Address</legend>
        <Copied text={location.origin + pathOf(name)} label="Address" />
        <p class="hint">Whoever reaches this service may fetch it: it asks nobody for a token.</p>
      </fieldset>
    );
  }
  const make = () => {
    setError(null);
    link(name, lasts).then(setMade, setError);
  };
  return (
    <fieldset>
      <legend>Link for somebody without a token</legend>
      <div class="row">
        <label for="lasts">It lasts</label>
        <select id="lasts" value={lasts} onChange={(event) => setLasts(event.currentTarget.value)}>
          {TIMES.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
        <Button icon="link" onClick={make}>
          Make a link
        </Button>
      </div>
      {made && (
        <div role="status">
          <Copied text={made.url} label="Link" />
          <p class="hint">
            Whoever has it may fetch this very file until {time(made.expires)}. It can't be taken
            back before, except by deleting the file.
          </p>
        </div>
      )}
      {error !== null && <Refused error={error} />}
    </fieldset>
  );
}

/** Names that the question shows. */
const NAMED = 5;
/** Deletes at once. */
const AT_ONCE = 4;

export function Question({ files }: { files: ListedFile[] }) {
  const [done, setDone] = useState<number | null>(null);
  const stop = useRef(false);
  const close = () => {
    doomed.value = [];
  };
  // However the question goes away, no more files are deleted.
  useEffect(
    () => () => {
      stop.current = true;
      close();
    },
    [],
  );
  const one = files.length === 1 ? files[0] : undefined;
  const all = async () => {
    setDone(0);
    const gone = await removeAll(files, stop, setDone);
    drop(gone);
    if (stop.current) {
      say(`Stopped: ${count(gone.size)} of ${some(files.length, "file")} deleted`);
      return;
    }
    if (gone.size > 0) say(`${some(gone.size, "file")} deleted`);
    close();
  };
  return (
    <Dialog
      title={one ? "Delete this file?" : `Delete ${some(files.length, "file")}?`}
      close={close}
      question
    >
      <ul class="doomed">
        {files.slice(0, NAMED).map((file) => (
          <li key={file.id}>
            <bdi>{file.filename}</bdi>
          </li>
        ))}
        {files.length > NAMED && <li class="hint">and {count(files.length - NAMED)} more</li>}
      </ul>
      <p>This can't be undone. There is no other copy.</p>
      <footer>
        <Button onClick={close}>{done === null ? "Cancel" : "Stop"}</Button>
        <Button icon="trash" kind="danger" onClick={all} disabled={done !== null}>
          {done === null ? "Delete" : `Deleting, ${count(done)} of ${count(files.length)}`}
        </Button>
      </footer>
    </Dialog>
  );
}

/** Deletes a few at a time until it is stopped; gives the ids of those that are gone. */
async function removeAll(
  files: ListedFile[],
  stop: { current: boolean },
  progress: (done: number) => void,
): Promise<Set<string>> {
  const gone = new Set<string>();
  const left = [...files];
  let failed = 0;
  let why: unknown;
  const worker = async () => {
    while (!stop.current) {
      const file = left.shift();
      if (file === undefined) return;
      try {
        await remove(file);
        gone.add(file.id);
      } catch (error) {
        failed += 1;
        why = error;
      }
      if (!stop.current) progress(gone.size + failed);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failed > 0) {
    const first = files.length === 1 ? files[0]?.filename : some(failed, "file");
    complain(`${first} ${failed === 1 ? "was" : "were"} not deleted`, why);
  }
  return gone;
}
