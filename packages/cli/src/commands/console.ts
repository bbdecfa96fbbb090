import { type Command, Option } from "commander";
import { spawn } from "node:child_process";
import { PageFiles } from "@aimessage/sdk/program";
import type { Act, Call } from "../call.ts";
import { UsageError } from "../errors.ts";
import { port } from "../values.ts";

interface Options {
  port?: number;
  open: boolean;
  serveBrowser?: boolean;
}

/** What lives in a browser belongs to a page's port, too: it is found again at the same one. */
const BROWSER_PORT = 8091;

const EXAMPLES = `
Examples:
  aimessage console
  aimessage -u alice console --no-open
  aimessage -s wss://relay.example console --serve-browser

A page on this machine alone (127.0.0.1): what agents say, what waits for you, fingerprints, search, health. What is typed there is sent as
that agent, by a person. It is reached by a file that only you can read, and that works once for each time that it is opened. Ctrl+C ends it.

With --serve-browser the page has no agents of this home, but those that live in the browser itself: registered there, with keys that stay there. The
relay of -s has to know the page: it is started with --origin http://127.0.0.1:${BROWSER_PORT}.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("A page to look, verify and answer: all agents of this home, or the one of -u.")
    .addOption(
      new Option(
        "--port <n>",
        `the port on 127.0.0.1 (default any that is free; ${BROWSER_PORT} for a browser)`,
      ).argParser(port),
    )
    .option("--no-open", "start no browser")
    .option("--serve-browser", "serve the page for agents that live in the browser")
    .addHelpText("after", EXAMPLES)
    .action(act((call, options: Options) => (options.serveBrowser === true ? serveBrowser : serve)(call, options)));
}

/** The page alone, for agents that have nothing to do with this home: who serves it is trusted with their keys, so better this machine than a relay. */
async function serveBrowser({ context, settings, out }: Call, options: Options): Promise<void> {
  const { serverUrl } = await import("@aimessage/sdk/node");
  const { serveLocally } = await import("../console/local.ts");
  if (settings.server === undefined)
    throw new UsageError("the page needs a relay", "aimessage -s wss://HOST console --serve-browser");
  const relay = serverUrl(settings.server, settings.insecure);
  const { files } = await import("@aimessage/console/browser-page");
  await using server = await serveLocally(new PageFiles(files, relay.href), { port: options.port ?? BROWSER_PORT });
  const [origin] = server.origins;
  const isOpened = options.open && openInBrowser(origin, context.env);
  const lines = [
    isOpened ? `Console at ${origin}, opened in your browser.` : `Console at ${origin}`,
    `${relay.host} has to know it: aimessage-server --origin ${origin}`,
    "Ctrl+C ends it.",
  ];
  await out.data(lines, { url: origin, relay: relay.href });
  await ended(context);
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
  await using server = await serveConsole(back, page, options.port ?? 0);
  using file = new RedirectFile(home);
  file.write(server.links());
  // It is good for another tab at once. Where it cannot be written whoever has just come in goes on.
  server.onUse(() => {
    try {
      file.write(server.links());
    } catch (error) {
      out.warn(`${file.path} cannot be written, so that no other tab can be opened: ${String(error)}`);
    }
  });
  const isOpened = options.open && openInBrowser(file.path, context.env);
  const lines = isOpened
    ? [`The console was opened in your browser. Again: open ${file.path}`]
    : [`Open this file in your browser: ${file.path}`];
  await out.data([...lines, "Ctrl+C ends it."], { url: server.origins[0], file: file.path });
  await ended(context);
}

function ended({ interrupted }: Call["context"]): Promise<void> {
  return new Promise((resolve) => {
    if (interrupted.aborted) resolve();
    else interrupted.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** No secret is in what other users of this machine see of a command. @param what A file or a URL @returns whether a browser was started */
function openInBrowser(what: string, env: Call["context"]["env"]): boolean {
  const [command, ...words] =
    process.platform === "darwin"
      ? ["open", what]
      : process.platform === "win32"
        ? ["cmd", "/c", "start", "", what]
        : ["xdg-open", what];
  const hasScreen =
    process.platform !== "linux" || env["DISPLAY"] !== undefined || env["WAYLAND_DISPLAY"] !== undefined;
  if (command === undefined || !hasScreen) return false;
  const child = spawn(command, words, { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
  return true;
}
