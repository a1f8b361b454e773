// Gives up a node that is lost for good, once somebody has typed what that costs.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Abandoned } from "./api";
import { count, size, some } from "./format";
import { complain, say } from "./notices";
import { abandon, costOf } from "./operate";
import { Button, Dialog, Refused } from "./ui";
import type { Own } from "./words";

/** What result codes mean of this order. */
const OWN: Own = {
  1: ["That can't be done now", "Try again in a moment: what was begun goes on."],
  6: ["The node was not given up", "Something is not as it was shown."],
};

/** The number that somebody typed, with or without commas; NaN for anything else. */
function typed(text: string): number {
  const digits = text.replaceAll(/[\s,]/g, "");
  return /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
}

export function Abandon({ node, close }: { node: string; close: () => void }) {
  const [cost, setCost] = useState<Abandoned | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const gone = useRef(false);
  const ask = () => costOf(node).then(setCost, setError);
  useEffect(() => {
    void ask();
    return () => {
      gone.current = true;
    };
  }, []);
  const order = async (shown: Abandoned) => {
    setBusy(true);
    setError(null);
    try {
      const { files } = await abandon(shown);
      say(`${node} is given up${files > 0 ? `: ${some(files, "file")} lost` : ""}`);
      if (!gone.current) close();
    } catch (failure) {
      if (gone.current) complain(`${node} was not given up`, failure, OWN);
      setError(failure);
      setBusy(false);
      void ask();
    }
  };
  return (
    <Dialog title={`Give up ${node}?`} close={close}>
      {cost === null && error === null && (
        <p class="hint" role="status">
          Counting what that would cost
        </p>
      )}
      {cost !== null && <Cost cost={cost} />}
      {error !== null && <Refused error={error} own={OWN} />}
      {cost !== null && <Confirm cost={cost} busy={busy} close={close} order={order} />}
    </Dialog>
  );
}

function Cost({ cost: { files, bytes, names, unfinished } }: { cost: Abandoned }) {
  return (
    <>
      {files === 0 ? (
        <p>No file is lost by it: none has its only copy there.</p>
      ) : (
        <p>
          <b>
            {some(files, "file")}, {size(bytes)}, {files === 1 ? "is" : "are"} lost
          </b>{" "}
          by it, for good: their only copy is there.
        </p>
      )}
      {names.length > 0 && (
        <ul class="lost">
          {names.map((name) => (
            <li key={name}>
              <bdi>{name}</bdi>
            </li>
          ))}
          {files > names.length && <li class="hint">and {count(files - names.length)} more</li>}
        </ul>
      )}
      {unfinished > 0 && (
        <p>
          {count(unfinished)} {unfinished === 1 ? "upload or delete" : "uploads and deletes"} under
          way there {unfinished === 1 ? "ends" : "end"} too, for which no success was returned.
        </p>
      )}
      <p>
        If its disk may come back, wait: then nothing is lost. The order goes on to its end, also
        where this page is closed.
      </p>
    </>
  );
}

function Confirm(props: {
  cost: Abandoned;
  busy: boolean;
  close: () => void;
  order: (cost: Abandoned) => void;
}) {
  const { cost, busy } = props;
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const right = typed(text) === cost.files;
    setWrong(!right);
    if (right) props.order(cost);
  };
  return (
    <form onSubmit={submit} autocomplete="off" class="confirm">
      <label for="lose-files">To confirm, type the number of files that are lost</label>
      <input
        id="lose-files"
        inputMode="numeric"
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setWrong(false);
        }}
        aria-invalid={wrong}
        aria-describedby={wrong ? "lose-files-wrong" : undefined}
      />
      {wrong && (
        <p id="lose-files-wrong" class="error" role="alert">
          <span>
            <b>That is another number.</b> {some(cost.files, "file")} would be lost. Nothing was
            changed.
          </span>
        </p>
      )}
      <footer>
        <Button onClick={props.close}>{busy ? "Close" : "Cancel"}</Button>
        <Button kind="danger" type="submit" disabled={busy || text.trim() === ""}>
          {busy ? "Giving it up" : "Give it up"}
        </Button>
      </footer>
    </form>
  );
}
