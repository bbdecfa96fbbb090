import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eachLine } from "../../test/processes/processes.ts";
import { end } from "../shared/ending.ts";
import type { Tapped } from "./groups/tap.ts";
import type { Line, Order } from "./orders.ts";

const faults = fileURLToPath(new URL("faults.ts", import.meta.url));
const tap = fileURLToPath(new URL("groups/tap.ts", import.meta.url));
const planted = fileURLToPath(new URL("planted.ts", import.meta.url));

export interface Hooks {
  line: (process: Process, line: Line) => void;
  /** Not ended by the driver. */
  died: (process: Process, code: number | null, signal: NodeJS.Signals | null) => void;
  hit: (fault: string) => void;
  /** Where there are teams: what the store of an agent is told of them. */
  tapped?: (process: Process, tapped: Tapped) => void;
}

/** One of the processes under test, over all its lives. */
export class Process {
  readonly name: string;
  /** Rises with each start. */
  life = 0;
  /** Lines of this life, if it prints none of ours. */
  text = "";
  /** Disk faults in this life: they explain an end with an error. */
  injured = false;
  ready = false;
  readonly #role: string;
  readonly #args: string[];
  readonly #log: string;
  readonly #hooks: Hooks;
  readonly #bug: string | undefined;
  #child: ChildProcess | undefined;
  #ending = false;
  /** Resolves when the present life is over, and the driver knows of it. */
  #over: Promise<void> = Promise.resolve();
  #isOver = true;

  constructor(name: string, role: string, args: string[], log: string, bug: string | undefined, hooks: Hooks) {
    this.name = name;
    this.#role = role;
    this.#args = args;
    this.#log = log;
    this.#bug = bug;
    this.#hooks = hooks;
  }

  start(clockOffset = 0): void {
    this.life += 1;
    this.text = "";
    this.injured = false;
    this.ready = false;
    this.#ending = false;
    this.#isOver = false;
    const modules = [faults];
    if (this.#bug !== undefined) modules.push(planted);
    if (this.#hooks.tapped !== undefined && this.#role === "agent") modules.push(tap);
    const imports = modules.flatMap((module) => ["--import", module]);
    const child = spawn(process.execPath, [...imports, ...this.#args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: {
        ...process.env,
        CHAOS_ROLE: this.#role,
        CHAOS_CLOCK: String(clockOffset),
        CHAOS_BUG: this.#bug ?? "",
      },
    });
    this.#child = child;
    this.#note(`--- life ${this.life}, pid ${child.pid}, clock ${clockOffset} ms`);
    if (child.stdout !== null) eachLine(child.stdout, (line) => this.#read(line));
    child.stderr?.setEncoding("utf8").on("data", (data: string) => {
      this.#note(`stderr: ${data.trimEnd()}`);
      this.text += data;
    });
    child.on("message", ({ hit, tapped }: { hit: string; tapped: undefined } | { hit: undefined; tapped: Tapped }) => {
      if (hit === undefined) return this.#hooks.tapped?.(this, tapped);
      this.injured = true;
      this.#note(`--- fault: ${hit}`);
      this.#hooks.hit(hit);
    });
    child.on("error", () => undefined);
    this.#over = new Promise((resolve) =>
      child.once("close", (code, signal) => {
        this.#isOver = true;
        this.#note(`--- ended: ${code ?? signal}${this.#ending ? "" : ", by itself"}`);
        if (!this.#ending) this.#hooks.died(this, code, signal);
        resolve();
      }),
    );
  }

  #read(line: string): void {
    this.#note(line.length > 300 ? `${line.slice(0, 300)}...` : line);
    if (!line.startsWith('{"kind"')) {
      this.text += `${line}\n`;
      if (line.startsWith("Health check")) this.ready = true;
      return;
    }
    const parsed = JSON.parse(line) as Line;
    if (parsed.kind === "ready") this.ready = true;
    this.#hooks.line(this, parsed);
  }

  #note(text: string): void {
    const now = new Date().toISOString().slice(11, 23);
    appendFileSync(this.#log, `${now} ${text}\n`);
  }

  /** Until its end has been heard of: it has no other life before that. */
  get running(): boolean {
    return !this.#isOver;
  }

  /** Stops it where it is: its connections stay open, and nothing answers. */
  pause(): void {
    if (this.running) this.#child?.kill("SIGSTOP");
  }

  goOn(): void {
    if (this.running) this.#child?.kill("SIGCONT");
  }

  /** @returns whether there was a process to take it */
  order(order: Order): boolean {
    if (!this.running || this.#child?.connected !== true) return false;
    this.#child.send(order, () => undefined);
    return true;
  }

  /**
   * Resolves when it is gone and everything that it printed has been read. One that has not begun yet may as well die of the signal.
   * @returns its exit code, null if it was killed
   */
  async end(signal: NodeJS.Signals): Promise<number | null | undefined> {
    const child = this.#child;
    if (child === undefined || !this.running) return undefined;
    if (child.exitCode !== null || child.signalCode !== null) {
      await this.#over;
      return undefined;
    }
    this.#ending = true;
    await end(child, signal);
    return child.signalCode === signal && !this.ready ? 0 : child.exitCode;
  }
}
