import { SqliteStore } from "@aimessage/sdk/node";

export interface Sent {
  seq: number;
  id: string;
  to: string;
  state: string;
  reason?: string;
  /** Only the relay has said so: what the recipient says later counts. */
  by_relay?: boolean;
  attempt: number;
}

export interface Received {
  seq: number;
  id: string;
  from: string;
  state: string;
  reason?: string;
}

/** What an agent's store says of its messages, by id. */
export interface Books {
  sent: Map<string, Sent>;
  received: Map<string, Received>;
  /** Rows that wait for something, receipts included. */
  waiting: string[];
  /** Id of its device. */
  device: string;
}

export async function readBooks(folder: string): Promise<Books> {
  await using store = await SqliteStore.open(folder);
  return store.read(async (tx) => {
    const rows = async <T>(prefix: string): Promise<T[]> =>
      (await tx.list({ prefix })).map(([, value]) => JSON.parse(value as string) as T);
    const sent = await rows<Sent & { kind: string }>("out/");
    const queued = await tx.list({ prefix: "queue/" });
    const unhandled = await tx.list({ prefix: "unhandled/" });
    const files = await tx.list({ prefix: "blob/" });
    return {
      sent: new Map(sent.filter(({ kind }) => kind === "message").map((row) => [row.id, row])),
      received: new Map((await rows<Received>("in/")).map((row) => [row.id, row])),
      waiting: [...queued, ...unhandled, ...files].map(([key]) => key),
      device: (await rows<{ id: string }>("meta/device"))[0]?.id ?? "",
    };
  });
}

/** The books of all agents, by their names. */
export async function readAllBooks(agents: Iterable<{ name: string; folder: string }>): Promise<Map<string, Books>> {
  const books = new Map<string, Books>();
  for (const { name, folder } of agents) books.set(name, await readBooks(folder));
  return books;
}
