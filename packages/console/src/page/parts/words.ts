/** How times, sizes and states are written. */

const DAY_MS = 86_400_000;

/** The time of today, and with its day of any other. */
export function when(at: number, now = Date.now()): string {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date(now).toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (isToday) return time;
  const isRecent = now - at < 180 * DAY_MS;
  const day = date.toLocaleDateString([], isRecent ? { day: "numeric", month: "short" } : { dateStyle: "medium" });
  return `${day}, ${time}`;
}

export function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  for (const [unit, of] of [
    ["KiB", 1_024],
    ["MiB", 1_048_576],
  ] as const)
    if (bytes < of * 1_024) return `${(bytes / of).toFixed(1)} ${unit}`;
  return `${(bytes / 1_073_741_824).toFixed(1)} GiB`;
}

export function milliseconds(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

export function many(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** How far a file is that was sent. */
export const FILE_STATES: Record<string, string> = {
  up: "sent",
  fetched: "saved by the other side",
  failed: "not sent",
};

/** What a state of a message that was sent means, as somebody would say it who does not know the word. */
const STATES: Record<string, string> = {
  queued: "It waits here, and is sent when the relay can be reached.",
  stored: "It is on the relay's disk. The other side has not got it yet.",
  received: "The other side has it, decrypted and on its disk. Nobody has handled it yet.",
  handled: "The other side's handler has said that it is done.",
  expired: "Its time was over before it was handled.",
  refused: "It was refused, and is not delivered.",
  failed: "It was not delivered, or the other side has given it up.",
};

/** And of one that has come. */
const STATES_HERE: Record<string, string> = {
  unhandled: "It waits for somebody to handle it here.",
  handled: "It was handled here, and its sender has been told.",
  failed: "It was given up here, and its sender has been told.",
};

export function meaningOf(kind: string, state: string): string {
  return (kind === "came" ? STATES_HERE : STATES)[state] ?? state;
}

/** Names and names of files: what cannot be seen, or turns the direction of what stands beside it, is shown as a dot; spaces of all kinds as one. */
export function visible(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u2800\u115f\u1160\u3164\uffa0]/gu, "\u00b7")
    .replaceAll(/\p{Zs}+/gu, " ");
}
