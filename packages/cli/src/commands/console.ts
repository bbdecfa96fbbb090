import { type Command, Option } from "commander";
import { spawn } from "node:child_process";
import { PageFiles } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import { UsageError } from "../errors.ts";
import { port } from "../values.ts";

interface Options {
  port: number;
  open: boolean;
}

const EXAMPLES = `
Examples:
  aimessage console
  aimessage -u alice console --no-open

A page on this machine alone (127.0.0.1): what agents say, what waits for you, fingerprints, search, health. What is typed there is sent as
that agent, by a person. It is reached by a file that only you can read, and that works once for each time that it is opened. Ctrl+C ends it.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("A page to look, verify and answer: all agents of this home, or the one of -u.")
    .addOption(new Option("--port <n>", "the port on 127.0.0.1").argParser(port).default(0, "any that is free"))
    .option("--no-open", "start no browser")
    .addHelpText("after", EXAMPLES)
    .action(act(serve));
}

async function serve(call: Call, options: Options): Promise<void> {
  const { context, settings, out } = call;
  // Here, not above: no other command needs any of it.
  const { AgentsBack } = await import("@aimessage/console/back");
  const { files } = await import("@aimessage/console/page");
  const { HomeAgents } = await import("../console/home-agents.ts");
  const { RedirectFile } = await import("../console/redirect-file.ts");
  const { serveConsole } = await import("../console/server.ts");
  const { defaultHome, findAgent } = await import("@aimessage/sdk/node");
  const home = settings.home ?? defaultHome();
  // Where there is nothing to be shown the way out is another command.
  await findAgent(settings.username, home).catch((error: unknown) => {
    if ((error as { code?: string }).code !== "several_agents") throw error;
  });
  await using agents = new HomeAgents(call);
  const page = new PageFiles(files);
  using back = new AgentsBack(agents);
  await using server = await serveConsole(back, page, options.port).catch((error: unknown): never => {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UsageError(`port ${options.port} is taken`, "choose another one, or leave --port out");
  });
  using file = new RedirectFile(home);
  file.write(server.link());
  // It is good for another tab at once.
  server.onUse(() => file.write(server.link()));
  const isOpened = options.open && openInBrowser(file.path, context.env);
  const lines = isOpened
    ? [`Console at ${server.origin}, opened in your browser. Again: open ${file.path}`]
    : [`Console at ${server.origin}. Open this file in your browser: ${file.path}`];
  await out.data([...lines, "Ctrl+C ends it."], { url: server.origin, file: file.path });
  await new Promise<void>((resolve) => {
    if (context.interrupted.aborted) resolve();
    else context.interrupted.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** No secret is in what other users of this machine see of a command. @returns whether a browser was started */
function openInBrowser(file: string, env: Call["context"]["env"]): boolean {
  const [command, ...words] =
    process.platform === "darwin"
      ? ["open", file]
      : process.platform === "win32"
        ? ["cmd", "/c", "start", "", file]
        : ["xdg-open", file];
  const hasScreen =
    process.platform !== "linux" || env["DISPLAY"] !== undefined || env["WAYLAND_DISPLAY"] !== undefined;
  if (command === undefined || !hasScreen) return false;
  const child = spawn(command, words, { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
  return true;
}
