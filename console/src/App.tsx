// The frame around the views: navigation, the connection, notices, drops and keys.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failure, signIn, token } from "./api";
import { dropped } from "./dropped";
import { Files } from "./Files";
import { problems } from "./findings";
import { count, some } from "./format";
import { Help } from "./Help";
import { connection, follow, retryNow, status } from "./live";
import { close, complain, type Notice, notices } from "./notices";
import { Overview } from "./Overview";
import { Problems } from "./Problems";
import { add, discard, summary, unstored } from "./queue";
import { go, hrefOf, route, VIEWS, type View } from "./route";
import { SignIn } from "./SignIn";
import { shortcuts, type Theme, theme } from "./settings";
import { Button, Dialog, Empty, Icon, type IconName } from "./ui";
import { told } from "./words";

export function App() {
  const help = useSignal(false);
  const leaving = useSignal(false);
  const over = useSignal(false);
  useDrops(over);
  useEffect(() => {
    follow();
  }, []);
  useEffect(() => {
    const press = (event: KeyboardEvent) =>
      shortcut(event, () => {
        help.value = true;
      });
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [help]);
  const closed = signIn.value !== null;
  useEffect(() => {
    if (closed) leaving.value = false;
  }, [closed, leaving]);
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <header class="top">
        <span class="brand">
          <Mark />
          <span>Distributed file server</span>
        </span>
        {!closed && <Navigation />}
        <div class="right">
          {!closed && <Connected />}
          <ThemeButton />
          <Button
            icon="keys"
            kind="quiet"
            label="Keyboard"
            onClick={() => {
              help.value = true;
            }}
          />
          {token.value !== null && (
            <Button
              icon="out"
              kind="quiet"
              label="Sign out"
              onClick={() => {
                if (unstored() === 0) signOut();
                else leaving.value = true;
              }}
            />
          )}
        </div>
      </header>
      {closed ? <SignIn /> : <Main over={over} />}
      <Notices />
      {leaving.value && !closed && (
        <Leave
          close={() => {
            leaving.value = false;
          }}
        />
      )}
      {help.value && (
        <Help
          close={() => {
            help.value = false;
          }}
        />
      )}
    </>
  );
}

function Main({ over }: { over: { value: boolean } }) {
  const { view } = route.value;
  const hidden = connection.value.is === "hidden";
  useEffect(() => {
    document.title = `${TITLES[view]} · Distributed file server`;
  }, [view]);
  return (
    <main id="main" tabIndex={-1} class={view}>
      <Lost />
      {view === "files" ? (
        <Files />
      ) : hidden ? (
        <NoStatus />
      ) : view === "overview" ? (
        <Overview />
      ) : (
        <Problems />
      )}
      {over.value && (
        <div class="drop" aria-hidden="true">
          <Icon name="upload" />
          <p>Drop to upload</p>
        </div>
      )}
    </main>
  );
}

const TITLES: Record<View, string> = { overview: "Overview", files: "Files", problems: "Problems" };
const ICONS: Record<View, IconName> = {
  overview: "overview",
  files: "files",
  problems: "problems",
};

function Navigation() {
  const now = status.value;
  const found = now === null ? 0 : problems(now).length;
  return (
    <nav aria-label="Views">
      {VIEWS.map((view) => (
        <a
          key={view}
          href={hrefOf(view)}
          aria-current={route.value.view === view ? "page" : undefined}
        >
          <Icon name={ICONS[view]} />
          {TITLES[view]}
          {view === "problems" && found > 0 && (
            <span class="count">
              {found}
              <span class="sr"> found</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9.25 15.5v8M16 8.5v15M22.75 12.5v11" />
    </svg>
  );
}

function Connected() {
  const { is } = connection.value;
  const words = { connecting: "Connecting", live: "Live", lost: "Offline", hidden: "Files alone" }[
    is
  ];
  return (
    <span class={`pill ${is}`} role="status">
      <span class="dot" aria-hidden="true" />
      {words}
    </span>
  );
}

/** What is shown is old while the manager is away. */
function Lost() {
  const now = connection.value;
  if (now.is !== "lost") return null;
  const { title, help } = told(now.why);
  const since = new Date(now.since).toLocaleTimeString();
  return (
    <div class="banner" role="alert">
      <Icon name="problems" />
      <p>
        <b>{title}.</b> {status.value !== null && `What you see is from ${since}. `}
        {help}
      </p>
      <Button icon="refresh" onClick={retryNow}>
        Try now
      </Button>
    </div>
  );
}

function NoStatus() {
  return (
    <section class="card">
      <Empty title="Your token does not show the service's status">
        <p>
          It lacks the right <code>admin</code>. Files work as far as its other rights go.
        </p>
        <Button kind="main" onClick={() => go("files")}>
          Show the files
        </Button>
      </Empty>
    </section>
  );
}

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

function ThemeButton() {
  const now = theme.value;
  return (
    <Button
      icon={now}
      kind="quiet"
      label={`Colours: ${now === "auto" ? "as the system" : now}`}
      onClick={() => {
        theme.value = NEXT[now];
      }}
    />
  );
}

/** A screen reader hears errors at once, and the rest when it has a moment. */
function Notices() {
  const all = notices.value;
  return (
    <div class="notices">
      {all.filter(({ bad }) => bad).map(shownNotice)}
      <div role="status">{all.filter(({ bad }) => !bad).map(shownNotice)}</div>
    </div>
  );
}

function shownNotice(notice: Notice) {
  return (
    <div
      key={notice.id}
      class={`notice ${notice.bad ? "bad" : ""}`}
      role={notice.bad ? "alert" : undefined}
    >
      <Icon name={notice.bad ? "problems" : "check"} />
      <div>
        <p class="title">{notice.title}</p>
        {notice.help && <p>{notice.help}</p>}
        {notice.detail && <p class="detail">{notice.detail}</p>}
      </div>
      <Button
        icon="close"
        kind="quiet"
        label="Close the message"
        onClick={() => close(notice.id)}
      />
    </div>
  );
}

/** Files that are dropped anywhere go into the queue; before the sign-in they go nowhere. */
function useDrops(over: { value: boolean }): void {
  useEffect(() => {
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const drag = (event: DragEvent) => {
      if (!files(event)) return;
      // Else the browser would leave the page, and show what is dropped.
      event.preventDefault();
      if (signIn.peek() === null) over.value = true;
      else if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "none";
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) over.value = false;
    };
    const drop = (event: DragEvent) => {
      over.value = false;
      if (!files(event) || event.dataTransfer === null) return;
      event.preventDefault();
      if (signIn.peek() !== null) return;
      go("files", route.peek().prefix);
      void take(event.dataTransfer);
    };
    window.addEventListener("dragover", drag);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }, [over]);
}

async function take(transfer: DataTransfer): Promise<void> {
  const by = token.peek();
  const { files, unread } = await dropped(transfer);
  // Large folders take a while, and another person may have signed in.
  if (token.peek() !== by) {
    complain("What was dropped is not in the queue", new Failure(401, 7, "Not authorized"));
    return;
  }
  add(files);
  if (unread.length === 0) return;
  const what =
    unread.length === 1 ? "1 file or folder" : `${count(unread.length)} files or folders`;
  complain(`${what} can't be read, and ${unread.length === 1 ? "is" : "are"} left out`, unread[0]);
}

function shortcut(event: KeyboardEvent, help: () => void): void {
  const target = event.target instanceof HTMLElement ? event.target : null;
  const typing = target?.matches("input:not([type=checkbox]), select, textarea") ?? false;
  const other = event.ctrlKey || event.metaKey || event.altKey;
  const busy = document.querySelector("dialog[open]") !== null || signIn.peek() !== null;
  if (typing || other || busy || !shortcuts.peek()) return;
  const view = VIEWS[Number(event.key) - 1];
  if (view !== undefined) go(view);
  else if (event.key === "?") help();
  else if (event.key === "/") {
    if (route.peek().view !== "files") go("files");
    setTimeout(() => document.getElementById("search")?.focus());
  } else if (event.key === "u") {
    if (route.peek().view !== "files") go("files");
    setTimeout(() => document.getElementById("pick-files")?.click());
  } else return;
  event.preventDefault();
}

function skip(): void {
  document.getElementById("main")?.focus();
}

/** Asks before a queue is lost by signing out. */
function Leave({ close }: { close: () => void }) {
  const { all, stored } = summary.value;
  return (
    <Dialog title="Sign out?" close={close} question>
      <p>{some(all - stored, "file")} in the queue would not be stored.</p>
      <footer>
        <Button onClick={close}>Cancel</Button>
        <Button icon="out" kind="danger" onClick={signOut}>
          Sign out
        </Button>
      </footer>
    </Dialog>
  );
}

/** The next person must not send what this one left. */
function signOut(): void {
  token.value = null;
  discard();
  signIn.value = { wrong: false };
}
