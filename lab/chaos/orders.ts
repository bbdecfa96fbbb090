import type { Letter } from "../shared/letter.ts";

/** What the driver tells its processes over IPC. */
export type Order =
  /** A write is refused: the one that comes `after` so many others, at the commit or before. */
  | { kind: "refuse"; at: "commit" | "run"; after: number; errcode: number; rollBack: boolean }
  | { kind: "full"; ms: number }
  | { kind: "die"; when: "before" | "after"; after: number }
  | { kind: "sync" }
  /** Milliseconds by which the clock is wrong from now on. */
  | { kind: "clock"; offset: number }
  | { kind: "lift" }
  /** To a sender. */
  | { kind: "send"; messages: Letter[] }
  | { kind: "watch"; messages: Watched[] }
  | { kind: "change"; change: TeamChange };

/** A change of a team, which is known by what it is about. */
export interface TeamChange {
  id: string;
  team: string;
  what: "create" | "add" | "remove" | "promote" | "demote" | "rename" | "leave";
  names: string[];
  name?: string;
}

/** A message that a sender has sent, and shall say what becomes of. */
export interface Watched {
  id: string;
  /** Until it is handled, and not only until it is stored. */
  toTheEnd: boolean;
}

/** What the processes print, a line each. */
export type Line =
  | { kind: "ready" }
  /** Of a sender: what the SDK has promised. `lost`: the store does not know what it had promised to keep. */
  | { kind: "queued" | "stored" | "handled" | "lost"; id: string }
  | { kind: "ended"; id: string; code: string; reason?: string }
  /** It is in no team that the message is for, and has not taken it. */
  | { kind: "unsent"; id: string; reason: string }
  /** What became of a change of a team; `unclear`: it may be made yet. */
  | { kind: "changed" | "unchanged" | "unclear"; id: string; reason?: string }
  /** Of a listener: handed to the handler; the handler's success or failure is on disk. */
  | { kind: "got"; id: string; from: string; body: string }
  /** A file of a message is in its folder. */
  | { kind: "saved"; id: string; path: string }
  | { kind: "done"; id: string }
  /** The program cannot go on and ends. */
  | { kind: "error"; code: string; message: string };

export function print(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
