/** Who may ask the console, and who may not: by bare HTTP, as programs and pages of others would ask. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { AgentsBack } from "@aimessage/console/back";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageFiles } from "@aimessage/sdk/program";
import { RedirectFile } from "../../src/console/redirect-file.ts";
import { type ConsoleServer, serveConsole } from "../../src/console/server.ts";

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

describe("the console's server", () => {
  let server: ConsoleServer;
  let origin: URL;

  beforeAll(async () => {
    const back = new AgentsBack({ list: async () => new Map() });
    server = await serveConsole(back, new PageFiles({ "/index.html": "<!doctype html>", "/a.js": "1" }));
    origin = new URL(server.origins[0]);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** As a program may ask, which no browser holds to anything. */
  function ask(
    path: string,
    { headers = {}, ...options }: Omit<RequestOptions, "headers"> & { headers?: Record<string, string> } = {},
    body?: string,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { host: "127.0.0.1", port: origin.port, path, headers: { host: origin.host, ...headers }, ...options },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part: string) => (text += part));
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
          );
        },
      );
      asked.on("error", reject);
      asked.end(body);
    });
  }
  const post = (path: string, headers: Record<string, string>, body = '{"given":{}}') =>
    ask(path, { method: "POST", headers: { origin: server.origins[0], ...headers } }, body);
  const enter = async (code = (server.links()[0] ?? "").split("#")[1] ?? "") => {
    const { status, body } = await post("/api/session", {}, JSON.stringify({ code }));
    return { status, token: (JSON.parse(body) as { token?: string }).token };
  };

  test("answers a page that has shown its code, by the token alone", async () => {
    const { token } = await enter();
    const { status, body } = await post("/api/agents", { authorization: `Bearer ${token}` });
    expect([status, JSON.parse(body)]).toEqual([200, { answer: [] }]);
  });

  test("[C-3] tells nothing without a token, with a guessed one, or with one in a cookie", async () => {
    const { token = "" } = await enter();
    for (const headers of [
      {},
      { authorization: "Bearer " },
      { authorization: `Bearer ${"A".repeat(43)}` },
      { authorization: token },
      { authorization: `Basic ${token}` },
      { cookie: `token=${token}` },
    ])
      expect((await post("/api/agents", headers as Record<string, string>)).status).toBe(401);
    for (const path of ["/api/changes", "/api/file", "/api/upload", "/api/nothing"])
      expect((await post(path, {})).status).toBe(401);
  });

  test("[C-4] takes a code once, and gives another one for the next tab", async () => {
    const code = (server.links()[0] ?? "").split("#")[1] ?? "";
    expect(code.length).toBeGreaterThanOrEqual(43);
    expect((await enter(code)).status).toBe(200);
    expect((await enter(code)).status).toBe(401);
    expect(server.links()[0] ?? "").not.toContain(code);
    for (const wrong of ["", "x", code.toLowerCase(), server.links()[0] ?? ""])
      expect((await enter(wrong)).status).toBe(401);
  });

  test("[C-1] refuses what a page of another origin asks, and lets it read nothing", async () => {
    const { token } = await enter();
    const authorization = `Bearer ${token}`;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://localhost:${origin.port}` },
      { origin: `http://127.0.0.1:${Number(origin.port) + 1}` },
      { origin: `https://127.0.0.1:${origin.port}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
    ]) {
      const answer = await post("/api/agents", { authorization, ...(headers as Record<string, string>) });
      expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    }
    // What posts without saying whence is no page of ours either.
    const { status } = await ask("/api/agents", { method: "POST", headers: { authorization } }, '{"given":{}}');
    expect(status).toBe(403);
    expect((await ask("/api/agents", { method: "OPTIONS", headers: { origin: "https://evil.example" } })).status).toBe(
      403,
    );
  });

  test("[C-1] has a name that no console had before, beside its address", async () => {
    const back = new AgentsBack({ list: async () => new Map() });
    const page = new PageFiles({ "/index.html": "<!doctype html>" });
    const names = new Set<string>();
    for (let start = 0; start < 3; start++) {
      await using another = await serveConsole(back, page);
      const [own, address] = another.origins;
      expect([own, address]).toEqual([
        expect.stringMatching(/^http:\/\/[0-9a-f]{32}\.localhost:\d+$/),
        expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      ]);
      expect(another.links().map((link) => link.split("#")[0])).toEqual([`${own}/`, `${address}/`]);
      names.add(own);
    }
    expect(names.size).toBe(3);
  });

  test("takes no more than a code of whoever has no token, nor waits long for that", { tags: ["long"] }, async () => {
    const headers = { origin: server.origins[0] };
    const long = await ask("/api/session", { method: "POST", headers }, JSON.stringify({ code: "x".repeat(5_000) }));
    expect([long.status, JSON.parse(long.body)]).toEqual([
      413,
      { error: expect.objectContaining({ code: "too_large" }) },
    ]);
    const begun = request({
      host: "127.0.0.1",
      port: origin.port,
      path: "/api/session",
      method: "POST",
      headers: { host: origin.host, ...headers, "content-length": "500" },
    });
    begun.on("error", () => {});
    begun.write("{");
    await new Promise((resolve) => begun.on("close", resolve));
  });

  test("lets nobody who fills what it remembers of an address keep its owner out", async () => {
    const cookie = Array.from({ length: 100 }, (_, at) => `c${at}=${"x".repeat(4_000)}`).join("; ");
    expect((await ask("/", { headers: { cookie } })).status).toBe(200);
  });

  test("[C-2] answers under its own name alone: a name that was made to lead here is refused", async () => {
    const { token } = await enter();
    for (const host of [
      "evil.example",
      `evil.example:${origin.port}`,
      `localhost:${origin.port}`,
      "127.0.0.1",
      `[::1]:${origin.port}`,
    ])
      for (const path of ["/", "/a.js", "/api/agents"]) {
        const headers = { host, origin: `http://${host}`, authorization: `Bearer ${token}` };
        const method = path.startsWith("/api") ? "POST" : "GET";
        expect([host, path, (await ask(path, { method, headers })).status]).toEqual([host, path, 403]);
      }
  });

  test("[C-5] says with everything that it is in nobody's frame, keeps nothing, and runs nothing but its own", async () => {
    for (const { headers } of [
      await ask("/"),
      await ask("/a.js"),
      await ask("/nothing"),
      await post("/api/agents", {}),
    ]) {
      const policy = headers["content-security-policy"] ?? "";
      for (const rule of [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ])
        expect(policy).toContain(rule);
      expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
      expect(headers).toMatchObject({
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
      });
      expect(headers["set-cookie"]).toBeUndefined();
    }
  });

  test("has no other file, and takes no wrong request for one", async () => {
    const { token } = await enter();
    const authorization = `Bearer ${token}`;
    for (const path of [
      "/../package.json",
      "/%2e%2e/package.json",
      "/..%2f..%2fetc/passwd",
      "//etc/passwd",
      "/index.html/../a",
    ])
      expect((await ask(path)).status).toBe(404);
    for (const body of [
      "",
      "{",
      "[]",
      "null",
      '{"given":{"agent":1}}',
      '{"given":{},"more":1}',
      '{"given":{"agent":"a","x":1}}',
    ]) {
      const { status, body: said } = await post("/api/conversations", { authorization }, body);
      expect([status, (JSON.parse(said) as { error: { code: string } }).error.code]).toEqual([400, "usage"]);
    }
    for (const method of ["toString", "__proto__", "constructor", "agents/x", ""])
      expect((await post(`/api/${method}`, { authorization })).status).toBe(404);
    for (const method of ["GET", "PUT", "DELETE", "HEAD"])
      expect((await ask("/api/agents", { method, headers: { authorization, origin: server.origins[0] } })).status).toBe(
        403,
      );
    expect((await ask("/", { method: "POST" })).status).toBe(403);
    const unknown = await post("/api/conversations", { authorization }, '{"given":{"agent":"nobody"}}');
    expect(JSON.parse(unknown.body)).toMatchObject({ error: { code: "not_registered" } });
  });
});

test("[C-3] only its owner can read the file that leads to the console, and it goes with the console", () => {
  const home = mkdtempSync(join(tmpdir(), "redirect "));
  {
    using file = new RedirectFile(home);
    file.write(["http://127.0.0.1:1/#one"]);
    file.write(["http://a.localhost:1/#two", "http://127.0.0.1:1/#two"]);
    expect([statSync(file.path).mode & 0o777, statSync(dirname(file.path)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readFileSync(file.path, "utf8")).toContain("#two");
    expect(readFileSync(file.path, "utf8")).not.toContain("#one");
  }
  expect(() => statSync(home + "/console.html")).toThrow();
  rmSync(home, { recursive: true });
});

test("what a console that was killed has left goes with the next; what a running one has stays, and whatever is none of its", () => {
  const home = mkdtempSync(join(tmpdir(), "redirect "));
  const kept = [`.console-${process.ppid}-abc`, "console-999999999-eu", "console-7-prod", ".console-999999998-full"];
  for (const name of [...kept, ".console-999999999-abc"]) mkdirSync(join(home, name));
  writeFileSync(join(home, ".console-999999999-abc", "console.html"), "");
  writeFileSync(join(home, ".console-999999998-full", "notes"), "of somebody else");
  {
    using file = new RedirectFile(home);
    expect(readdirSync(home).toSorted()).toEqual([basename(dirname(file.path)), ...kept].toSorted());
  }
  expect(readdirSync(home).toSorted()).toEqual(kept.toSorted());
  rmSync(home, { recursive: true });
});
