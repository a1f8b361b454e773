// Asks for a token. It stays in this page's memory, and is gone when the page is left.
import { useState } from "preact/hooks";
import { call, Failure, sendable, signIn, token } from "./api";
import { some } from "./format";
import { follow } from "./live";
import { discard, summary } from "./queue";
import { Button, Icon } from "./ui";
import { told } from "./words";

export function SignIn() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(
    signIn.peek()?.wrong ? new Failure(401, 7, "Not authorized") : null,
  );
  const submit = async (event: Event) => {
    event.preventDefault();
    const given = text.trim();
    if (given === "") return;
    if (!sendable(given)) {
      setError("A token has no spaces, and no signs beyond ASCII. Copy it anew");
      return;
    }
    setBusy(true);
    token.value = given;
    try {
      await call("/status", { headers: { Accept: "application/json" } });
      enter();
    } catch (failure) {
      // Who may not see the status is known all the same.
      if (failure instanceof Failure && failure.status === 403) return enter();
      token.value = null;
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <main class="sign-in" id="main">
      <form class="card" onSubmit={submit} autocomplete="off">
        <h1>Sign in</h1>
        <p>This service asks who calls. Paste a token that it knows.</p>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="one-time-code"
          spellcheck={false}
          value={text}
          onInput={(input) => setText(input.currentTarget.value)}
          aria-invalid={error !== null}
          aria-describedby={error === null ? "token-kept" : "token-error token-kept"}
        />
        {error !== null && (
          <p id="token-error" class="error" role="alert">
            <Icon name="problems" />
            <span>
              <b>{told(error).title}.</b> {told(error).help}
            </span>
          </p>
        )}
        <Button kind="main" type="submit" disabled={busy || text.trim() === ""}>
          {busy ? "Signing in" : "Sign in"}
        </Button>
        <p id="token-kept" class="hint">
          The token stays in the memory of this page. It is gone after a reload, and nothing stores
          it.
        </p>
        <Kept />
      </form>
    </main>
  );
}

/** A queue that was under way when the token was no longer known. */
function Kept() {
  const { all, stored } = summary.value;
  const left = all - stored;
  if (left === 0) return null;
  return (
    <>
      <p class="hint">
        {some(left, "file")} of whoever was signed in {left === 1 ? "is" : "are"} not stored. The
        queue waits, and goes on when you resume it.
      </p>
      <Button onClick={discard}>Empty the queue</Button>
    </>
  );
}

function enter(): void {
  signIn.value = null;
  follow();
}
