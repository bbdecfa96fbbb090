import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, type RelayOptions } from "@aimessage/server";
import { onTestFinished } from "vitest";
import { aimessage, type ConsoleOptions, type Transcript } from "./console.ts";

/** A relay and an empty home, and a command line that knows both. Gone when the test ends, however that ends. */
export interface World {
  readonly server: string;
  readonly home: string;
  /** Environment of a process that belongs to this world. */
  readonly env: Record<string, string>;
  /** Runs a command line, written with single spaces, or as its words. */
  cli(line: string | readonly string[], options?: ConsoleOptions): Promise<Transcript>;
  /** Ends the relay. */
  stop(): Promise<void>;
  /** Registers agents; throws unless all of it works. */
  register(...usernames: string[]): Promise<void>;
}

/** Makes a world with a relay in this process. Its home has a space in its path. */
export async function createWorld(options: RelayOptions = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "aimessage cli "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const relay = await createRelay({ port: 0, store: "memory", ...options });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  const home = join(folder, "agents");
  const env = { AIMESSAGE_HOME: home, AIMESSAGE_SERVER: relay.url };
  const cli: World["cli"] = (line, options = {}) =>
    aimessage(typeof line === "string" ? line.split(" ") : line, { ...options, env: { ...env, ...options.env } });
  const register = async (...usernames: string[]): Promise<void> => {
    for (const name of usernames) {
      const { exit, stderr } = await cli(`register -u ${name}`);
      if (exit !== 0) throw new Error(`register ${name}: ${stderr}`);
    }
  };
  const stop = async () => relay[Symbol.asyncDispose]();
  return { stop, server: relay.url, home, env, cli, register };
}
