/** An MCP server on stdin and stdout: `aimessage mcp`. */
import { once } from "node:events";
import { agentFolder, homeFolder } from "@aimessage/sdk/glance";
import { McpServer, type StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { FilesRoot } from "@aimessage/sdk/node";
import type * as z from "zod";
import { openAgent } from "../../agent.ts";
import type { Call } from "../../call.ts";
import { interruptedExit } from "../../context.ts";
import { explain, UsageError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { hintOf } from "./hints.ts";
import { checkInbox } from "./inbox.ts";
import { Keeper } from "./keeper.ts";
import { INSTRUCTIONS, type ToolName, toolsFor } from "./schemas.ts";
import { without, word } from "./shown.ts";
import { McpFiles } from "./mcp-files.ts";
import { type Calling, run } from "./tools.ts";
import { AnsweringTransport } from "./wire.ts";

export interface McpOptions {
  /** Only tools that read. */
  readOnly: boolean;
  /** How long a call may wait for others. Milliseconds. */
  maxWait: number;
  /** Where files may lie. */
  root: FilesRoot;
}

/** A process that lives shorter may be a probe, and touches nothing. Milliseconds. */
const PROBE_MS = 3_000;
/** What a call needs beside the time that it may wait for others: to open the agent, and to look at the relay. Milliseconds. */
const OPENING_MS = 5_000;
/** The inbox as a resource. */
const INBOX = "aimessage://inbox";

/** Serves one client until it ends its side, and answers what it has asked by then. What waits for others longer than that is on disk. */
export async function serveMcp(call: Call, options: McpOptions): Promise<number> {
  const { stdin, stdout, interrupted } = call.context;
  if (interrupted.aborted) return interruptedExit(call.context);
  const ending = new AbortController();
  const keeper = new Keeper(() => openAgent(call, "mcp"));
  const calls = new Set<Promise<unknown>>();
  const files = new McpFiles(options.root);
  const onCall = (name: ToolName, args: unknown, signal: AbortSignal) => {
    const { username } = call.settings;
    const asked = { name, args, signal: AbortSignal.any([signal, ending.signal]), username };
    const result = answer(asked, { keeper, files }, options);
    calls.add(result);
    return result.finally(() => calls.delete(result));
  };
  const { signal } = ending;
  const transport = new AnsweringTransport({ stdin, stdout, patience: options.maxWait + OPENING_MS, signal });
  const handle = serveStdio(
    ({ era }) => {
      const server = createServer(call, options, onCall);
      serveInbox(server, keeper, era === "modern");
      return server;
    },
    { transport },
  );
  const gone = (): void => ending.abort();
  const ended = (): void => void transport.answered().then(gone);
  transport.input.once("end", ended).once("close", ended);
  stdout.once("error", gone).once("close", gone);
  interrupted.addEventListener("abort", gone);
  const later = setTimeout(() => void keeper.agent().catch(() => undefined), PROBE_MS);
  if (!signal.aborted) await once(signal, "abort");
  clearTimeout(later);
  await handle.close();
  await Promise.allSettled(calls);
  await files.end();
  await keeper.close();
  return 0;
}

type OnCall = (name: ToolName, args: unknown, signal: AbortSignal) => Promise<Result>;

function createServer({ settings }: Call, { readOnly }: McpOptions, onCall: OnCall): McpServer {
  const who = settings.username === undefined ? "" : `\n${whoIs(settings.username, settings.home)}`;
  const server = new McpServer(
    { name: "aimessage", version: VERSION },
    { capabilities: { tools: {}, resources: { subscribe: true } }, instructions: INSTRUCTIONS + who },
  );
  for (const [name, { description, input, annotations }] of toolsFor(readOnly))
    server.registerTool(name, { description, annotations, inputSchema: asPrinted(input) }, (args, { mcpReq }) =>
      onCall(name, args, mcpReq.signal),
    );
  return server;
}

function whoIs(username: string, home: string | undefined): string {
  const folder = home ?? homeFolder();
  const isThere = folder !== undefined && agentFolder(folder, username) !== undefined;
  return isThere ? `You are ${username}.` : `You will be ${username}, once your owner has registered it.`;
}

/** A schema that is only shown: wrong arguments get errors as all others are. Without the name of its dialect, which costs tokens. */
function asPrinted(schema: z.ZodObject): StandardSchemaWithJSON {
  const { jsonSchema, ...standard } = schema["~standard"];
  const print = (): Record<string, unknown> => {
    const { $schema: _dialect, ...printed } = jsonSchema.input({ target: "draft-2020-12" });
    return printed;
  };
  return { "~standard": { ...standard, validate: asGiven, jsonSchema: { input: print, output: print } } };
}

const asGiven = (value: unknown): { value: unknown } => ({ value });

type Result = { content: { type: "text"; text: string }[]; isError?: true };

interface Asked {
  name: ToolName;
  args: unknown;
  signal: AbortSignal;
  /** The agent that this server was started for, if one was named. */
  username: string | undefined;
}

/** A tool's result, or its error: never an exception, so that the model always has a code, a sentence and a hint. */
async function answer(
  { name, args, signal, username }: Asked,
  { keeper, files }: { keeper: Keeper; files: McpFiles },
  { maxWait, readOnly }: McpOptions,
): Promise<Result> {
  const end = performance.now() + maxWait;
  try {
    const tool = new Map(toolsFor(readOnly)).get(name);
    if (tool === undefined) throw new UsageError(`there is no tool ${name}`, "nothing was done");
    const parsed = tool.input.safeParse(args ?? {});
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const where = issue?.path.join(".") ?? "";
      throw new UsageError(
        `${name}: ${where === "" ? "" : `${where}: `}${issue?.message ?? "wrong arguments"}`,
        "nothing was done",
      );
    }
    const agent = await keeper.agent();
    const left = (): number => Math.max(0, end - performance.now());
    const calling: Calling = { agent, relay: keeper.relay, signal, left, files };
    const work = run[name] as (args: unknown, calling: Calling) => Promise<object>;
    return { content: [{ type: "text", text: JSON.stringify(await work(parsed.data, calling)) }] };
  } catch (error) {
    return { content: [{ type: "text", text: JSON.stringify(await failure(error, username)) }], isError: true };
  }
}

async function failure(error: unknown, username?: string): Promise<object> {
  const explained = await explain(error);
  const { code, message, reason, files = [], messageId, status } = explained;
  return {
    error: code,
    // What a group is called is others' word.
    message:
      messageId === undefined
        ? without(reason, message)
        : without(reason, message).replaceAll(/(^| )@[\w~-]+/g, "$1a group"),
    hint: hintOf(explained, username),
    ...(files.length === 0 ? {} : { files: files.map(word) }),
    ...(reason === undefined ? {} : { reason: word(reason) }),
    ...(messageId === undefined ? {} : { message_id: messageId, status }),
  };
}

/** The inbox as a resource, for clients that show or follow one. */
function serveInbox(server: McpServer, keeper: Keeper, modern: boolean): void {
  // In the later era the library knows who follows it.
  const followed = new Set<string>(modern ? [INBOX] : []);
  server.registerResource("inbox", INBOX, { description: "As check_inbox", mimeType: "application/json" }, async () => {
    const value = await keeper.agent().then((agent) => checkInbox(agent, keeper.relay), failure);
    return { contents: [{ uri: INBOX, mimeType: "application/json", text: JSON.stringify(value) }] };
  });
  server.server.setRequestHandler("resources/subscribe", ({ params }) => {
    followed.add(params.uri);
    return {};
  });
  server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
    followed.delete(params.uri);
    return {};
  });
  keeper.onNews = () => {
    if (followed.has(INBOX)) void server.server.sendResourceUpdated({ uri: INBOX }).catch(() => undefined);
  };
}
