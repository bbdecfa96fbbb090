/** What is done to several relays, their engine, and the network between. */
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../../../test/waiting.ts";
import type { ClusterFault } from "../plan.ts";
import type { World } from "../world.ts";
import type { Cluster } from "./cluster.ts";
import type { Relay } from "./relay.ts";

/** The engine is mostly back soon, and rarely so late that what waits for it is refused. Milliseconds. */
const ENGINE_DOWN_MS = 17_000;
/** A relay is away for some seconds, or, in this part of the cases, for so long that others take it for dead. */
const LONG = 0.15;
const SHORT_MS = 4_000;
const LONG_MS = 9_000;
/** From here on it may be taken for dead: machines are slow, and another fault may follow at once. */
const MISSED_MS = 3_000;
const START_MS = 60_000;

interface Dealt {
  fault: ClusterFault;
  relay: Relay;
  dice: [number, number, number];
}

/** Resolves when it is over. */
export async function inflictCluster(
  world: World,
  cluster: Cluster,
  { fault, relay, dice: [first, second] }: Dealt,
): Promise<void> {
  const [turns] = cluster.turns;
  const ms = first < LONG ? LONG_MS + second * SHORT_MS : 300 + second * SHORT_MS;
  switch (fault) {
    case "kill-engine":
      if (turns?.idle !== true) return;
      world.hit(fault);
      return turns.take(async () => {
        await cluster.engine.kill();
        await delay(first ** 4 * ENGINE_DOWN_MS);
        await cluster.engine.start();
        await world.onRelayDeath();
      });
    case "rolling-restart":
      world.hit(fault);
      for (const one of cluster.all) await restart(world, cluster, one);
      return;
    case "stop-relay":
      if (!relay.turns.idle) return;
      world.hit(fault);
      return relay.turns.take(async () => {
        if (ms > MISSED_MS) cluster.expectFence(relay);
        relay.process.pause();
        await delay(ms);
        relay.process.goOn();
      });
    case "engine-cut":
    case "engine-stall": {
      const way = cluster.wayOf(relay);
      if (way === undefined || way.isBad) return;
      world.hit(fault);
      way.isBad = true;
      if (ms > MISSED_MS) cluster.expectFence(relay);
      if (fault === "engine-stall") way.proxy.weather = { kind: "stall" };
      else {
        way.proxy.refuse();
        way.proxy.cut();
      }
      await delay(ms);
      if (fault === "engine-stall") way.proxy.weather = { kind: "fair" };
      else await way.proxy.admit();
      way.isBad = false;
    }
  }
}

/** As an operator does who brings a new version. */
function restart(world: World, cluster: Cluster, relay: Relay): Promise<void> {
  return relay.turns.take(async () => {
    const { process } = relay;
    const code = await process.end("SIGTERM");
    if (code !== 0 && code !== undefined && !cluster.explains(relay, code))
      world.ledger.violation(`${process.name} ended with ${code} in a rolling restart: ${process.text.slice(-2000)}`);
    relay.start();
    await eventually(`${process.name} is ready again`, () => process.ready || !process.running, START_MS);
  });
}
