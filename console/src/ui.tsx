// Small parts that views share.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Own, told } from "./words";

const PATHS = {
  overview: "M4 20V10m6 10V4m6 16v-7m4 7H2",
  files: "M6 3h8l4 4v14H6zM14 3v4h4",
  problems: "M12 4 2.5 20h19zM12 10v4.5m0 2.6v.4",
  download: "M12 4v11m-4.5-4L12 15.5 16.5 11M5 20h14",
  upload: "M12 16V5m-4.5 4L12 4.5 16.5 9M5 20h14",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5.5m3-5.5v5.5",
  search: "M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zm4.8-1.7L20 20",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19 7",
  refresh: "M19 12a7 7 0 1 1-2.1-5M19 3.5V8h-4.5",
  pause: "M9 5v14M15 5v14",
  play: "M8 5l11 7-11 7z",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  light:
    "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5V5m0 14v2.5M2.5 12H5m14 0h2.5M5.3 5.3l1.7 1.7m10 10 1.7 1.7M5.3 18.7 7 17M17 7l1.7-1.7",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  auto: "M3 5h18v11H3zM9 20h6m-3-4v4",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  out: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  back: "M9 6 4 11l5 5M4.5 11H15a5 5 0 0 1 0 10h-3",
  drain: "M4 5h7v14H4zM14 12h7m-3-3.5 3.5 3.5-3.5 3.5",
  compare: "M4 5h6v14H4zM14 5h6v14h-6zM6 9h2m-2 3h2m8-3h2m-2 3h2",
  folder: "M3 6h6l2 2.5h10V19H3z",
};
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

type ButtonProps = Omit<JSX.IntrinsicElements["button"], "icon"> & {
  icon?: IconName;
  kind?: "main" | "danger" | "quiet" | "small";
  /** What it does, where there is no text. */
  label?: string;
  children?: ComponentChildren;
};

export function Button({ icon, kind, label, children, ...rest }: ButtonProps) {
  const only = children === undefined ? "only" : "";
  return (
    <button
      type="button"
      {...rest}
      class={`button ${kind ?? ""} ${only}`}
      aria-label={label}
      title={label}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A part of a whole. What it says in words stands beside it. */
export function Bar({ part, kind = "" }: { part: number; kind?: string }) {
  const width = `${Math.max(0, Math.min(1, part)) * 100}%`;
  return (
    <span class={`bar ${kind}`} aria-hidden="true">
      <span style={{ width }} />
    </span>
  );
}

export function Badge({ state }: { state: string }) {
  return <span class={`badge ${state}`}>{state}</span>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      {children}
    </div>
  );
}

/** An error in the place of what could not be shown. */
export function Wrong({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const { title, help, detail } = told(error);
  return (
    <div class="empty wrong" role="alert">
      <p class="title">{title}</p>
      {help && <p>{help}</p>}
      {detail && <p class="detail">{detail}</p>}
      {retry && (
        <Button icon="refresh" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Why an order was refused, beside what gave it. */
export function Refused({ error, own }: { error: unknown; own?: Own }) {
  const { title, help, detail } = told(error, own);
  return (
    <p class="error" role="alert">
      <span>
        <b>{title}.</b> {help} {detail && <span class="detail">{detail}</span>}
      </span>
    </p>
  );
}

/** Text that is copied by a button. */
export function Copied({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      // Without TLS there is no clipboard: the text is selected, and Ctrl-C copies it.
    }
  };
  return (
    <div class="copied">
      <input ref={field} readOnly value={text} aria-label={label} />
      <Button
        icon={done ? "check" : "copy"}
        kind="quiet"
        label={done ? `Copied: ${label}` : `Copy: ${label}`}
        onClick={copy}
      />
    </div>
  );
}

/** A dialog in front of everything; Escape closes it, and the focus goes back. */
export function Dialog(props: {
  title: string;
  close: () => void;
  question?: boolean;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const outside = (event: MouseEvent) => {
    if (event.target === dialog.current) dialog.current?.close();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      role={props.question ? "alertdialog" : undefined}
      onClose={props.close}
      onClick={outside}
    >
      <div class="dialog">
        <header>
          <h2 id="dialog-title">{props.title}</h2>
          <Button icon="close" kind="quiet" label="Close" onClick={() => dialog.current?.close()} />
        </header>
        {props.children}
      </div>
    </dialog>
  );
}
