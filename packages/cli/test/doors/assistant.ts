/** An assistant: the official client of MCP, and our server as it is installed, in a process of its own. */
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { onTestFinished } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { eventually } from "../../../../test/waiting.ts";
import { createWorld, type World } from "../world.ts";

/** Of the protocol: with `initialize`, and since 2026-07-28. */
export const ERAS = ["legacy", "modern"] as const;
export type Era = (typeof ERAS)[number];

/** The answer of a tool. */
export type Said = Record<string, unknown> & { isError: boolean };

export interface Assistant {
  client: Client;
  pid: number;
  call: (tool: string, args?: Record<string, unknown>, options?: { timeout?: number }) => Promise<Said>;
}

/** Starts a server for an agent, or for none, and a client of it. Both are gone when the test ends. */
export async function assistant(
  { env }: World,
  username: string | undefined,
  { era = "legacy", words = [] }: { era?: Era; words?: string[] } = {},
): Promise<Assistant> {
  const who = username === undefined ? [] : ["-u", username];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [builtCli(), ...who, "mcp", ...words],
    env: { ...env, PATH: process.env["PATH"] ?? "" },
    stderr: "inherit",
  });
  const modern = { versionNegotiation: { mode: "auto" as const } };
  const client = new Client({ name: "tests", version: "1.0.0" }, era === "modern" ? modern : {});
  await client.connect(transport);
  onTestFinished(() => client.close());
  const call: Assistant["call"] = async (name, args = {}, options = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: args }, options);
    const [{ text }] = content as unknown as [{ text: string }];
    return { ...(JSON.parse(text) as Record<string, unknown>), isError: isError === true };
  };
  return { client, pid: transport.pid ?? 0, call };
}

/** A message as a tool shows it. */
export interface Shown {
  message_id: string;
  from: string;
  body: string;
  thread?: string;
  expects_reply?: boolean;
  next_offset?: number;
  in_work?: string;
}

export const messagesOf = (said: Said): Shown[] => said["messages"] as Shown[];
/** The text in a fence. */
export const inside = (text: string): string => /^<<(\w+)\n(.*)\n\1>>$/s.exec(text)?.[2] ?? `no fence: ${text}`;

/** Alice and Bob, of whom nobody is there yet. */
export async function pair(): Promise<World> {
  const world = await createWorld();
  await world.register("alice", "bob");
  return world;
}

/** Reads once so many messages have come: a server may look before it has caught up with the relay. */
export function look({ call }: Pick<Assistant, "call">, count = 1): Promise<Shown[]> {
  return eventually(`${count} have come`, async () => {
    const messages = messagesOf(await call("read_messages"));
    return messages.length >= count && messages;
  });
}
