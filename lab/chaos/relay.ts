import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { builtRelay } from "../../test/built.ts";
import type { Bug } from "./bugs.ts";
import { Process, type Hooks } from "./process.ts";
import { Turns } from "./turns.ts";

/** Faults make many connections, openings and claims of honest agents; all other limits are as they are by default. */
const ROOM_FOR_FAULTS = [
  "--claims-per-hour=100000",
  "--publishes-per-hour=100000",
  "--connections-per-second=0",
  "--address-connections-per-second=0",
  "--address-claims-per-second=0",
];

/** The relay under test. */
export class Relay {
  readonly process: Process;
  readonly folder: string;
  readonly turns = new Turns();
  ended = false;
  #clock = 0;

  constructor(folder: string, logs: string, port: number, proxies: number[], bug: Bug | undefined, hooks: Hooks) {
    this.folder = folder;
    const names = [port, ...proxies].flatMap((own) => ["--public-url", `ws://127.0.0.1:${own}/ws`]);
    const args = [builtRelay(), "--port", String(port), "--db", folder, ...ROOM_FOR_FAULTS, ...names];
    this.process = new Process("relay", "relay", args, join(logs, "relay.log"), bug, hooks);
  }

  start(): void {
    if (!this.ended && !this.process.running) this.process.start(this.#clock);
  }

  setClock(offset: number): void {
    this.#clock = offset;
  }

  /** Ids of all messages on its disk. It must have ended. */
  stored(): Set<string> {
    const copy = mkdtempSync(join(tmpdir(), "aimessage-chaos-relay-"));
    try {
      for (const file of ["relay.db", "relay.db-wal"])
        if (existsSync(join(this.folder, file))) cpSync(join(this.folder, file), join(copy, file));
      const db = new DatabaseSync(join(copy, "relay.db"));
      const rows = db.prepare("SELECT message_id AS id FROM entries").all() as { id: string }[];
      db.close();
      return new Set(rows.map(({ id }) => id.replace(/--\d+$/, "")));
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
}
