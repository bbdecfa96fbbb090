/** A store of which somebody keeps a copy after each of its transactions: all that a member of a group has ever had. */
import { createHash } from "node:crypto";
import type { ClientStore, ReadTransaction, Value } from "../../src/store/store.ts";
import { statesIn } from "./attacker.ts";

/** What the copies have that opens anything, each once, in the order in which it came. */
export class Copies {
  /** States of MLS groups in one piece, and those behind commits that were pending. */
  readonly states = new Map<string, Uint8Array>();
  /** Private parts of key packages. */
  readonly packages = new Map<string, Uint8Array>();
  /** Whatever stands in a record and is as long as a key. */
  readonly keys = new Map<string, Uint8Array>();
  readonly #seen = new Set<string>();

  async add(tx: ReadTransaction): Promise<void> {
    const rows = await tx.list({ prefix: "" });
    const fresh = rows.filter(([key, value]) => this.#isNew(key, value));
    for (const [key, value] of fresh) this.#look(key, value);
    if (fresh.some(([key]) => /^(mls|tree|ratchet)\//.test(key)))
      for (const state of (await statesIn(tx)).values()) keep(this.states, state);
  }

  #isNew(key: string, value: Value): boolean {
    const word = `${key} ${digest(value)}`;
    if (this.#seen.has(word)) return false;
    this.#seen.add(word);
    return true;
  }

  #look(key: string, value: Value): void {
    if (key.startsWith("next/")) keep(this.states, Buffer.from(value as Uint8Array));
    if (key.startsWith("key-secret/")) keep(this.packages, Buffer.from(value as Uint8Array));
    if (typeof value !== "string") return;
    for (const [text] of value.matchAll(/[A-Za-z0-9+/]{43}=/g)) keep(this.keys, Buffer.from(text, "base64"));
  }
}

function digest(value: Value): string {
  return createHash("sha256").update(value).digest("base64");
}

function keep(all: Map<string, Uint8Array>, bytes: Uint8Array): void {
  all.set(digest(bytes), new Uint8Array(bytes));
}

/** The store, as its agent has it. */
export function copying(store: ClientStore): { store: ClientStore; copies: Copies } {
  const copies = new Copies();
  const write: ClientStore["write"] = (work, options) =>
    store.write(async (tx) => {
      const result = await work(tx);
      await copies.add(tx);
      return result;
    }, options);
  const copied = new Proxy(store, {
    get(target, name) {
      if (name === "write") return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    },
  });
  return { store: copied, copies };
}
