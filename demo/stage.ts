/** Where the demo plays: a folder of its own, and processes that are started and seen to their end. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { command } from "./screen.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const PROGRAMS = {
  aimessage: here("../packages/cli/bin/aimessage.js"),
  "aimessage-server": here("../packages/server/bin/aimessage-server.js"),
};
export type Program = keyof typeof PROGRAMS;

/** How long a step may take before it counts as failed. Milliseconds. */
const PATIENCE_MS = 20_000;
const LOG_LINES = 20;
/** Variables by which a user's own agents and relay are set. */
const SETTINGS =
  /^(AIMESSAGE_.*|PORT|HOST|DB_PATH|LOG_FORMAT|PUBLIC_URL|ORIGINS|TLS_\w+|METRICS_\w+|TRUST_PROXY|TOKEN_ACCOUNTS|RESTORED|NO_LIMITS)$/;

/** A step is not as it was promised. */
export class Failed extends Error {}

/** @param said what was said instead. @throws Failed */
export function expectThat(good: boolean, said: string): void {
  if (!good) throw new Failed(`unexpected: ${said}`);
}

export class Stage implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "aimessage demo "));
  readonly #janitor = spawn(process.execPath, [here("janitor.ts")], {
    detached: true,
    windowsHide: true,
    stdio: ["pipe", "ignore", "inherit"],
  });
  readonly #env: NodeJS.ProcessEnv;
  readonly #actors: Actor[] = [];

  constructor() {
    this.#tell({ folder: this.folder });
    copyFileSync(here("assistant.mts"), join(this.folder, "assistant.mts"));
    const own = Object.entries(process.env).filter(([name]) => !SETTINGS.test(name));
    // Commands that handle messages find the Node that runs the demo.
    const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
    this.#env = { ...Object.fromEntries(own), PATH: path, AIMESSAGE_HOME: join(this.folder, "homes") };
  }

  /** Starts a program that goes on beside the others, and shows its command. */
  start(program: Program, words: readonly string[]): Actor {
    command(`${written([program, ...words])} &`);
    const child = spawn(process.execPath, [PROGRAMS[program], ...words], {
      cwd: this.folder,
      env: this.#env,
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    const { pid } = child;
    this.#tell({ started: pid });
    child.once("exit", () => this.#tell({ ended: pid }));
    const actor = new Actor(written([program, ...words]), child);
    this.#actors.push(actor);
    return actor;
  }

  /** Runs a command to its end, and shows it. @returns what it prints. @throws Failed */
  run(...words: string[]): Promise<string> {
    command(written(["aimessage", ...words]));
    return this.look(...words);
  }

  /** The same, with what it reads on its input, which is not shown. */
  runOn(input: string, ...words: string[]): Promise<string> {
    command(`${written(["aimessage", ...words])} < line`);
    return this.#perform(words, input);
  }

  /** The same, without a word. */
  look(...words: string[]): Promise<string> {
    return this.#perform(words);
  }

  #perform(words: readonly string[], input = ""): Promise<string> {
    const options = { cwd: this.folder, env: this.#env, timeout: PATIENCE_MS };
    return new Promise((resolve, reject) => {
      const child = execFile(process.execPath, [PROGRAMS.aimessage, ...words], options, (error, stdout, stderr) => {
        this.#tell({ ended: child.pid });
        if (error === null) resolve(stdout.trimEnd());
        else reject(new Failed(`${written(["aimessage", ...words])}: ${stderr.trim() || error.message}`));
      });
      this.#tell({ started: child.pid });
      // A command need not read what it is given.
      child.stdin?.on("error", () => undefined).end(input);
    });
  }

  /** The end of what each process has said, for whoever looks for a fault. */
  get logs(): string {
    return this.#actors
      .map(({ name, said }) => `$ ${name}\n${said.split("\n").slice(-LOG_LINES).join("\n")}\n`)
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#janitor.exitCode !== null) return;
    const done = once(this.#janitor, "exit");
    this.#janitor.stdin.end();
    await done;
  }

  #tell(fact: object): void {
    if (this.#janitor.stdin.writable) this.#janitor.stdin.write(`${JSON.stringify(fact)}\n`);
  }
}

/** A process beside the others, and what it says, line by line. */
export class Actor {
  readonly lines: string[] = [];
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #look = new Set<() => void>();
  #errors = "";
  #ended = false;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.lines.push(line);
        for (const look of this.#look) look();
      });
    child.stderr?.on("data", (part: Buffer) => (this.#errors += part.toString()));
    child.stdin?.on("error", () => undefined);
    child.once("close", () => {
      this.#ended = true;
      for (const look of this.#look) look();
    });
  }

  /** All that it has printed, and its errors. */
  get said(): string {
    return [...this.lines, this.#errors].join("\n").trimEnd();
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Waits until its lines have what is looked for. @throws Failed if it ends before, or it takes too long */
  until<T>(what: string, find: (lines: readonly string[]) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#look.delete(look);
      };
      const give = (why: string): void => {
        stop();
        reject(new Failed(`${what}: ${why} (${this.name})`));
      };
      const look = (): void => {
        const found = find(this.lines);
        if (found !== undefined) {
          stop();
          resolve(found);
        } else if (this.#ended) give("its process has ended");
      };
      const timer = setTimeout(() => give(`not within ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
      this.#look.add(look);
      look();
    });
  }

  /** Asks it to end, and waits until it has. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#child, "close");
    this.#child.kill();
    await closed;
  }
}

/** A command line as one types it. */
function written(words: readonly string[]): string {
  return words.map((word) => (/[^\w./:@=-]/.test(word) ? `"${word}"` : word)).join(" ");
}
