import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBooks } from "../shared/books.ts";
import type { Letter } from "../shared/letter.ts";
import type { Bug } from "./bugs.ts";
import type { Ledger } from "./ledger.ts";
import type { Order } from "./orders.ts";
import { Process, type Hooks } from "./process.ts";
import type { Proxy } from "./proxy.ts";
import { Turns } from "./turns.ts";

const senderScript = fileURLToPath(new URL("sender.ts", import.meta.url));
const listenerScript = fileURLToPath(new URL("listener.ts", import.meta.url));
/** A copy is put back only if this device has not been replaced shortly before, by its own clock. */
const BETWEEN_COPIES_MS = 11 * 60_000;
/** States of messages of whose outcome a store may still hear. */
const OPEN = new Set(["queued", "stored", "received"]);
export const HOUR_MS = 3_600_000;

/** An agent: a store, the processes that use it, and its way to the relay. */
export class Agent {
  readonly name: string;
  readonly folder: string;
  readonly proxy: Proxy;
  readonly sender: Process;
  readonly listeners: Process[];
  /** Where its files come from, and where those that it is sent are saved. */
  readonly outFolder: string;
  readonly inFolder: string;
  /** What happens to all of it happens one after the other. */
  readonly turns = new Turns();
  readonly share: boolean;
  readonly #ledger: Ledger;
  readonly #copyFolder: string;
  #copiedAt: number | undefined;
  #replaced = 0;
  #clock = 0;
  ended = false;
  /** When a copy of its store was put back last. */
  putBackAt = 0;

  constructor(
    name: string,
    home: string,
    logs: string,
    server: string,
    proxy: Proxy,
    share: boolean,
    bug: Bug | undefined,
    ledger: Ledger,
    hooks: Hooks,
  ) {
    this.name = name;
    this.folder = join(home, name);
    this.#copyFolder = `${this.folder}.copy`;
    this.outFolder = join(home, "..", "out", name);
    this.inFolder = join(home, "..", "in", name);
    for (const folder of [this.outFolder, this.inFolder]) mkdirSync(folder, { recursive: true });
    this.proxy = proxy;
    this.share = share;
    this.#ledger = ledger;
    const process = (role: string, args: string[]) =>
      new Process(`${name}-${role}`, "agent", args, join(logs, `${name}-${role}.log`), bug, hooks);
    this.sender = process("sender", [senderScript, home, name, server]);
    this.listeners = (share ? ["listener1", "listener2"] : ["listener"]).map((role) =>
      process(role, [listenerScript, home, name, server, share ? "share" : "follow", this.inFolder]),
    );
  }

  get processes(): Process[] {
    return [this.sender, ...this.listeners];
  }

  start(process: Process): void {
    if (!this.ended && !process.running) process.start(this.#clock);
  }

  startAll(): void {
    for (const process of this.processes) this.start(process);
  }

  /** After `ready`: what it had not promised yet, and what it shall look after. */
  resume(): void {
    const { letters, watched } = this.#ledger.openOf(this.name);
    if (watched.length > 0) this.sender.order({ kind: "watch", messages: watched });
    if (letters.length > 0) this.sender.order({ kind: "send", messages: letters });
  }

  send(letter: Letter): void {
    if (this.sender.ready) this.sender.order({ kind: "send", messages: [letter] });
  }

  async kill(process: Process): Promise<void> {
    process.ready = false;
    if (!process.running) return;
    await process.end("SIGKILL");
    this.#ledger.cutShort(lifeOf(process));
  }

  async killAll(): Promise<void> {
    await Promise.all(this.processes.map((process) => this.kill(process)));
  }

  order(order: Order): boolean {
    return this.processes.map((process) => process.order(order)).some((taken) => taken);
  }

  /** Its clock from the next start on, as far from what it was as an hour. */
  setClock(offset: number): number {
    this.#clock = this.#replaced * BETWEEN_COPIES_MS + offset;
    return this.#clock;
  }

  rightClock(): void {
    this.#clock = 0;
  }

  /** Its processes must have ended. */
  copy(): void {
    rmSync(this.#copyFolder, { recursive: true, force: true });
    cpSync(this.folder, this.#copyFolder, { recursive: true });
    this.#copiedAt = Date.now();
  }

  /** Whether there is a copy that will be put back. */
  get copied(): boolean {
    return this.#copiedAt !== undefined;
  }

  /**
   * Its processes must have ended. A copy is put back once, and not if its device was replaced since: a device that was
   * replaced is refused for good. @returns whether it was put back
   */
  async putBack(): Promise<boolean> {
    const copiedAt = this.#copiedAt;
    this.#copiedAt = undefined;
    if (copiedAt === undefined) return false;
    const { sent, device } = await readBooks(this.#copyFolder);
    if (device !== (await readBooks(this.folder)).device) return false;
    for (const { id, state, by_relay: byRelay } of sent.values())
      if (OPEN.has(state) || byRelay === true) this.#ledger.forget(id, state);
    rmSync(this.folder, { recursive: true });
    cpSync(this.#copyFolder, this.folder, { recursive: true });
    this.#ledger.putBack(this.name, copiedAt);
    this.#replaced += 1;
    this.putBackAt = Date.now();
    // The latest clock that any of its lives had: by it, it was replaced long ago.
    this.setClock(HOUR_MS);
    return true;
  }
}

export function lifeOf(process: Process): string {
  return `${process.name}.${process.life}`;
}
