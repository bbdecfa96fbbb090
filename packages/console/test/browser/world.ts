/** A relay, a home with agents, `aimessage console` as it is built, and a browser that it was opened in. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, type Relay } from "@aimessage/server";
import { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { builtCli } from "../../../../test/built.ts";
import { type Chromium, startChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { Program } from "../../../../test/processes/processes.ts";

/** Pictures are kept where this names a folder: `.ci/run` does, for whoever wants to look. */
export const SHOTS = process.env["AIMESSAGE_SCREENSHOTS"];

export class ConsoleWorld implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "console-"));
  readonly relay: Relay;
  readonly chromium: Chromium;
  readonly console: Program;
  /** What a page has broken of its policy, or complained of. */
  readonly complaints: string[] = [];
  readonly #agents: Agent[] = [];

  private constructor(relay: Relay, chromium: Chromium) {
    this.relay = relay;
    this.chromium = chromium;
    this.console = new Program([builtCli(), "console", "--no-open", "--json", "--home", this.home]);
  }

  static async create(): Promise<ConsoleWorld> {
    const relay = await createRelay({ port: 0, store: "memory", noLimits: true });
    return new ConsoleWorld(relay, await startChromium());
  }

  /** Of the agents that the console shows. */
  get home(): string {
    return join(this.folder, "home");
  }

  /** An agent of the console's home, let go of: the console has its link. */
  async own(username: string, prepare: (agent: Agent) => Promise<unknown> = async () => undefined): Promise<void> {
    await using agent = await Agent.open({ username, server: this.relay.url, home: this.home });
    await prepare(agent);
  }

  /** Another process's view of an agent of the console's home. */
  async beside(username: string): Promise<Agent> {
    return this.#keep(await Agent.open({ username, home: this.home, create: false, role: "test" }));
  }

  /** An agent of somebody else. */
  async other(username: string): Promise<Agent> {
    const home = mkdtempSync(join(this.folder, "other-"));
    return this.#keep(await Agent.open({ username, server: this.relay.url, home }));
  }

  /** Starts the console. @returns the file that leads to it */
  async start(): Promise<{ url: string; file: string }> {
    mkdirSync(this.home, { recursive: true });
    if (!this.console.running) this.console.start();
    const line = await eventually("the console says where it is", () => {
      if (!this.console.running) throw new Error(this.console.errors);
      return this.console.lines.at(-1);
    });
    return JSON.parse(line) as { url: string; file: string };
  }

  /** Opens the console in a tab, as its owner does. */
  async open(): Promise<Page> {
    const { file } = await this.start();
    const page = await this.chromium.visit("about:blank");
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    await page.goto(`file://${file}`);
    await page.getByRole("navigation", { name: "Agents" }).waitFor();
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chromium.kill();
    await this.console.end("SIGTERM");
    for (const agent of this.#agents) await agent.close();
    await this.relay[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #keep(agent: Agent): Agent {
    this.#agents.push(agent);
    return agent;
  }
}

/** Goes to a place of the page by its address, as its links do. */
export async function goTo(page: Page, ...path: string[]): Promise<void> {
  await page.evaluate(
    (hash) => {
      location.hash = hash;
    },
    `#/${path.map(encodeURIComponent).join("/")}`,
  );
}
