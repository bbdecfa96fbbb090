import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import type { ModelTeams } from "./team-model.ts";

/** Teams and their members lie on the disk as the model has them. */
export function compareTables(path: string, teams: ModelTeams): void {
  const db = new DatabaseSync(join(path, "relay.db"), { readOnly: true });
  try {
    const all = [...teams.all.values()];
    const rows = db.prepare("SELECT group_id, epoch, pos FROM groups WHERE team = 1 ORDER BY group_id").all();
    const wanted = all.map(({ id, epoch, said }) => ({ group_id: id, epoch, pos: said.get(epoch) ?? 0 }));
    expect(rows.map((row) => ({ group_id: row["group_id"], epoch: row["epoch"], pos: row["pos"] }))).toEqual(
      wanted.toSorted((one, other) => (one.group_id < other.group_id ? -1 : 1)),
    );
    const members = db
      .prepare(
        `SELECT group_id || ' ' || mailbox || ' ' || name || ' ' || device || ' ' || joined AS member,
          lapsed IS NOT NULL AS lapsed, adder FROM members WHERE name IS NOT NULL`,
      )
      .all();
    const model = all.flatMap(({ id, members: own }) =>
      own.map(({ mailbox, name, device, joined, lapsed, adder }) => ({
        member: [id, mailbox, name, device, joined].join(" "),
        lapsed: lapsed ? 1 : 0,
        adder: adder?.sender ?? null,
      })),
    );
    const found = members.map((row) => ({ member: row["member"], lapsed: row["lapsed"], adder: row["adder"] }));
    expect(found.toSorted(byText)).toEqual(model.toSorted(byText));
  } finally {
    db.close();
  }
}

function byText(one: { member: unknown }, other: { member: unknown }): number {
  return String(one.member) < String(other.member) ? -1 : 1;
}
