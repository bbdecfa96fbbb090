import { DAY_MS } from "../../days.ts";
import type { Tables } from "../../decisions/tables.ts";
import type { PastRequest } from "../../decisions/work.ts";
import type { Boxes } from "./boxes.ts";
import { tableWrites } from "./columns.ts";
import type { Sql } from "../link/link.ts";
import { HASH_BYTES, requestHash } from "../../request-hash.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

/** Requests are known again for so long at least. Milliseconds. */
export const MEMORY_MS = 2 * DAY_MS;

/** Of ids and digests the first bytes of their SHA-256: a row is half as long. */
interface RequestRow {
  sender: number;
  id: Uint8Array;
  digest: Uint8Array;
  mailbox: number;
  seq: number;
  at: number;
  answer: string | null;
}

export const requestTable = tableWrites<RequestRow>("requests", ["sender", "id"], {
  sender: "bigint",
  id: "bytea",
  digest: "bytea",
  mailbox: "bigint",
  seq: "bigint",
  at: "bigint",
  answer: "text",
});

const SELECT = `SELECT x.sender, x.id, r.digest, r.mailbox, r.seq, r.at, r.answer,
    (SELECT e.seq FROM entries e WHERE e.mailbox = r.mailbox AND e.seq = r.seq) IS NOT NULL AS waiting
  FROM unnest($1::bigint[], $2::bytea[]) x(sender, id)
  JOIN requests r ON r.sender = x.sender AND r.id = x.id AND r.at >= $3::bigint ORDER BY r.at`;

/** What a device has sent. */
export interface RequestKey {
  sender: number;
  kind: "message" | "commit";
  id: string;
}

/** What devices have sent: by it repeats are known. */
export class Requests implements Part {
  readonly looks: Record<string, Look> = {
    request: (sql, keys) => this.read(sql, keys.map(keyFrom)),
  };
  readonly #boxes: Boxes;
  readonly #since: number;
  readonly #rows = new Rows<string, PastRequest>("request");
  readonly #waiting = new Set<string>();
  readonly #added = new Map<string, RequestRow>();

  /** @param since What is older is forgotten. */
  constructor(boxes: Boxes, since: number) {
    this.#boxes = boxes;
    this.#since = since;
  }

  async read(sql: Sql, keys: readonly RequestKey[]): Promise<void> {
    if (keys.length === 0) return;
    for (const key of keys) this.#rows.learn(textOf(key), undefined);
    const byHash = new Map(keys.map((key) => [hashKey(key.sender, hashOf(key)), key]));
    const rows = await sql<RequestRow & { waiting: boolean }>(SELECT, [
      keys.map(({ sender }) => sender),
      keys.map(hashOf),
      this.#since,
    ]);
    for (const { sender, id, waiting, answer, ...row } of rows) {
      const key = byHash.get(hashKey(sender, id));
      if (key === undefined) continue;
      this.#rows.learn(textOf(key), { ...row, answer: answer ?? undefined });
      if (waiting) this.#waiting.add(keyOf(row.mailbox, row.seq));
    }
  }

  /** Told of the time of each that is added, before it is. */
  onAdd: (at: number) => void = () => {};

  /** Whether the entry that a request stands for was there when that was read. */
  wasWaiting(mailbox: number, seq: number): boolean {
    return this.#waiting.has(keyOf(mailbox, seq));
  }

  readonly tables: Tables["requests"] = {
    find: (sender, kind, id) => this.#rows.get(textOf({ sender, kind, id })),
    add: ({ sender, kind, id, digest, mailbox, seq, at, answer }) => {
      this.onAdd(at);
      const key = { sender, kind, id };
      const short = digest.subarray(0, HASH_BYTES);
      const text = textOf(key);
      this.#rows.put(text, { digest: short, mailbox, seq, at, answer });
      this.#added.set(text, { sender, id: hashOf(key), digest: short, mailbox, seq, at, answer: answer ?? null });
    },
    setLast: (sender, id) => {
      this.#boxes.own(sender).last_request = id;
    },
    removeLast: (sender) => {
      if (this.#boxes.get(sender) !== undefined) this.#boxes.change(sender, { last_request: null });
    },
    // Whole days are dropped, by whoever sweeps.
    sweep: () => 0,
  };

  undo(): void {
    this.#rows.undo();
    this.#added.clear();
  }

  write(send: Send): void {
    if (this.#added.size > 0) send(...requestTable.insert([...this.#added.values()]));
  }
}

function textOf({ sender, kind, id }: RequestKey): string {
  return keyOf(sender, kind, id);
}

function keyFrom(text: string): RequestKey {
  const [sender, kind, id] = valuesOf(text) as [number, RequestKey["kind"], string];
  return { sender, kind, id };
}

function hashOf({ kind, id }: RequestKey): Uint8Array {
  return requestHash(kind, id);
}

function hashKey(sender: number, id: Uint8Array): string {
  return `${sender} ${Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1")}`;
}
