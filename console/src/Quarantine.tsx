// What is in quarantine: a list, with what can be done about each copy and about all.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Ask } from "./Ask";
import type { Adoption, Copy } from "./api";
import { count, size, some, time } from "./format";
import { adoptEverything, adopting, again, LISTED, listed, readCopies, stopAdopting } from "./held";
import { complain, say } from "./notices";
import { adopt, removeCopy } from "./operate";
import { hrefOf } from "./route";
import { Button, Refused } from "./ui";
import type { Own } from "./words";

/** What result codes mean of a copy. */
const OWN: Own = {
  2: ["This copy is no longer in quarantine", "The list is read again."],
  3: [
    "Another file has this name",
    "Delete that file first if this copy is the right one, or else remove this copy.",
  ],
};

type Asked = { remove: Copy } | "adopt all" | null;

export function Quarantine({ all }: { all: number }) {
  const [asked, setAsked] = useState<Asked>(null);
  useEffect(() => {
    void readCopies();
  }, [all]);
  const close = () => setAsked(null);
  const running = adopting.value !== null && !adopting.value.done;
  return (
    <>
      <p class="orders">
        {running ? (
          <Button onClick={stopAdopting}>Stop</Button>
        ) : (
          <Button icon="back" onClick={() => setAsked("adopt all")}>
            Adopt all
          </Button>
        )}
      </p>
      <Adopted />
      <Copies all={all} busy={running} remove={(copy) => setAsked({ remove: copy })} />
      {asked === "adopt all" && <AdoptAll all={all} close={close} />}
      {asked !== null && asked !== "adopt all" && <Remove copy={asked.remove} close={close} />}
    </>
  );
}

const keyOf = ({ node, id, generation }: Copy | Adoption) => `${node} ${id} ${generation}`;

function Copies(props: { all: number; busy: boolean; remove: (copy: Copy) => void }) {
  const { copies, loading, error } = listed.value;
  const list = useRef<HTMLUListElement>(null);
  useKept(list, copies);
  if (copies.length === 0 && error === undefined) {
    return loading ? <div class="skeleton copies" aria-busy="true" /> : null;
  }
  const more = copies.length < LISTED ? 0 : props.all - copies.length;
  return (
    <>
      {error !== undefined && (
        <div class="incomplete">
          <Refused error={error} />
          <Button icon="refresh" onClick={() => void readCopies()}>
            Try again
          </Button>
        </div>
      )}
      <ul class="copies" ref={list} tabIndex={-1} aria-label="Copies in quarantine">
        {copies.map((copy) => (
          <Row key={keyOf(copy)} copy={copy} busy={props.busy} remove={props.remove} />
        ))}
        {more > 0 && <li class="hint">and {count(more)} more, which are listed as these go</li>}
      </ul>
    </>
  );
}

/** Where the focus was in a row that has gone, it goes to the one in its place. */
function useKept(list: { current: HTMLUListElement | null }, copies: Copy[]): void {
  const at = useRef(-1);
  useEffect(() => {
    const found = list.current;
    const note = () => {
      const row = document.activeElement?.closest("li") ?? null;
      at.current = row === null ? -1 : [...(found?.children ?? [])].indexOf(row);
    };
    found?.addEventListener("focusin", note);
    return () => found?.removeEventListener("focusin", note);
  });
  useLayoutEffect(() => {
    if (at.current < 0 || document.activeElement !== document.body) return;
    const rows = list.current?.querySelectorAll<HTMLElement>(".acts button:first-child") ?? [];
    (rows[Math.min(at.current, rows.length - 1)] ?? list.current)?.focus();
  }, [copies]);
}

function Row({ copy, busy, remove }: { copy: Copy; busy: boolean; remove: (copy: Copy) => void }) {
  const [doing, setDoing] = useState(false);
  const name = copy.filename;
  const order = async () => {
    setDoing(true);
    try {
      await adopt(copy);
      say(`${name} is a file again`);
    } catch (error) {
      complain(`${name} stays in quarantine`, error, OWN);
    }
    await readCopies();
    setDoing(false);
  };
  return (
    <li>
      <div>
        <p class="name">
          <bdi>{name}</bdi>
        </p>
        <p class="hint">
          {copy.node} · {size(copy.size)} · stored {time(copy.created)}
          <br />
          {reason(copy.reason)}
        </p>
      </div>
      <span class="acts">
        <Button
          icon="back"
          label={`Make it a file again: ${name}`}
          onClick={order}
          disabled={busy || doing}
        >
          Make it a file again
        </Button>
        <Button
          icon="trash"
          kind="danger"
          label={`Remove for good: ${name}`}
          onClick={() => remove(copy)}
          disabled={busy || doing}
        >
          Remove for good
        </Button>
      </span>
    </li>
  );
}

/** Nodes write moments in milliseconds. */
function reason(text: string): string {
  return text.replace(/\b\d{13}\b/, (moment) => time(new Date(Number(moment)).toISOString()));
}

/** How the adoption of all goes, and what it kept. */
function Adopted() {
  const now = adopting.value;
  if (now === null) return null;
  const { done, adopted, kept, first } = now;
  return (
    <div class="adopted">
      <p role="status">
        {done
          ? `${again(adopted)}. ${some(kept, "copy")} ${kept === 1 ? "stays" : "stay"}:`
          : `Adopting: ${again(adopted)} so far`}
      </p>
      {kept > 0 && (
        <ul>
          {first.map((copy) => (
            <li key={keyOf(copy)}>
              <Kept copy={copy} />
            </li>
          ))}
          {kept > first.length && <li class="hint">and {count(kept - first.length)} more</li>}
        </ul>
      )}
      {done && (
        <Button
          icon="close"
          kind="quiet"
          label="Close what was kept"
          onClick={() => {
            adopting.value = null;
          }}
        />
      )}
    </div>
  );
}

function Kept({ copy }: { copy: Adoption }) {
  const why = copy.kept ?? "";
  const taken = /^File name already exists(?:: (.*))?$/.exec(why);
  return (
    <>
      <b>
        <bdi>{copy.filename}</bdi>
      </b>{" "}
      on {copy.node}:{" "}
      {taken ? (
        <>
          <a href={hrefOf("files", copy.filename)}>another file has this name</a>
          {taken[1] && <span class="detail"> ({taken[1]})</span>}
        </>
      ) : (
        why
      )}
    </>
  );
}

function AdoptAll({ all, close }: { all: number; close: () => void }) {
  return (
    <Ask
      title={`Make ${all === 1 ? "this copy" : `all ${count(all)} copies`} files again?`}
      close={close}
      icon="back"
      words={["Adopt all", "Adopting"]}
      failed="Nothing was adopted"
      order={async () => void adoptEverything()}
    >
      <p>
        Each is a file again under its own name. Of several copies of one name it is the newest. A
        copy whose name another readable file has stays in quarantine.
      </p>
      <p>Files that somebody deleted may be among them, and would be there again.</p>
    </Ask>
  );
}

function Remove({ copy, close }: { copy: Copy; close: () => void }) {
  return (
    <Ask
      title="Remove this copy for good?"
      close={close}
      icon="trash"
      danger
      words={["Remove for good", "Removing"]}
      failed={`The copy of ${copy.filename} was not removed`}
      own={OWN}
      order={async () => {
        try {
          await removeCopy(copy);
        } finally {
          void readCopies();
        }
        say(`A copy of ${copy.filename} is removed`);
      }}
    >
      <p class="whole">
        <bdi>{copy.filename}</bdi>
      </p>
      <p class="hint">
        {copy.node} · {size(copy.size)} · stored {time(copy.created)}
      </p>
      <p>Its bytes can't be had back. If no file has this name, they may be the only ones.</p>
    </Ask>
  );
}
