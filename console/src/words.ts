// What went wrong, in plain words, and what helps.
import { Failure } from "./api";
import { BROKE_OFF } from "./stream";

export interface Told {
  title: string;
  help?: string;
  /** What the service itself says, and the request's id in its logs. */
  detail?: string;
}

function words(failure: Failure): [string, string?] {
  if (failure.status === 0) {
    return ["The manager does not answer", "Check that it runs and that this network reaches it."];
  }
  if (failure.status === BROKE_OFF) {
    return ["The answer broke off", "What is shown is not complete. Try again in a moment."];
  }
  if (failure.status === 412) return ["The file has changed meanwhile", "Refresh the list."];
  switch (failure.code) {
    case 1:
      return ["No server can do this now", "Try again in a moment."];
    case 2:
      return ["There is no such file", "It may have been deleted meanwhile. Refresh the list."];
    case 3:
      return ["A file of this name exists", "Take another name, or delete the file first."];
    case 4:
      return [
        "The file can't be read now",
        "Its node is unavailable, or the file is damaged. Try again later; Problems names it if it is damaged.",
      ];
    case 5:
      return ["The service failed", "Its logs have the reason under the request's id."];
    case 7:
      return failure.status === 401
        ? ["The service does not know this token", "Sign in with another one."]
        : ["You may not do this", "Your token lacks the right. Whoever made it can give it more."];
    case 8:
      return ["There is no room", "Delete files, or add nodes or disks."];
    case 9:
      return ["The service is busy", "Try again in a moment."];
    default:
      if (failure.status === 429) return ["The service is busy", "Try again in a moment."];
      return failure.status >= 500
        ? ["The manager can't be reached", "A proxy on the way answered in its place."]
        : ["The service refused this"];
  }
}

/** What a result code means of one order, where that is more than what it always means. */
export type Own = Partial<Record<number, [title: string, help?: string]>>;

/** An error as people read it. */
export function told(error: unknown, own: Own = {}): Told {
  if (!(error instanceof Failure)) return { title: String(error) };
  const [title, help] = own[error.code] ?? words(error);
  const parts = [error.detail, error.request && `request ${error.request}`].filter(Boolean);
  return {
    title,
    ...(help === undefined ? {} : { help }),
    ...(parts.length === 0 ? {} : { detail: parts.join(", ") }),
  };
}

/** The prefix that a refused caller is bound to, where the service named it. */
export function ownPrefix(error: unknown): string | undefined {
  if (!(error instanceof Failure) || error.status !== 403) return undefined;
  const quoted = /only names that begin with ("(?:[^"\\]|\\.)*")/.exec(error.detail ?? "")?.[1];
  try {
    return quoted === undefined ? undefined : JSON.parse(quoted);
  } catch {
    return undefined;
  }
}
