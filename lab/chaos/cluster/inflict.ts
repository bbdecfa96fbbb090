import { setTimeout as delay } from "node:timers/promises";
import type { Planned } from "./plan.ts";
import type { Relay } from "./relay.ts";
import type { World } from "./world.ts";

/** How long a relay stands still: less than others wait for its locks, more, and until it is dead for them. Milliseconds. */
const STOPPED_MS = [500, 4_000, 11_000];
/** How long a network carries nothing: less than the engine is waited for, more than a heartbeat, more than all. */
const STALLED_MS = [1_000, 5_000, 11_000];
const DOWN_MS = { least: 200, more: 1_500 };
/** What is on its way is collected, and comes so much later than its connection has ended. */
const COLLECTED_MS = 400;
const LATE_MS = { least: 200, more: 1_200 };
const BEFORE_FAILOVER_MS = 2_000;

/** Does what is planned. Resolves when it is over. */
export async function inflict(world: World, { fault, dice }: Planned): Promise<void> {
  const { ledger, engine, relays } = world;
  const [first, second] = dice;
  const relay = of(relays, first);
  const say = (text: string): void => {
    ledger.hit(fault);
    ledger.note(text);
  };
  switch (fault) {
    case "kill-relay":
      if (relay.signal("SIGKILL")) say(`${relay.name} is killed`);
      return;
    case "stop-relay": {
      const ms = of(STOPPED_MS, second);
      if (!relay.signal("SIGSTOP")) return;
      say(`${relay.name} stands still for ${ms} ms`);
      await delay(ms);
      relay.signal("SIGCONT");
      return;
    }
    case "kill-engine":
      say("the engine is killed");
      await engine.killAndStart(DOWN_MS.least + DOWN_MS.more * second);
      return ledger.note("the engine runs again");
    case "stall": {
      const ms = of(STALLED_MS, second);
      say(`${relay.name} and the engine hear nothing of each other for ${ms} ms`);
      relay.road.weather = { kind: "stall" };
      await delay(ms);
      relay.road.weather = { kind: "fair" };
      return;
    }
    case "cut":
      say(`${relay.name} is cut off from the engine`);
      return relay.road.cut();
    case "cut-late": {
      const ms = LATE_MS.least + LATE_MS.more * second;
      // It still hears the engine, so that it says the second half of a transaction, which is then on its way.
      relay.road.weather = { kind: "half-open", dead: "up" };
      await delay(COLLECTED_MS);
      say(`${relay.name} is cut off from the engine, which hears the rest ${Math.round(ms)} ms later`);
      relay.road.deliverLate(ms);
      relay.road.weather = { kind: "fair" };
      return delay(ms);
    }
    case "rolling":
      say("all relays are restarted in turn");
      for (const each of relays) {
        await each.stop();
        await each.ready();
      }
      return ledger.note("all relays were restarted");
    case "failover":
      await ledger.aside(engine.prepareFailover(world.isSynchronous));
      await delay(BEFORE_FAILOVER_MS);
      say("the primary is killed for good");
      await engine.failOver(world.isSynchronous);
      return ledger.note("the standby is promoted");
  }
}

function of<T extends number | Relay>(all: readonly T[], dice: number): T {
  return all[Math.floor(dice * all.length)] as T;
}
