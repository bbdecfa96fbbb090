import { setTimeout as delay } from "node:timers/promises";
import type { Weather } from "../shared/proxy.ts";
import { type Agent, HOUR_MS } from "./agent.ts";
import { isOfCluster, type Planned } from "./plan.ts";
import { Cluster } from "./relays/cluster.ts";
import { inflictCluster } from "./relays/inflict.ts";
import type { World } from "./world.ts";

/** SQLite's codes for a disk that fails (https://sqlite.org/rescode.html): IOERR_WRITE, IOERR_FSYNC, FULL. */
const ERRCODES = [778, 1034, 13];
const DOWN_MS = 400;
const BAD_MS = 1_200;
/** Part of stalls after which a connection never comes back. */
const FORSAKEN = 0.15;
const RELAY_SHARE = 0.25;
/** Commits or writes before the one that fails. */
const WITHIN = 12;
const COPY_AGE_MS = 1_500;

/** Does what is planned. Resolves when it is done; what it does to the network or a clock may last longer. */
export async function inflict(world: World, { fault, agent: index, dice }: Planned): Promise<void> {
  const { relays } = world;
  const agent = world.agents[index];
  const [first, second, third] = dice;
  const relay = relays.all[Math.floor(((first * 13) % 1) * relays.all.length)];
  if (agent === undefined || relay === undefined) return;
  if (isOfCluster(fault)) {
    if (relays instanceof Cluster) await inflictCluster(world, relays, { fault, relay, dice });
    return;
  }
  const ofRelay = third < RELAY_SHARE;
  const ofRelaysDisk = ofRelay && relays.haveDisks;
  switch (fault) {
    case "kill-relay":
      if (!relay.turns.idle) return;
      world.hit(fault);
      return world.restartRelay(relay, first * DOWN_MS);
    case "kill-sender":
    case "kill-listener": {
      const victim =
        fault === "kill-sender" ? agent.sender : agent.listeners[Math.floor(second * agent.listeners.length)];
      return agent.turns.take(async () => {
        if (victim?.running !== true) return;
        world.hit(fault);
        await agent.kill(victim);
        await delay(first * DOWN_MS);
        agent.start(victim);
      });
    }
    case "cut":
      if (agent.proxy.connections === 0) return;
      world.hit(fault);
      return agent.proxy.cut();
    case "stall":
      if (first < FORSAKEN) {
        if (agent.proxy.connections === 0) return;
        world.hit(fault);
        return agent.proxy.forsake();
      }
      return weather(world, agent, { fault, bad: { kind: "stall" }, dice: second });
    case "half-open":
      return weather(world, agent, {
        fault,
        bad: { kind: "half-open", dead: first < 0.5 ? "up" : "down" },
        dice: second,
      });
    case "throttle":
      return weather(world, agent, {
        fault,
        bad: { kind: "throttle", bytesPerMs: 1 + Math.floor(first * 20) },
        dice: second,
      });
    case "pieces":
      return weather(world, agent, { fault, bad: { kind: "pieces", size: 1 + Math.floor(first * 64) }, dice: second });
    case "delay":
      return weather(world, agent, { fault, bad: { kind: "delay", ms: 5 + first * 200 }, dice: second });
    case "disk-refused": {
      const at = first < 0.5 ? "commit" : "run";
      const errcode = ERRCODES[Math.floor(second * ERRCODES.length)] ?? 13;
      const order = { kind: "refuse", at, after: Math.floor(first * WITHIN), errcode, rollBack: third > 0.5 } as const;
      (ofRelaysDisk ? relay.process : pickProcess(agent, third)).order(order);
      return;
    }
    case "disk-full": {
      const order = { kind: "full", ms: 100 + first * 600 } as const;
      // A disk is full for all who share it.
      if (ofRelaysDisk) relay.process.order(order);
      else agent.order(order);
      return;
    }
    case "die-before-commit":
    case "die-after-commit": {
      const victim = ofRelaysDisk ? relay.process : pickProcess(agent, third);
      const when = fault === "die-before-commit" ? "before" : "after";
      if (victim.order({ kind: "die", when, after: Math.floor(first * WITHIN) })) world.expectDeath(victim, fault);
      return;
    }
    case "sync-failed":
      relay.process.order({ kind: "sync" });
      return;
    case "clock-life": {
      const offset = first < 0.5 ? -HOUR_MS : HOUR_MS;
      world.hit(fault);
      if (ofRelay) {
        relay.setClock(second < 0.5 ? 0 : offset);
        return world.restartRelay(relay, 0);
      }
      return agent.turns.take(async () => {
        await agent.killAll();
        agent.setClock(second < 0.3 ? 0 : offset);
        agent.startAll();
      });
    }
    case "clock-jump": {
      const offset = [-HOUR_MS, 0, HOUR_MS][Math.floor(first * 3)] ?? 0;
      if (ofRelay) {
        relay.setClock(offset);
        if (relay.process.order({ kind: "clock", offset })) world.hit(fault);
      } else if (agent.order({ kind: "clock", offset: agent.setClock(offset) })) world.hit(fault);
      return;
    }
    case "old-copy":
      if (agent.copied || world.teams?.mayReplace(agent) === false) return;
      await agent.turns.take(async () => {
        await agent.killAll();
        agent.copy();
        agent.startAll();
      });
      await delay(COPY_AGE_MS * (1 + 2 * first));
      return agent.turns.take(async () => {
        await agent.killAll();
        const before = await agent.putBack();
        if (before !== undefined) {
          world.hit(fault);
          world.teams?.ledger.putBack(agent.name, before.copiedAt, before.open);
        }
        agent.startAll();
      });
  }
}

function pickProcess(agent: Agent, dice: number) {
  return agent.processes[Math.floor(((dice * 7) % 1) * agent.processes.length)] ?? agent.sender;
}

async function weather(
  world: World,
  agent: Agent,
  { fault, bad, dice }: { fault: Planned["fault"]; bad: Weather; dice: number },
): Promise<void> {
  if (agent.proxy.connections === 0) return;
  world.hit(fault);
  agent.proxy.weather = bad;
  await delay(200 + dice * BAD_MS);
  if (agent.proxy.weather === bad) agent.proxy.weather = { kind: "fair" };
}
