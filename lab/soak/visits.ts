import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { builtCli } from "../../test/built.ts";
import { AWAKE, VISITOR, VISIT_MS } from "./load.ts";
import { Reporter } from "./samples.ts";

const run = promisify(execFile);

/** An agent that lives in short processes of the command line: each sends one message to one of the others, in turns. */
export class Visits {
  readonly reporter = new Reporter();
  readonly #home: string;
  #timer: NodeJS.Timeout | undefined;
  #number = 0;
  #present: Promise<void> = Promise.resolve();

  constructor(home: string) {
    this.#home = home;
  }

  async register(server: string): Promise<void> {
    await this.#command("register", "-s", server);
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#present = this.#present.then(() => this.#send()).catch((error: unknown) => this.reporter.failed(error));
    }, VISIT_MS);
  }

  /** Resolves when the last has ended. */
  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.#present;
  }

  async #send(): Promise<void> {
    const started = performance.now();
    const to = AWAKE[this.#number++ % AWAKE.length] as string;
    const { message_id } = JSON.parse(await this.#command("send", "-t", to, "-m", "- passing by", "--json")) as {
      message_id: string;
    };
    this.reporter.timed("visit", started);
    this.reporter.posted({ id: message_id, from: VISITOR, to, expires: false });
  }

  async #command(name: string, ...args: string[]): Promise<string> {
    const all = [builtCli(), name, "--home", this.#home, "-u", VISITOR, ...args];
    return (await run(process.execPath, all)).stdout;
  }
}
