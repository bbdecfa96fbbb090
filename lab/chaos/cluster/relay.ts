import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { builtRelay } from "../../../test/built.ts";
import { freePort } from "../../../test/processes/processes.ts";
import { eventually } from "../../../test/waiting.ts";
import type { Bug } from "./bugs.ts";
import { NAME } from "./client.ts";
import { Road } from "./engine.ts";
import type { Ledger } from "./ledger.ts";

const planted = fileURLToPath(new URL("planted.ts", import.meta.url));
/** As a relay says that others have declared it dead. */
const FENCED = 70;
const START_AGAIN_MS = 300;
const READY_MS = 60_000;
const END_MS = 30_000;

export interface RelayOptions {
  name: string;
  /** The file for all that it prints. */
  log: string;
  ledger: Ledger;
  bug: Bug | undefined;
  /** More words of its command line. */
  args: readonly string[];
}

/** A relay over all its lives: when it ends it is started again, as whoever watches such processes does. */
export class Relay implements AsyncDisposable {
  readonly port: number;
  readonly road: Road;
  readonly #options: RelayOptions;
  #child: ChildProcess | undefined;
  #isWanted = true;
  #hasBegun = false;
  /** The driver ends it. */
  #isEnding = false;

  private constructor(port: number, road: Road, options: RelayOptions) {
    this.port = port;
    this.road = road;
    this.#options = options;
    // It ends with the driver, however that ends; one whose driver is killed is fenced soon, since its engine ends too.
    process.once("exit", () => void this.signal("SIGKILL"));
  }

  static async make(options: RelayOptions): Promise<Relay> {
    return new Relay(await freePort(), await Road.make(), options);
  }

  get name(): string {
    return this.#options.name;
  }

  start(): void {
    const { log, bug, args, ledger } = this.#options;
    const words = ["--store", this.road.url, "--port", `${this.port}`, "--public-url", NAME, "--no-limits", ...args];
    const modules = bug === undefined || bug === "async" ? [] : ["--import", planted];
    const child = spawn(process.execPath, [...modules, builtRelay(), ...words, "--log-format", "json"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, CHAOS_BUG: bug ?? "" },
    });
    this.#child = child;
    this.#hasBegun = false;
    this.#isEnding = false;
    ledger.count("relays started");
    appendFileSync(log, `--- pid ${child.pid}\n`);
    for (const output of [child.stdout, child.stderr])
      output?.setEncoding("utf8").on("data", (text: string) => {
        appendFileSync(log, text);
        if (text.includes("Health check")) this.#hasBegun = true;
      });
    child.once("close", (code, signal) => this.#ended(code, signal));
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const { log, ledger } = this.#options;
    appendFileSync(log, `--- ended: ${code ?? signal}\n`);
    if (code === FENCED) {
      ledger.count("relays fenced");
      ledger.note(`${this.name} was fenced`);
    } else if (this.#hasBegun && !(this.#isEnding && (signal === "SIGKILL" || code === 0)))
      ledger.violation(`${this.name} has ended with ${code ?? signal}`);
    if (this.#isWanted) setTimeout(() => this.#isWanted && this.start(), START_AGAIN_MS);
  }

  /** @returns whether it did anything */
  signal(signal: NodeJS.Signals): boolean {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return false;
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#isEnding = true;
    return this.#child.kill(signal);
  }

  /** Has it end in good order; resolves when it has. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.signal("SIGTERM")) return;
    const gone = once(child, "close");
    const stuck = setTimeout(() => {
      this.#options.ledger.violation(`${this.name} did not end within ${END_MS / 1000} s`);
      child.kill("SIGKILL");
    }, END_MS);
    await gone;
    clearTimeout(stuck);
  }

  /** Resolves when it says that it serves, as balancers ask it. @throws Error after a minute */
  async ready(): Promise<void> {
    await eventually(`${this.name} is ready`, () => this.#isReady(), READY_MS);
  }

  async #isReady(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => delay(100),
    );
    return answer?.ok === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWanted = false;
    this.signal("SIGCONT");
    await this.stop();
    await this.road[Symbol.asyncDispose]();
  }
}
