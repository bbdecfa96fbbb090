/** A relay, an origin that it knows, whose page runs a module of `page/`, and a browser. */
import { fileURLToPath } from "node:url";
import { createRelay, type Relay } from "@aimessage/server";
import { type Chromium, serveModule, type Served, startChromium } from "../../../../test/chromium.ts";

export class PageWorld implements AsyncDisposable {
  readonly relay: Relay;
  readonly chromium: Chromium;
  readonly #served: Served;

  private constructor(served: Served, relay: Relay, chromium: Chromium) {
    this.#served = served;
    this.relay = relay;
    this.chromium = chromium;
  }

  static async create(module: string): Promise<PageWorld> {
    const served = await serveModule(fileURLToPath(new URL(`page/${module}`, import.meta.url)));
    const relay = await createRelay({
      port: 0,
      store: "memory",
      noLimits: true,
      origins: [new URL(served.url).origin],
    });
    return new PageWorld(served, relay, await startChromium());
  }

  /** Of the page. */
  get url(): string {
    return this.#served.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chromium.kill();
    await this.relay[Symbol.asyncDispose]();
    await this.#served[Symbol.asyncDispose]();
  }
}
