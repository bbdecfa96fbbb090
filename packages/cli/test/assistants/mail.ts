/** Mail that waits, and hooks that tell of it. */
import { Agent } from "@aimessage/sdk/node";
import { expect, onTestFinished } from "vitest";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld, type World } from "../world.ts";

/** Alice writes to Bob, whose messages come in and wait. */
export async function mail(options: { passphrase?: string } = {}) {
  const world = await createWorld();
  await world.register("alice", "bob");
  if (options.passphrase !== undefined)
    await (await Agent.open({ home: world.home, username: "bob", passphrase: options.passphrase, seal: true })).close();
  const open = async (username: string): Promise<Agent> => {
    const agent = await Agent.open({ home: world.home, username, ...options });
    onTestFinished(() => agent.close());
    return agent;
  };
  const [alice, bob] = [await Agent.open({ home: world.home, username: "alice" }), await open("bob")];
  onTestFinished(() => alice.close());
  await bob.sync();
  const send = async (...texts: string[]): Promise<void> => {
    const before = await bob.unhandled();
    for (const text of texts) await alice.send("bob", text);
    await eventually("they wait", async () => (await bob.unhandled()) === before + texts.length);
  };
  return { world, alice, bob, send };
}

/** Calls a hook as its host does. */
export async function hook(world: World, host: string, event: string, said: object | string, agent = ["-u", "bob"]) {
  const stdin = typeof said === "string" ? said : JSON.stringify(said);
  const { exit, stdout, stderr } = await world.cli([...agent, "hook", event, "--for", host], { stdin });
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
  return stdout === "" ? undefined : (JSON.parse(stdout) as object);
}
