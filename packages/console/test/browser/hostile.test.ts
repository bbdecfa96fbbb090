/** What others may try against the console: pages of theirs, and what they send. In a real browser. */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { files } from "@aimessage/console/page";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { hostileBodies } from "../../../cli/test/doors/hostile-bodies.ts";
import { builtCli } from "../../../../test/built.ts";
import { hasChromium } from "../../../../test/chromium.ts";
import { freePort, Program } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { ConsoleWorld, goTo } from "./world.ts";

/** Beside those that every door has to take. */
const MORE: Record<string, string> = {
  "a script in an SVG": '<svg onload="document.title=1"><script>document.title="pwned"</script></svg>',
  "a frame and a form":
    '<iframe src="https://evil.example"></iframe><form action="https://evil.example"><input name=token></form>',
  styles: "<style>*{display:none!important}</style><link rel=stylesheet href=https://evil.example/x.css>",
  "a base, and a refresh":
    '<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example">',
  "links that are none": "javascript:alert(1) data:text/html,<script>alert(1)</script> file:///etc/passwd vbscript:x",
  "links that pretend":
    "https://good.example@evil.example/ https://evil.example/\u202egpj.exe http://\u0430pple.example/",
  "megabytes in one line": "W".repeat(500_000),
};

describe.runIf(hasChromium)("the console, against others", () => {
  let world: ConsoleWorld;
  let page: Page;
  let mallory: Agent;
  let evil: Server;

  beforeAll(async () => {
    world = await ConsoleWorld.create();
    await world.own("alice");
    mallory = await world.other("mallory");
    page = await world.open();
    await page.evaluate(() => {
      const broken: string[] = [];
      Object.assign(globalThis, { broken });
      addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
        broken.push(`${violatedDirective} ${blockedURI}`),
      );
    });
    evil = createServer((_request, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>evil</title><p>evil");
    });
    evil.listen(0, "127.0.0.1");
    await once(evil, "listening");
  });
  afterAll(async () => {
    evil.close();
    await world[Symbol.asyncDispose]();
  });

  const bodies = { ...hostileBodies, ...MORE };
  const violations = () => page.evaluate(() => (globalThis as unknown as { broken: string[] }).broken);

  /** Looks elsewhere and back, as somebody who comes back to a conversation. */
  const toNewest = async (): Promise<void> => {
    await goTo(page, "alice", "verify");
    await page.getByRole("heading", { name: "Verify" }).waitFor();
    await goTo(page, "alice", "talk", "mallory");
  };

  test(
    "[C-6] forty hostile bodies are texts like others: nothing runs, nothing is loaded, nothing leaves its place",
    { tags: ["long"] },
    async () => {
      expect(Object.keys(bodies).length).toBeGreaterThanOrEqual(40);
      await goTo(page, "alice", "talk", "mallory");
      for (const body of Object.values(bodies)) await mallory.send("alice", body);
      await mallory.outbox.drained();
      const requests: string[] = [];
      page.on("request", (request) => requests.push(request.url()));
      let dialogs = 0;
      page.on("dialog", async (dialog) => {
        dialogs += 1;
        await dialog.dismiss();
      });
      const seen = new Set<string>();
      const last = Object.values(MORE).at(-1) as string;
      await page.locator(".line", { hasText: last.slice(0, 100) }).waitFor();
      // From the newest up to the oldest, each as it is drawn.
      await page.locator("main").focus();
      for (let step = 0; step < Object.keys(bodies).length; step++) {
        await page.keyboard.press("k");
        const id = await eventually("another line is the current one", async () => {
          const now = await page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["line"]);
          return now !== undefined && !seen.has(now) && now;
        });
        seen.add(id);
        const outside = await page.evaluate(() => {
          const line = document.activeElement?.closest(".line");
          const box = line?.getBoundingClientRect();
          const list = document.querySelector(".window")?.getBoundingClientRect();
          return box === undefined || list === undefined || box.right > list.right + 1 || box.left < list.left - 1;
        });
        expect(outside).toBe(false);
      }
      expect(seen.size).toBeGreaterThanOrEqual(Object.keys(bodies).length);
      const made = await page.evaluate(() => [
        document.querySelectorAll(
          ".line script, .line img, .line iframe, .line style, .line svg, .line form, .line link",
        ).length,
        document.documentElement.scrollWidth > document.documentElement.clientWidth,
        document.title,
      ]);
      expect(made).toEqual([0, false, expect.stringMatching(/^(\(\d+\) )?\w+: [\w ]+ - AI Message$/)]);
      const own = new URL(page.url()).origin;
      expect(requests.filter((url) => !url.startsWith(own))).toEqual([]);
      expect([dialogs, await violations(), world.complaints]).toEqual([0, [], []]);
    },
  );

  test("[C-7] a link is followed by a click that names its host, and by no other; what is none is text", async () => {
    await mallory.send("alice", "look: https://good.example@evil.example/ and https://evil.example/path?q=1#x");
    await toNewest();
    const line = page.locator(".line", { hasText: "look:" });
    await line.waitFor();
    expect(await line.locator("a[href]").count()).toBe(0);
    expect(await line.locator("button.link").allInnerTexts()).toEqual(["https://evil.example/path?q=1#x"]);
    await line.locator("button.link").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading", { name: "Open evil.example?" }).waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(
      page
        .context()
        .pages()
        .filter((each) => each.url().includes("evil")),
    ).toEqual([]);
  });

  test("[C-8] a file is saved under a name that is only a name, and is never shown as a page", async () => {
    const folder = join(world.folder, "files");
    mkdirSync(folder);
    const path = join(folder, "page.html");
    writeFileSync(path, "<script>alert(1)</script>");
    await mallory.send("alice", "a page", { files: [{ path, name: "safe\u202elmth.exe.html", type: "text/html" }] });
    await toNewest();
    const line = page.locator(".line", { hasText: "a page" });
    const loading = page.waitForEvent("download");
    await line.getByRole("button", { name: /^Save/ }).click();
    const download = await loading;
    expect(download.suggestedFilename()).not.toMatch(/[\u202a-\u202e/\\]/);
    expect(download.url()).toMatch(/^blob:/);
    expect(await violations()).toEqual([]);
  });

  test("[C-1] a page of another origin on the same machine reads nothing and sends nothing, whatever it tries", async () => {
    const { url } = await world.start();
    const before = (await (await world.beside("alice")).conversations.list()).length;
    const attacker = await world.chromium.visit(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`);
    const tried = await attacker.evaluate(async (target) => {
      const ask = async (path: string, init: RequestInit): Promise<string> =>
        fetch(target + path, init).then(
          async (response) => `${response.type} ${await response.text()}`,
          () => "failed",
        );
      const body = JSON.stringify({ given: { agent: "alice", to: "mallory", body: "stolen" } });
      const results = [
        await ask("/", {}),
        await ask("/api/agents", { method: "POST", body: '{"given":{}}' }),
        await ask("/api/send", { method: "POST", body, mode: "no-cors" }),
        await ask("/api/send", {
          method: "POST",
          body,
          credentials: "include",
          headers: { authorization: "Bearer x" },
        }),
        await ask("/api/changes", { mode: "no-cors" }),
        await ask("/api/session", { method: "POST", body: '{"code":"guess"}', mode: "no-cors" }),
      ];
      const form = document.createElement("form");
      form.action = `${target}/api/send`;
      form.method = "post";
      form.enctype = "text/plain";
      const frame = document.createElement("iframe");
      frame.name = "frame";
      frame.src = target;
      document.body.append(form, frame);
      await new Promise((resolve) => frame.addEventListener("load", resolve));
      form.target = "frame";
      form.submit();
      const opened = open(target);
      await new Promise((resolve) => setTimeout(resolve, 300));
      let reached = "nothing";
      try {
        reached = frame.contentDocument?.body.innerText ?? "nothing";
      } catch {
        // Another origin.
      }
      return { results, reached, opened: opened === null || opened.closed };
    }, url);
    for (const result of tried.results) expect(result).toMatch(/^failed$|^opaque $/);
    expect(tried.reached).toBe("nothing");
    await attacker.close();
    const alice = await world.beside("alice");
    expect((await alice.conversations.list()).length).toBe(before);
    expect(await alice.conversations.search("stolen")).toEqual([]);
  });

  /** Another console of the same home, opened in a tab. */
  async function another(...more: string[]): Promise<{ tab: Page; program: Program; port: number }> {
    const program = new Program([builtCli(), "console", "--no-open", "--json", "--home", world.home, ...more]);
    onTestFinished(() => program.end("SIGTERM"));
    program.start();
    const line = await eventually("it says where it is", () => program.lines.at(-1));
    const { url, file } = JSON.parse(line) as { url: string; file: string };
    const tab = await world.chromium.visit(`file://${file}`);
    onTestFinished(() => tab.close());
    await tab.getByRole("navigation", { name: "Agents" }).getByText("alice").waitFor();
    return { tab, program, port: Number(new URL(url).port) };
  }

  test("[C-1] whoever had its port before has no part in it, whatever the browser has kept of that", async () => {
    const port = await freePort();
    const before = createServer((request, response) => {
      response.setHeader("cache-control", "max-age=31536000, immutable");
      const isPage = request.url === "/";
      response.setHeader("content-type", isPage ? "text/html" : "text/javascript");
      if (isPage) response.end('<!doctype html><script type="module" src="/register.js"></script>');
      else if (request.url === "/register.js")
        response.end(
          "await navigator.serviceWorker.register('/sw.js'); await navigator.serviceWorker.ready; document.title = 'ready'",
        );
      else if (request.url === "/sw.js")
        response.end(
          "onfetch = (event) => event.respondWith(new Response('<!doctype html><h1>not the console</h1>', { headers: { 'content-type': 'text/html' } }))",
        );
      else response.end("document.body.textContent = 'not the console'");
    });
    before.listen(port, "127.0.0.1");
    const visitor = await world.chromium.visit(`http://127.0.0.1:${port}/`);
    await visitor.waitForFunction(() => document.title === "ready");
    await visitor.evaluate(
      (paths) => Promise.all(paths.map((path) => fetch(path, { cache: "force-cache" }))),
      Object.keys(files),
    );
    await visitor.close();
    before.closeAllConnections();
    await new Promise((resolve) => before.close(resolve));
    const { tab } = await another("--port", `${port}`);
    expect(await tab.evaluate(() => navigator.serviceWorker.controller)).toBeNull();
    expect(new URL(tab.url()).host).toMatch(new RegExp(`^[0-9a-f]{32}\\.localhost:${port}$`));
  });

  test("[C-4] a tab ends with its console: whoever has the port then is told nothing", async () => {
    const { tab, program, port } = await another();
    await goTo(tab, "alice", "talk", "mallory");
    const field = tab.getByRole("textbox", { name: "Message to mallory" });
    await field.fill("half-typed");
    const told: string[] = [];
    const after = createServer((request, response) => {
      told.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
      response.end('{"answer":[]}');
    });
    onTestFinished(() => void after.close());
    await program.end("SIGKILL");
    after.listen(port, "127.0.0.1");
    await tab.getByRole("alert").getByText("the console has ended").waitFor();
    await field.press("Enter");
    await goTo(tab, "alice", "verify");
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(told).toEqual([]);
    expect(await tab.evaluate(() => Object.values(sessionStorage))).toEqual([]);
  });

  test("[C-4] a link that was used, or a tab without one, is told how to get another", async () => {
    const { url } = await world.start();
    for (const address of [url, `${url}/#${"A".repeat(43)}`]) {
      const tab = await world.chromium.visit(address);
      await tab.getByRole("alert").waitFor();
      expect(await tab.getByRole("navigation").count()).toBe(0);
      expect(new URL(tab.url()).hash).toBe("");
      await tab.close();
    }
    // A reload is the same tab.
    await page.reload();
    await page.getByRole("navigation", { name: "Agents" }).waitFor();
  });
});
