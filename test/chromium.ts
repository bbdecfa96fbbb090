/** Debian's Chromium, for tests of what runs in a browser: `describe.runIf(hasChromium)`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { rolldown } from "rolldown";
import { eventually } from "./waiting.ts";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const program = PLACES.find((path) => existsSync(path));
/** Set to 1 where tests must not be skipped. */
const REQUIRED = "AIMESSAGE_REQUIRE_CHROMIUM";

/** Whether there is one. */
export const hasChromium = program !== undefined;

/** Before all tests in browsers: where there is none the run says so. */
export function setup(): void {
  if (hasChromium) return;
  const missing = "Chromium was not found";
  if (process.env[REQUIRED] === "1") throw new Error(`${missing}, and ${REQUIRED} is set`);
  console.log(`${missing}: tests in a browser are skipped (apt-get install chromium)`);
}

const START_MS = 20_000;
/**
 * No window, and nothing asked of any network. Whoever is root has no other sandbox. Nothing is said through the pipe: when it
 * ends, because its owner did, so does the browser.
 */
const FLAGS = `--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --disable-dev-shm-usage
  --remote-debugging-port=0 --remote-debugging-pipe`.split(/\s+/);

export interface Chromium extends AsyncDisposable {
  /** Its first page. */
  page: Page;
  /** Opens another one. */
  visit(url: string): Promise<Page>;
  /** Ends it and all of its processes at once (SIGKILL). */
  kill(): Promise<void>;
}

/**
 * Starts one, which ends with this process, however that ends.
 * @param given A folder for what its pages keep; else it is gone with it
 */
export async function startChromium(given?: string): Promise<Chromium> {
  const profile = given ?? mkdtempSync(join(tmpdir(), "chromium-"));
  const child = spawn(program ?? "", [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-10_000)));
  const exited = once(child, "exit");
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), "SIGKILL");
    await exited;
    // Its other processes end a moment later.
    if (given === undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  };
  const address = () => /^DevTools listening on (ws:\S+)$/m.exec(said)?.[1];
  try {
    const browser = await chromium.connectOverCDP(await eventually("Chromium can be driven", address, START_MS));
    const context = browser.contexts()[0] ?? (await browser.newContext());
    const page = context.pages()[0] ?? (await context.newPage());
    const visit = async (url: string): Promise<Page> => {
      const another = await context.newPage();
      await another.goto(url);
      return another;
    };
    return { page, visit, kill, [Symbol.asyncDispose]: kill };
  } catch (cause) {
    await kill();
    throw new Error(`Chromium has not started: ${said}`, { cause });
  }
}

/** A page that runs a module, at an origin of its own. */
export interface Served extends AsyncDisposable {
  url: string;
}

/** Serves an empty page that runs the module of that file, and whatever it imports; `instead` of a package it may be another file. */
export async function serveModule(file: string, instead: Record<string, string> = {}): Promise<Served> {
  const bundle = await rolldown({
    input: file,
    platform: "browser",
    logLevel: "warn",
    resolve: { conditionNames: ["@aimessage/source", "browser", "import", "default"], alias: instead },
  });
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false });
  await bundle.close();
  const [{ code }] = output;
  const server = createServer((request, response) => {
    const isScript = request.url === "/main.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? code : '<!doctype html><meta charset="utf-8"><script type="module" src="/main.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
