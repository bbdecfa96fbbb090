import { appendFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { Agent as SdkAgent, AgentError } from "@aimessage/sdk/node";
import { readBooks } from "../shared/books.ts";
import type { Letter } from "../shared/letter.ts";
import type { Proxy } from "../shared/proxy.ts";
import type { Bug } from "./bugs.ts";
import type { Ledger } from "./ledger.ts";
import type { Order } from "./orders.ts";
import { RETRY_MS } from "./patience.ts";
import { Process, type Hooks } from "./process.ts";
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
  readonly #home: string;
  readonly #server: string;
  readonly #logs: string;
  #copiedAt: number | undefined;
  #replaced = 0;
  #clock = 0;
  ended = false;
  /** Where there are teams: as the ledger's. */
  openOfTeams: Ledger["openOf"] = () => ({ letters: [], watched: [] });
  /** Since when it works with a store that was put back, or is a new one; Infinity until it does. Unix ms. */
  backAt = 0;

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
    this.#home = home;
    this.#server = server;
    this.#logs = logs;
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
    const ofTeams = this.openOfTeams(this.name);
    letters.push(...ofTeams.letters);
    watched.push(...ofTeams.watched);
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

  /** Makes it known to the relay, however long that takes. */
  async register(): Promise<void> {
    for (const options = { home: this.#home, username: this.name, server: this.#server }; ; await delay(RETRY_MS))
      try {
        return await (await SdkAgent.open(options)).close();
      } catch (error) {
        if (!(error instanceof AgentError && error.shouldRetry())) throw error;
        appendFileSync(
          `${this.#logs}/${this.name}-register.log`,
          `${new Date().toISOString()} ${error.code}: ${error.message}\n`,
        );
      }
  }

  /** One of its processes works. */
  works(): void {
    if (this.backAt === Infinity) this.backAt = Date.now();
  }

  /** Its store is a new one, of which nothing is known of before. */
  renewed(): void {
    this.#copiedAt = undefined;
    this.#ledger.putBack(this.name, 0);
    this.backAt = Infinity;
  }

  /**
   * Its processes must have ended. A copy is put back once, and not if its device was replaced since: a device that was
   * replaced is refused for good. @returns when it was made, and ids of what had not ended in it; undefined: it was not put back
   */
  async putBack(): Promise<{ copiedAt: number; open: Set<string> } | undefined> {
    const copiedAt = this.#copiedAt;
    this.#copiedAt = undefined;
    if (copiedAt === undefined) return undefined;
    const { sent, device } = await readBooks(this.#copyFolder);
    if (device !== (await readBooks(this.folder)).device) return undefined;
    const open = [...sent.values()].filter(({ state, by_relay: byRelay }) => OPEN.has(state) || byRelay === true);
    for (const { id, state } of open) this.#ledger.forget(id, state);
    rmSync(this.folder, { recursive: true });
    cpSync(this.#copyFolder, this.folder, { recursive: true });
    this.#ledger.putBack(this.name, copiedAt);
    this.#replaced += 1;
    this.backAt = Infinity;
    // The latest clock that any of its lives had: by it, it was replaced long ago.
    this.setClock(HOUR_MS);
    return { copiedAt, open: new Set(open.map(({ id }) => id)) };
  }
}

export function lifeOf(process: Process): string {
  return `${process.name}.${process.life}`;
}
