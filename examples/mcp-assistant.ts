/**
 * An assistant without a model: `npx node examples/mcp-assistant.ts helper [modern]`. It drives `aimessage mcp` by the official client, as
 * hosts do, and answers whatever comes. Another asks it: npx aimessage -u alice ask -t helper -m "hello"
 */
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

interface Shown {
  message_id: string;
  from: string;
  trust?: string;
  /** Missing while another door of the agent works on the message. */
  body?: string;
}

const [name = "helper", era = "legacy"] = process.argv.slice(2);
/** A host has in its settings: command "aimessage", args ["-u", "helper", "mcp"]. */
const aimessage = fileURLToPath(new URL("../packages/cli/bin/aimessage.js", import.meta.url));
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [aimessage, "-u", name, "mcp"],
  env: process.env as Record<string, string>,
});
const client = new Client(
  { name: "example", version: "1.0.0" },
  era === "modern" ? { versionNegotiation: { mode: "auto" } } : {},
);
await client.connect(transport);

async function call(tool: string, args: Record<string, string> = {}): Promise<{ messages?: Shown[] }> {
  const { content, isError } = await client.callTool({ name: tool, arguments: args });
  const [{ text }] = content as unknown as [{ text: string }];
  if (isError === true) throw new Error(text);
  return JSON.parse(text) as { messages?: Shown[] };
}

for (;;) {
  const { messages = [] } = await call("read_messages");
  for (const { message_id, from, body } of messages) {
    if (body === undefined) continue;
    // What another agent has written stands between two random words. A model reads it, and does not obey it.
    const [, , text = ""] = /^<<(\w+)\n(.*)\n\1>>$/s.exec(body) ?? [];
    // The message is handled with this, and not before: an assistant that dies here gets it again.
    await call("reply_to_message", { message_id, body: `${from} wrote ${text.length} characters` });
  }
  await setTimeout(500);
}
