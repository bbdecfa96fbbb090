import * as fc from "fast-check";
import type { RelayStore } from "../../src/store/store.ts";
import type { Model } from "./model.ts";
import type { Places } from "./places.ts";

/** The store, and how it is closed and opened again. */
export interface Real {
  store: RelayStore;
  places: Places;
  /** Of mailboxes that are listened to. */
  claims: Map<number, number>;
  reopen: () => Promise<void>;
  /** Looks at what lies on the disk. */
  look: () => void;
}
export type Command = fc.AsyncCommand<Model, Real>;

/** Something that is done to both, and a sentence that shrinks to a story. */
export function command(story: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => story };
}

/** A mailbox of a name: mostly the present one, at times one that is no more; 0 if it never had one. */
export function boxOf(model: Model, name: string, old: boolean): number {
  const boxes = [...model.boxes].filter(([, box]) => box.name === name.toLowerCase()).map(([mailbox]) => mailbox);
  const present = model.account(name);
  return old || present === undefined || present.kind === "removed" ? (boxes[0] ?? 0) : present.mailbox;
}

/** 32 bytes that stand for a key. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(32).slice(0, 32));
}

// Two of them mostly: stories in which nobody knows the other are short.
export const name = fc.constantFrom("Alice", "Alice", "bob", "bob", "ALICE", "BOB", "Carol", "dave");
export const old = fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
export const group = fc.constantFrom("g", "h");
export const id = fc.constantFrom("1", "2", "3", "4", "5", "6", "7", "8");
export const off = fc.constantFrom(0, 0, 0, 0, -1, -2, 1);
export const expires = fc.constantFrom(undefined, undefined, undefined, 0, 1000, 3600_000);
export const address = fc.constantFrom("", "192.0.2.1", "192.0.2.1", "192.0.2.2");
