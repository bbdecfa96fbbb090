/**
 * What a hook of an assistant's host says: that something waits, once for each batch and session; what a tool has shown, it knows. It looks and takes nothing. It is run
 * after each tool, so it loads neither the SDK nor the parser of command lines; and whatever goes wrong with it, it says nothing: an
 * assistant must not stumble over its mail.
 */
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { agentFolder, announce, announcedUpTo, glance, homeFolder, shownUpTo } from "@aimessage/sdk/glance";
import { escapeLine } from "@aimessage/sdk/program";
import type { Context } from "../context.ts";
import { hasThisNode, programWords, shellLine } from "../install/program-words.ts";
import type { HookCall } from "./call.ts";
import { shapeOf } from "./hosts.ts";
import { newsText } from "./news.ts";

/** What a host may say: an answer of a tool may be long, of which nothing is of interest. Bytes. */
const MOST_READ = 2 ** 22;
/** How long a host that does not end its input is waited for. Milliseconds. */
const PATIENCE_MS = 1_000;

/** What a hook answers; undefined if it has nothing to say. Never throws. */
export async function answerHook(
  call: HookCall,
  stdin: Readable,
  { env, program }: Pick<Context, "env" | "program">,
): Promise<object | undefined> {
  try {
    const shape = shapeOf(call.host, call.event);
    const text = await readSome(stdin);
    const said = readable(text);
    if (shape === undefined || said === undefined || isNotForUs(said)) return undefined;
    const home = call.home ?? homeFolder();
    const folder = home && agentFolder(home, call.username || env["AIMESSAGE_USERNAME"] || undefined);
    if (!folder) return undefined;
    const id = said["session_id"] ?? said["conversation_id"];
    const session = typeof id === "string" ? id : "";
    const before = announcedUpTo(folder, session);
    const tool = said["tool_name"];
    const isOurs = typeof tool === "string" && OURS.test(tool);
    const all = isOurs && READING.test(tool);
    const shown = typeof tool === "string" ? shownUpTo(folder, before, { text, all }) : before;
    if (shown > before) announce(folder, session, shown);
    if (isOurs) return undefined;
    const news = glance(folder, shown);
    if (news === undefined || !announce(folder, session, news.position)) return undefined;
    const agent = basename(folder);
    const words = programWords({ env, ...program, runs: hasThisNode });
    const command = shellLine([...words, ...(call.home === undefined ? [] : ["--home", home]), "-u", agent, "inbox"]);
    const sentence = `AI Message: ${newsText(news, agent)}. To read: the tool read_messages, or \`${command} --json\`.`;
    return shape(escapeLine(sentence), call.event);
  } catch {
    return undefined;
  }
}

/**
 * Tools of ours: whoever uses them knows of its mail. Hosts put the server's name before a tool's, but for some, which put nothing. Other servers have
 * a tool read_messages, too.
 */
const OURS = /aimessage|^(MCP:)?(check_inbox|read_messages)$/;
/** Those that show what waits. */
const READING = /(check_inbox|read_messages)$/;

/** A subagent has another task; a turn that goes on for a hook already, or that was broken off (Cursor), shall end. */
function isNotForUs(said: Record<string, unknown>): boolean {
  const { agent_id, stop_hook_active, status } = said;
  const isSubagent = agent_id !== undefined && agent_id !== null;
  return isSubagent || stop_hook_active === true || status === "aborted" || status === "error";
}

function readable(text: string): Record<string, unknown> | undefined {
  const value: unknown = JSON.parse(text);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : undefined;
}

/** All that comes, or, of a host that leaves its end open, what has come. What is too long is read, so that its writer may end, and forgotten. */
async function readSome(stdin: Readable): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    timer = setTimeout(resolve, PATIENCE_MS);
    stdin.on("data", (part: Buffer) => {
      length += part.length;
      if (length <= MOST_READ) parts.push(part);
    });
    stdin.once("end", resolve).once("close", resolve).once("error", reject);
  });
  clearTimeout(timer);
  stdin.destroy();
  return length > MOST_READ ? "" : Buffer.concat(parts).toString("utf8");
}
