import type { Writable } from "node:stream";
import { lossyLines, printable } from "@aimessage/sdk/program";
import type { Config } from "./config/config.ts";
import { aboutFiles } from "./config/files.ts";
import { isWildcard, metricsUrl, shownUrls } from "./config/names.ts";
import { aboutTokenAccounts } from "./config/token-accounts.ts";
import { createLog } from "./log.ts";
import { createRelay, type Relay } from "./relay.ts";

/** The other relays of a cluster take this one for dead: its process is to end, and may be started anew. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** What a relay takes from its process. */
export interface Surroundings {
  readonly stdout: Writable;
  /** Resolves with the first SIGINT or SIGTERM. */
  readonly stopped: () => Promise<NodeJS.Signals>;
  /** Has something done at each SIGHUP, which ends nothing then. */
  readonly onHangUp: (act: () => void) => void;
}

/** Runs a relay until its process is told to stop. */
export async function serve(config: Config, context: Surroundings): Promise<void> {
  const stopped = context.stopped();
  let started: Relay | undefined;
  context.onHangUp(() => started?.reload());
  const tell = teller(config, context.stdout);
  {
    await using relay = await createRelay({ ...config, ownProcess: true });
    started = relay;
    tell(announcement(relay, config));
    if (isWildcard(config.host) && config.publicUrls.length === 0)
      createLog(config.log).warn("agents on other machines cannot log in without --public-url");
    const why = await Promise.race([stopped, relay.fenced.then((reason) => new FencedError(reason))]);
    tell([`AI Message Server stopping (${why instanceof FencedError ? why.message : why})`]);
    // What it holds is given up at once: nothing of it can be written.
    if (why instanceof FencedError) throw why;
  }
  tell(["AI Message Server stopped"]);
}

/** Tells of what the relay as a whole does: on stdout, in a JSON log as lines of it. */
function teller(config: Config, stdout: Writable): (lines: string[]) => void {
  if (config.log !== "json") {
    const out = lossyLines(stdout);
    return (lines) => out.write(lines.map((line) => `${printable(line)}\n`).join(""));
  }
  const log = createLog("json");
  return (lines) => {
    for (const line of lines) log.info(line);
  };
}

/** What stands beside the WebSocket, by the URL of that. */
function besideIt(url: string, path: string): string {
  return url.replace(/^ws/, "http").replace(/ws$/, path);
}

function announcement(relay: Relay, config: Config): string[] {
  const urls = shownUrls(config, relay.port);
  return [
    `AI Message Server starting on :${relay.port}`,
    `WebSocket endpoint: ${urls.join(", ")}`,
    `Health check: ${besideIt(relay.url, "health")}`,
    ...(config.console ? [`Console: ${urls.map((url) => besideIt(url, "console/")).join(", ")}`] : []),
    aboutTokenAccounts(config),
    ...aboutFiles(config),
    ...(config.registration === "open" ? [] : [`Registration: ${config.registration}`]),
    ...(config.metrics === undefined ? [] : [`Metrics: ${metricsUrl(config.metrics, relay.metricsPort ?? 0)}`]),
  ];
}
