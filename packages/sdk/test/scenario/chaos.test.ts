import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Sent } from "../../src/agent/sent.ts";
import type { Frame } from "./proxy.ts";
import { follow, World } from "./world.ts";

/** Random numbers from a seed (mulberry32): the same seed, the same misfortunes. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function dent(frame: Frame): Frame {
  return { ...frame, data: { ...frame.data, message: frame.data.message!.slice(4) } };
}

const SEED = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 1e9));

test(
  `whatever is cut, lost, dented or repeated (seed ${SEED}): every message is handled once, or has visibly failed`,
  { tags: ["long"] },
  async () => {
    const chance = random(SEED);
    await using world = await World.create({ noLimits: true });
    const names = ["alice", "bob"] as const;
    const agents = { alice: await world.open("alice"), bob: await world.open("bob") };
    const got = { alice: follow(agents.alice), bob: follow(agents.bob) };
    world.proxy.rule = ({ toRelay, frame }) => {
      if (chance() < 0.006) return "cut";
      if (toRelay || frame.data?.kind === undefined || frame.data.kind === "notice") return undefined;
      const fate = chance();
      if (fate < 0.01) return [];
      if (fate < 0.02) return [dent(frame)];
      return fate < 0.03 ? [frame, frame] : undefined;
    };
    const sent: { from: "alice" | "bob"; to: "alice" | "bob"; text: string; message: Sent }[] = [];
    for (let index = 0; index < 400; index++) {
      const [from, to] = chance() < 0.6 ? names : (names.toReversed() as ["bob", "alice"]);
      const text = `${index} ${"x".repeat(Math.floor(chance() * 3000))}`;
      sent.push({ from, to, text, message: await agents[from].send(to, text) });
      if (chance() < 0.2) for (let turns = chance() * 60; turns > 0; turns--) await setImmediate();
    }
    world.proxy.rule = undefined;
    const outcomes = await Promise.all(
      sent.map(async ({ message, text }) => {
        const state = await message.handled({ timeout: 30_000 }).then(
          () => "handled",
          async () => {
            const { state: last, reason } = await message.status();
            return `${last} ${reason ?? ""}`;
          },
        );
        return { text, state };
      }),
    );
    const lost = outcomes.filter(({ state }) => !["handled", "failed undecryptable"].includes(state));
    expect(lost.map(({ text, state }) => `${text.slice(0, 4)}: ${state}`)).toEqual([]);
    for (const name of names) {
      const handled = sent.filter(({ to }, index) => to === name && outcomes[index]?.state === "handled");
      const bodies = got[name].map(({ body }) => body);
      expect(new Set(bodies).size).toBe(bodies.length);
      expect(handled.filter(({ text }) => !bodies.includes(text))).toEqual([]);
    }
  },
);
