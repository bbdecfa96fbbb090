import { join } from "node:path";
import { SqliteStore } from "@aimessage/sdk/node";
import type { ConsoleWorld } from "./world.ts";

const begin = Date.now() - 3_600_000;

/** Has an agent of the console's home have so many handled messages of somebody, as if they had come a while ago. */
export async function plantMessages(
  world: ConsoleWorld,
  agent: string,
  from: string,
  count: number,
  timeOf = (at: number) => begin + at,
): Promise<void> {
  await using store = await SqliteStore.open(join(world.home, agent));
  await store.write(async (tx) => {
    const first = Number((await tx.get("meta/next-in")) ?? "1");
    for (let at = 0; at < count; at++) {
      const [seq, key] = [first + at, String(first + at).padStart(16, "0")];
      const row = {
        seq,
        id: `planted-${at}`,
        local_id: `${at.toString(16).padStart(8, "0")}${"0".repeat(24)}`,
        from,
        from_name: from,
        content_type: "text/plain",
        sent_at: timeOf(at),
        received_at: timeOf(at),
        offline: false,
        verified: false,
        state: "handled",
        settled_at: timeOf(at),
      };
      await tx.put(`in/${key}`, JSON.stringify(row));
      await tx.put(`in-body/${key}`, `message ${at}${at % 7 === 0 ? "\nwith a second line\nand a third" : ""}`);
      await tx.put(`in-id/${row.local_id}`, String(seq));
    }
    await tx.put("meta/next-in", String(first + count));
  });
}
