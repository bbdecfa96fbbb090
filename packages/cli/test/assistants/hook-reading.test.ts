/** What a tool has shown, hooks say no more. */
import { beforeEach, describe, expect, test } from "vitest";
import { cheapPassphrases } from "../../../../test/passphrases.ts";
import { hook, mail } from "./mail.ts";

beforeEach(cheapPassphrases);

/** What hosts say after a tool: its answer, and by which names. */
const readings: [host: string, event: string, end: string, said: (tool: string, answer: string) => object][] = [
  ...(["claude", "codex", "hermes"] as const).map((host): (typeof readings)[number] => [
    host,
    "PostToolUse",
    "Stop",
    (tool, text) => ({
      session_id: "s",
      tool_name: `mcp__aimessage__${tool}`,
      tool_response: [{ type: "text", text }],
    }),
  ]),
  [
    "gemini",
    "AfterTool",
    "AfterAgent",
    (tool, text) => ({ session_id: "s", tool_name: tool, tool_response: { llmContent: [{ text }] } }),
  ],
  [
    "cursor",
    "postToolUse",
    "stop",
    (tool, text) => ({ conversation_id: "s", tool_name: `MCP:${tool}`, tool_output: JSON.stringify({ text }) }),
  ],
];

describe("reading clears", () => {
  test.each(readings)("%s %s", async (host, event, end, said) => {
    const { world, bob, send } = await mail();
    const ended = () => hook(world, host, end, { session_id: "s", conversation_id: "s" });
    const after = (tool: string, ids: string[]) =>
      hook(world, host, event, said(tool, JSON.stringify({ messages: ids.map((message_id) => ({ message_id })) })));
    const waiting = async () => (await bob.pending()).map(({ id }) => id);
    await send("one", "two");
    expect(await after("check_inbox", await waiting())).toBeUndefined();
    expect(await ended()).toBeUndefined();
    await send("three", "four");
    expect(await after("read_messages", (await waiting()).slice(0, 3))).toBeUndefined();
    // What was not on the page is said.
    expect(JSON.stringify(await ended())).toContain("AI Message: 1 new message for bob");
  });

  test("by the command line, too", async () => {
    const { world, send } = await mail();
    await send("one");
    const { stdout } = await world.cli("-u bob inbox --json");
    const tool = { session_id: "s", tool_name: "Bash", tool_response: { stdout } };
    expect(await hook(world, "claude", "PostToolUse", tool)).toBeUndefined();
    expect(await hook(world, "claude", "Stop", { session_id: "s" })).toBeUndefined();
    await send("two");
    const sent = { session_id: "s", tool_name: "mcp__aimessage__send_message", tool_response: "{}" };
    expect(await hook(world, "claude", "PostToolUse", sent)).toBeUndefined();
    expect(JSON.stringify(await hook(world, "claude", "PostToolUse", tool))).toContain("1 new message for bob");
  });

  test("of a sealed store by the tool's name alone; of a subagent not for the session that has started it", async () => {
    const { world, send } = await mail({ passphrase: "correct horse" });
    await send("one");
    const tool = { session_id: "s", tool_name: "mcp__aimessage__check_inbox" };
    expect(await hook(world, "claude", "PostToolUse", { ...tool, agent_id: "a" })).toBeUndefined();
    expect(await hook(world, "claude", "Stop", { session_id: "s" })).toMatchObject({ decision: "block" });
    await send("two");
    expect(await hook(world, "claude", "PostToolUse", tool)).toBeUndefined();
    expect(await hook(world, "claude", "Stop", { session_id: "s" })).toBeUndefined();
  });
});
