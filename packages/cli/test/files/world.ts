/** Alice and Bob, with files. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RelayOptions } from "@aimessage/server";
import { onTestFinished } from "vitest";
import { createWorld, type World } from "../world.ts";

export interface FileWorld extends World {
  /** A folder for files, in which commands run: of no agent. */
  readonly cwd: string;
  /** Makes a file of random bytes, or of those that are given. @returns its whole path */
  file(name: string, content: number | string): string;
  /** Sends it from Alice to Bob. @returns the id of the message */
  send(...words: string[]): Promise<string>;
  /** The id by which Bob knows his newest message, once there are so many. */
  newest(count?: number): Promise<string>;
}

export async function fileWorld(options: RelayOptions = {}): Promise<FileWorld> {
  const world = await createWorld({ noLimits: true, ...options });
  const cwd = join(dirname(world.home), "work");
  mkdirSync(cwd);
  await world.register("alice", "bob");
  const cli: World["cli"] = (line, more = {}) => world.cli(line, { cwd, ...more });
  const file = (name: string, content: number | string): string => {
    const path = join(cwd, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === "number" ? randomBytes(content) : content);
    return path;
  };
  const send = async (...words: string[]): Promise<string> => {
    const { stdout, stderr } = await cli(["-u", "alice", "send", "-t", "bob", ...words, "--json"]);
    if (stdout === "") throw new Error(stderr);
    return (JSON.parse(stdout) as { message_id: string }).message_id;
  };
  const newest = async (count = 1): Promise<string> => {
    await cli(`-u bob watch --count ${count} --timeout 20`);
    const { messages } = JSON.parse((await cli("-u bob inbox --json")).stdout) as {
      messages: { message_id: string }[];
    };
    return messages.at(-1)?.message_id ?? "";
  };
  return { ...world, cli, cwd, file, send, newest };
}

export function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** A folder for a relay, gone when the test ends. */
export function relayFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "aimessage relay "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
