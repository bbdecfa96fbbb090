import { onTestFinished } from "vitest";
import { createWorld, type World } from "../world.ts";

/** Alice, who is online and hears what becomes of what she sends, and Bob. */
export async function talk(): Promise<World> {
  const world = await createWorld();
  await world.register("alice", "bob");
  const stop = new AbortController();
  const listening = world.cli("-u alice listen --json", { interrupted: stop.signal });
  onTestFinished(async () => {
    stop.abort("SIGTERM");
    await listening;
  });
  return world;
}

/** Alice sends Bob a text. @returns its id */
export async function send(world: World, text: string): Promise<string> {
  const { stdout } = await world.cli(["-u", "alice", "send", "-t", "bob", "-m", text, "--json"]);
  return (JSON.parse(stdout) as { message_id: string }).message_id;
}

/** What Alice knows of a message that she has sent. */
export async function stateOf(world: World, id: string): Promise<{ state: string; reason?: string }> {
  const { stdout } = await world.cli(`-u alice status ${id} --json`);
  const { status: state, ...rest } = JSON.parse(stdout) as { status: string; reason?: string };
  return { state, ...rest };
}
