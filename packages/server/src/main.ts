import { guardStdio, lossyLines, print } from "@aimessage/sdk/program";
import { AdminError } from "./admin/admin-error.ts";
import { isAdminCommand } from "./admin/commands.ts";
import { runAdmin } from "./admin/program.ts";
import { type Config, readConfig, UsageError } from "./config.ts";
import { createLog } from "./log.ts";
import { isWildcard, shownUrls } from "./names.ts";
import { createRelay, type Relay } from "./relay.ts";
import { StartupError } from "./startup-error.ts";

/** How long words that nobody reads may hold up the end of the process. Milliseconds. */
const LINGER_MS = 1_000;

guardStdio();
await main();
// All that has to be taken was: what is left are lines of the log, or words on stderr.
setTimeout(() => process.exit(), LINGER_MS).unref();

async function main(): Promise<void> {
  try {
    const argv = process.argv.slice(2);
    if (isAdminCommand(argv[0])) return await administer(argv);
    const config = readConfig(argv, process.env);
    if ("print" in config) await printing((say) => say(config.print));
    else await serve(config);
  } catch (error) {
    const { message, hint } = explain(error);
    process.stderr.write(`Error: ${message}\nHint: ${hint}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

function explain(error: unknown): { message: string; hint: string } {
  if (error instanceof UsageError || error instanceof StartupError || error instanceof AdminError) return error;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message, hint: "this is a fault of aimessage-server: please report it" };
}

async function administer(argv: string[]): Promise<void> {
  await printing((say) =>
    runAdmin(argv, process.env, {
      data: (line) => say(`${line}\n`),
      note: (line) => void process.stderr.write(`${line}\n`),
    }),
  );
}

/** Has data printed to stdout. @throws AdminError if not all of it was taken; but a reader such as `head` has read enough */
async function printing(work: (say: (text: string) => void) => void | Promise<void>): Promise<void> {
  const failures: NodeJS.ErrnoException[] = [];
  let printed: Promise<void> | undefined;
  await work((text) => {
    printed = print(process.stdout, text).catch((error: NodeJS.ErrnoException) => void failures.push(error));
  });
  // What is written is taken in order: with the last all others are.
  await printed;
  const [failure] = failures;
  if (failure !== undefined && failure.code !== "EPIPE")
    throw new AdminError(
      `Cannot write to standard output (${failure.code ?? failure.message})`,
      "what was printed is not whole: print it again where there is room",
    );
}

async function serve(config: Config): Promise<void> {
  const stopped = signalled();
  await using relay = await createRelay({ ...config, ownProcess: true });
  announce(relay, config);
  await stopped;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

function announce(relay: Relay, config: Config): void {
  const health = relay.url.replace(/^ws/, "http").replace(/ws$/, "health");
  const lines = [
    `AI Message Server starting on :${relay.port}`,
    `WebSocket endpoint: ${shownUrls(config, relay.port).join(", ")}`,
    `Health check: ${health}`,
  ];
  if (config.log === "json") {
    const log = createLog("json");
    for (const line of lines) log.info(line);
  } else lossyLines(process.stdout).write(`${lines.join("\n")}\n`);
  if (isWildcard(config.host) && config.publicUrls.length === 0)
    createLog(config.log).warn("agents on other machines cannot log in without --public-url");
}
