/**
 * Loaded into an agent's process before its program: tells the driver by what each epoch of a team is known there, and what was sent
 * again to one member alone, as the store is told.
 */
import { StatementSync } from "node:sqlite";

/** What a store has been told. Keys and values as they stand in `records/tables.ts`. */
export type Tapped = { kind: "epoch"; group: string; state: string } | { kind: "again"; seq: number; name: string };

/** Epochs of teams, of which the state comes next, and those that were told. */
const entered = new Map<string, number>();
const told = new Map<string, number>();

// oxlint-disable-next-line typescript/unbound-method -- it is called with the statement that it is of
const run = StatementSync.prototype.run;
StatementSync.prototype.run = function (this: StatementSync, ...values: Parameters<typeof run>) {
  const [key, value] = values as unknown[];
  if (typeof key === "string") look(key, value);
  return run.apply(this, values);
} as typeof run;

function look(key: string, value: unknown): void {
  const [table = "", of = "", name = ""] = key.split("/");
  if (table === "team-group" && typeof value === "string")
    entered.set(of, (JSON.parse(value) as { epoch: number }).epoch);
  else if (table === "mls" && value instanceof Uint8Array && entered.get(of) !== told.get(of)) {
    told.set(of, entered.get(of) ?? 0);
    tell({ kind: "epoch", group: of, state: Buffer.from(value).toString("base64") });
  } else if (table === "to" && typeof value === "string" && value.includes('"times"'))
    tell({ kind: "again", seq: Number(of), name });
}

function tell(tapped: Tapped): void {
  process.send?.({ tapped });
}
