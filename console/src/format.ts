// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const stamp = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function count(value: number): string {
  return whole.format(value);
}

/** A number with its noun: `1 file`, `1,000 files`, `2 copies`. */
export function some(value: number, noun: string): string {
  const many = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${count(value)} ${value === 1 ? noun : many}`;
}

/** A size in binary units, as the command `dfs` writes them. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** A rate of files, with a digit after the point where it is small. */
export function rate(value: number): string {
  return value >= 10 ? count(Math.round(value)) : value.toFixed(1);
}

/** A time span, rounded to what matters. */
export function span(seconds: number): string {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function time(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? rfc3339 : stamp.format(at);
}

export function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

const natural = new Intl.Collator("en", { numeric: true });

/** Compares ids so that node-9 comes before node-10. */
export function byName(a: string, b: string): number {
  return natural.compare(a, b);
}
