import { list, pad, parse } from "../../src/records/records.ts";
import type { OrderRecord } from "../../src/records/team-records.ts";
import type { World } from "./world.ts";

/** How far an agent has seen the order of its only group's present epoch: what is known of it, and the hash of its last place in hex. */
export function orderOf(world: World, username: string): Promise<OrderRecord & { epoch: number; hash: string }> {
  return world.memory(username).read(async (tx) => {
    const team = (await list(tx, "team-group/")).find(({ state }) => state === "open");
    const at = `${team?.id ?? ""}/${pad(team?.epoch ?? 0)}`;
    const record = parse("order/", (await tx.get(`order/${at}`)) ?? "{}") as OrderRecord;
    const pages = await tx.list({ prefix: `order-page/${at}/` });
    const last = (pages.at(-1)?.[1] ?? new Uint8Array()) as Uint8Array;
    return { ...record, epoch: team?.epoch ?? 0, hash: Buffer.from(last.slice(-32)).toString("hex") };
  });
}

/** Alerts on a relay that lies to groups. */
export const LIES = ["withheld", "relay_equivocates", "relay_mismatch", "relay_fork"];
