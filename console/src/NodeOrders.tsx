// What can be ordered of a node: a drain, its end, and giving it up.
import { useState } from "preact/hooks";
import { Abandon } from "./Abandon";
import { Ask } from "./Ask";
import type { NodeStatus } from "./api";
import { size, some } from "./format";
import { status } from "./live";
import { complain, say } from "./notices";
import { cancelDrain, drain } from "./operate";
import { Button } from "./ui";
import type { Own } from "./words";

/** What result codes mean of a drain. */
const OWN: Own = {
  1: ["That can't be done now", "Nothing was changed. Try again in a moment."],
  8: [
    "There is no room for its files on the other nodes",
    "Nothing was changed. Add nodes or disks, or delete files.",
  ],
};

/** The one order that makes sense of a node as it is. */
export function NodeOrder({ node }: { node: NodeStatus }) {
  if (node.state === "unavailable") return <GiveUp node={node.id} small />;
  const drained = status.value?.drains.some((drain) => drain.node === node.id) ?? false;
  return drained || node.state === "draining" ? <Cancel node={node.id} /> : <Drain node={node} />;
}

function Drain({ node }: { node: NodeStatus }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <Button kind="small" label={`Drain ${node.id}`} onClick={() => setAsked(true)}>
        Drain
      </Button>
      {asked && <DrainQuestion node={node} close={() => setAsked(false)} />}
    </>
  );
}

function DrainQuestion({ node, close }: { node: NodeStatus; close: () => void }) {
  return (
    <Ask
      title={`Drain ${node.id}?`}
      close={close}
      icon="drain"
      words={["Drain", "Ordering the drain"]}
      own={OWN}
      failed={`${node.id} is not drained`}
      order={async () => {
        await drain(node.id);
        say(`${node.id} is being drained`);
      }}
    >
      <p>
        {node.files === 0
          ? "It has no files."
          : `Its ${some(node.files, "file")}, ${size(node.bytes)}, ${
              node.files === 1 ? "goes" : "go"
            } to other nodes, and can be read meanwhile.`}{" "}
        It takes no new ones, also after a restart.
      </p>
      <p>
        Once it is empty it can be stopped for good. A drain can be cancelled: the node then takes
        files again, and what has moved stays where it is.
      </p>
    </Ask>
  );
}

function Cancel({ node }: { node: string }) {
  const [busy, setBusy] = useState(false);
  const order = async () => {
    setBusy(true);
    try {
      await cancelDrain(node);
      say(`${node} takes files again`);
    } catch (error) {
      complain(`The drain of ${node} was not cancelled`, error, OWN);
    }
    setBusy(false);
  };
  return (
    <Button kind="small" label={`Cancel drain of ${node}`} onClick={order} disabled={busy}>
      Cancel drain
    </Button>
  );
}

/** Opens what giving up a node costs. */
export function GiveUp({ node, small = false }: { node: string; small?: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button
        kind={small ? "small" : "danger"}
        label={`Give up… ${node}`}
        onClick={() => setOpen(true)}
      >
        Give up…
      </Button>
      {open && <Abandon node={node} close={() => setOpen(false)} />}
    </>
  );
}
