// A question before an order, which shows how the order goes and why it was refused.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { complain } from "./notices";
import { Button, Dialog, type IconName, Refused } from "./ui";
import type { Own } from "./words";

export function Ask(props: {
  title: string;
  close: () => void;
  icon?: IconName;
  danger?: boolean;
  /** What the button is called, and while it is done. */
  words: [does: string, doing: string];
  order: () => Promise<void>;
  /** What a refusal means, where the question was closed before it came. */
  failed: string;
  own?: Own;
  children: ComponentChildren;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const gone = useRef(false);
  useEffect(
    () => () => {
      gone.current = true;
    },
    [],
  );
  const order = async () => {
    setBusy(true);
    setError(null);
    try {
      await props.order();
      if (!gone.current) props.close();
    } catch (failure) {
      if (gone.current) complain(props.failed, failure, props.own);
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} close={props.close} question>
      {props.children}
      {error !== null && <Refused error={error} {...(props.own && { own: props.own })} />}
      <footer>
        <Button onClick={props.close}>{busy ? "Close" : "Cancel"}</Button>
        <Button
          {...(props.icon && { icon: props.icon })}
          kind={props.danger ? "danger" : "main"}
          onClick={order}
          disabled={busy}
        >
          {props.words[busy ? 1 : 0]}
        </Button>
      </footer>
    </Dialog>
  );
}
