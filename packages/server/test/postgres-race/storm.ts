import { Link } from "../../src/store/postgres/link/link.ts";
import { parseAddress } from "../../src/store/postgres/link/address.ts";
import type { Proxy } from "../../../../lab/shared/proxy.ts";
import { pause, type Race } from "./race.ts";

const KILL = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
  AND application_name LIKE 'aimessage relay % lane' AND random() < 0.7`;

/** A fault comes so many milliseconds after the one before, at most. */
const CALM_MS = 250;

/** Backends are killed, and connections cut, again and again; one store is frozen, and declared dead by the others. */
export function faults(url: string, proxies: readonly Proxy[]): (race: Race) => Promise<void> {
  return async (race) => {
    const { dice } = race;
    await using link = new Link(parseAddress(url), { settings: { search_path: "race" } });
    const sql = await link.use();
    const last = race.stores.length - 1;
    let isFrozen = false;
    for (let count = 0; !race.isOver; count++) {
      await pause(dice.below(CALM_MS));
      const proxy = proxies[dice.below(last)];
      const chance = dice.next();
      if (chance < 0.5) await sql(KILL, []);
      else if (chance < 0.8) proxy?.cut();
      else if (proxy !== undefined) {
        // What is on its way stays there for a while.
        proxy.weather = { kind: "stall" };
        await pause(dice.below(60));
        if (dice.chance(0.5)) proxy.cut();
        proxy.weather = { kind: "fair" };
      }
      if (count < 4 || isFrozen) continue;
      isFrozen = true;
      await freeze(race, last, proxies[last] as Proxy, () =>
        sql("DELETE FROM relays WHERE relay = (SELECT max(relay) FROM relays)", []),
      );
    }
  };
}

/** What it was about to do comes when it is dead already: nothing of that is done. */
async function freeze(race: Race, store: number, proxy: Proxy, bury: () => Promise<unknown>): Promise<void> {
  proxy.weather = { kind: "stall" };
  await pause(100);
  race.dead.add(store);
  await bury();
  await pause(50);
  proxy.weather = { kind: "fair" };
  race.ledger.count("buried");
}
