/** Bob, who has made a line, and Alice, who has it. */
import type { Agent } from "../../src/agent/agent.ts";
import { readPairingLine } from "../../src/agent/pairing-line.ts";
import { SAME_CLOCK, World } from "./world.ts";

export async function given(options: Parameters<Agent["pairing"]["open"]>[0] = {}) {
  const world = await World.create(SAME_CLOCK);
  const [alice, bob] = [await world.open("alice"), await world.open("Bob")];
  const own = await bob.pairing.open(options);
  const line = readPairingLine(own.line);
  return { world, alice, bob, own, line, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

export const verified = async (agent: Agent) =>
  (await agent.contacts()).map(({ username, verified: is, fingerprint }) => [username, is, fingerprint]);
