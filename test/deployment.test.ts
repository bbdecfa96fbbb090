/** What this repository says of where it runs: packages, services, images, CI, and the limits that README names. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRelay, defaultLimits } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { expectBuilt } from "./built.ts";
import { largestBody } from "../packages/sdk/src/crypto/content.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
/** npm brings it for Linux on x64 and arm64. */
const NODE = join(root, "node_modules/.bin/node");
/** The clone under a name without spaces, as the documents put it in /opt: a unit would have to quote others. */
function installed(): string {
  const folder = mkdtempSync("/tmp/installed-");
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const link = join(folder, "aimessage");
  symlinkSync(root, link);
  return link;
}
const number = (count: number) => count.toLocaleString("en");
const read = (path: string) => readFileSync(join(root, path), "utf8");

test("every package names the Node that it needs, and an older one is told so by its commands", () => {
  const folders = ["", ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/`)];
  expect(folders).toHaveLength(5);
  for (const folder of folders) {
    const { engines } = JSON.parse(read(`${folder}package.json`)) as { engines?: { node: string } };
    expect({ folder, engines }).toEqual({ folder, engines: { node: ">=24" } });
  }
  for (const program of ["cli/bin/aimessage.js", "server/bin/aimessage-server.js"])
    expect(read(`packages/${program}`)).toContain("< 24)");
});

/** A systemd unit, as it is for this clone. */
const unit = (name = "aimessage-server.service") => read(`deploy/${name}`).replaceAll("/opt/aimessage", installed());

function expectValid(text: string, skip: (why: string) => void, name = "aimessage-server.service"): void {
  if (!existsSync(NODE) || spawnSync("systemd-analyze", ["--version"]).status !== 0)
    skip("no systemd here, or no such Node");
  const folder = mkdtempSync(join(tmpdir(), "unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, name);
  writeFileSync(path, text);
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining("aimessage") });
}

test.skipIf(!existsSync(NODE))("the systemd unit runs the clone's Node, whatever the system's is", () => {
  expectBuilt();
  const [node = "", ...words] = (/^ExecStart=(.*)$/m.exec(unit())?.[1] ?? "").split(" ");
  expect(realpathSync(node)).toBe(realpathSync(NODE));
  const { status, stdout } = spawnSync(node, [...words, "--version"], { env: { PATH: "/nowhere" }, encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test("systemd finds nothing wrong with the unit", ({ skip }) => {
  expectValid(unit(), skip);
});

test("systemd finds nothing wrong with the unit of an agent", ({ skip }) => {
  expectValid(unit("aimessage-agent@.service"), skip, "aimessage-agent@bob.service");
});

test("the services of agents call a program and flags that there are", () => {
  const plist = [...read("deploy/org.aimessage.agent.plist").matchAll(/<string>([^<]*)<\/string>/g)].map(
    ([, word]) => word,
  );
  const [line = ""] = /^ExecStart=.*$/m.exec(read("deploy/aimessage-agent@.service")) ?? [];
  for (const words of [plist, line.split(" ")]) {
    const at = words.findIndex((word) => word?.endsWith("packages/cli/bin/aimessage.js"));
    expect(words.slice(at + 1, at + 5)).toEqual(["-u", expect.any(String), "listen", "--exec"]);
    expect(words[at + 6]).toBe("--reply");
  }
});

test("what CI and the image take from outside is named by what it is, and not by a name that may move", () => {
  for (const name of readdirSync(join(root, ".github/workflows"))) {
    const uses = [...read(`.github/workflows/${name}`).matchAll(/uses: (.*)$/gm)].map(([, action]) => action);
    for (const action of uses) expect(action).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
  const stages = [...read("Dockerfile").matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)].map(([, from, as]) => ({ from, as }));
  const own = new Set(stages.map(({ as }) => as));
  for (const { from } of stages.filter(({ from }) => !own.has(from)))
    expect(from).toMatch(/^node:24[\w.-]*@sha256:[0-9a-f]{64}$/);
});

test("ports that README and CI publish are this machine's alone", () => {
  const texts = ["README.md", "compose.yaml", ".github/workflows/ci.yml"].map(read).join("\n");
  const published = [...texts.matchAll(/ -p (\S+)|^ +- "?(\S*:\d+)"?$/gm)];
  expect(published.length).toBeGreaterThan(2);
  for (const [, flag, entry] of published) expect(flag ?? entry).toMatch(/^127\.0\.0\.1:/);
});

test("README names the limits as they are", () => {
  const limits = defaultLimits();
  const [, section = ""] = /^## Limits\n([^]*?)^## /m.exec(read("README.md")) ?? [];
  for (const words of [
    `${number(largestBody(limits.frameBytes))} bytes of text`,
    `${number(limits.mailboxMessages)} messages or ${limits.mailboxBytes / 2 ** 20} MiB wait for an agent, for ${limits.mailboxAge / 86_400_000} days`,
    `${limits.framesPerSecond} frames a second, ${limits.framesBurst} at once, over ${limits.accountConnections} connections`,
    `${limits.claimsPerHour} an hour`,
    `${number(limits.maxConnections)} connections, ${number(limits.strangers)} of them not logged in`,
    `less than ${limits.reserveBytes / 2 ** 20} MiB`,
    `${limits.addressConnectionsPerSecond} connections a second; ${limits.registrationsBurst} registrations at once, then one a second`,
  ])
    expect(section).toContain(words);
  expect(limits.registrationsPerSecond).toBe(1);
});

test.skipIf(!existsSync(NODE))(
  "README's line for cron makes a backup in another folder, with cron's PATH",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "cron-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    await (await createRelay({ port: 0, db: join(folder, "data") }))[Symbol.asyncDispose]();
    const [, line = ""] = /^```crontab\n(?:[\d*]+ ){5}(.*)\n```$/m.exec(read("README.md")) ?? [];
    // For cron a percent sign ends the command unless there is a backslash before it.
    const [command = ""] = line.replaceAll("\\%", "\0").split("%");
    const here = [
      ["/opt/aimessage/", root],
      ["/backups", folder],
      ["/var/lib/aimessage", join(folder, "data")],
    ] as const;
    const script = here.reduce(
      (text, [from, to]) => text.replaceAll(from, to.replaceAll(" ", "\\ ")),
      command.replaceAll("\0", "%"),
    );
    const cron = { cwd: folder, env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" } as const;
    const { status, stderr } = spawnSync("/bin/sh", ["-c", script], cron);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readdirSync(folder)).toContainEqual(expect.stringMatching(/^relay-\d{4}-\d\d-\d\d\.db$/));
  },
);

test("README names npx only for what is done in a clone", () => {
  for (const line of read("README.md").split("\n"))
    if (line.includes("npx")) expect(line).not.toMatch(/cron|systemctl|\/opt\//);
});

test("a read time-out that is named for a proxy is longer than the time between two pings", () => {
  const [, minutes] = /proxy_read_timeout (\d+)m;/.exec(read("README.md")) ?? [];
  const ping = defaultLimits().pingInterval;
  expect(Number(minutes) * 60_000).toBeGreaterThan(ping);
  expect(read("deploy/kubernetes.yaml")).toContain(`the ${ping / 1_000} s between two pings`);
});

test("systemd finds nothing wrong with what README adds to the unit for port 443", ({ skip }) => {
  const [, more = ""] = /^```ini\n([^]*?)^```/m.exec(read("README.md")) ?? [];
  expectValid(unit().replace("[Install]", `${more}\n[Install]`), skip);
});
