import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { integrity } from "../stores.ts";
import { Relay, type Surroundings } from "./relay.ts";
import type { Findings } from "./relay-log.ts";
import { idsOf, type Relays, STORED } from "./relays.ts";

/** One relay with a database in its own folder. */
export class OneRelay implements Relays {
  readonly all: readonly [Relay];
  readonly port: number;
  readonly haveDisks = true;
  readonly turns = [];
  readonly #folder: string;

  constructor(surroundings: Surroundings) {
    this.port = surroundings.port;
    this.#folder = surroundings.folder;
    this.all = [new Relay({ name: "relay", port: this.port, place: ["--db", this.#folder], surroundings })];
    this.all[0].start();
  }

  async ask<R>(sql: string): Promise<R[]> {
    using db = new DatabaseSync(join(this.#folder, "relay.db"), { readOnly: true, timeout: 2_000 });
    return db.prepare(sql).all() as R[];
  }

  async stored(): Promise<Set<string>> {
    const copy = mkdtempSync(join(tmpdir(), "aimessage-chaos-relay-"));
    try {
      for (const file of ["relay.db", "relay.db-wal"])
        if (existsSync(join(this.#folder, file))) cpSync(join(this.#folder, file), join(copy, file));
      using db = new DatabaseSync(join(copy, "relay.db"));
      return idsOf(db.prepare(STORED).all() as { id: string }[]);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  explains(): boolean {
    return false;
  }

  lift(): void {}

  async findings(): Promise<Findings> {
    const found = integrity(this.#folder, "relay.db");
    return { violations: found === "ok" ? [] : [`relay.db is damaged: ${found}`], counts: {} };
  }

  async end(): Promise<void> {}
}
