import type { DatabaseSync } from "node:sqlite";

export type Addresses = ReturnType<typeof addressesTable>;

/** From where accounts were registered, by number: what they leave lying here is bounded together. */
export function addressesTable(db: DatabaseSync) {
  const select = db.prepare("SELECT id FROM addresses WHERE address = ?");
  const insert = db.prepare("INSERT INTO addresses (address) VALUES (?)");

  return {
    /** The number of an address, made if there is none. */
    idOf(address: string): number {
      const row = select.get(address) as { id: number } | undefined;
      return row?.id ?? Number(insert.run(address).lastInsertRowid);
    },
  };
}
