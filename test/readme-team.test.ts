/** README's three agents in a team, line by line, as it stands there. */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "./built.ts";
import { temporaryFolder } from "./processes/processes.ts";

const README = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");

/** The block of a section. */
function blockOf(title: string): string[] {
  const [, section = ""] = README.split(`### ${title}\n`);
  return (/```bash\n(.*?)\n```/s.exec(section)?.[1] ?? "").split("\n");
}

test.skipIf(process.platform === "win32")(
  "README leads from nothing to three agents in a team in twenty lines",
  async () => {
    const lines = blockOf("Three agents in a team");
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.length).toBeLessThanOrEqual(20);
    expect(lines[0]).toMatch(/^npx aimessage-server & /);
    const relay = await createRelay({ port: 0, store: "memory", noLimits: true });
    onTestFinished(() => relay[Symbol.asyncDispose]());
    const folder = temporaryFolder();
    onTestFinished(() => folder[Symbol.dispose]());
    const bin = join(folder.path, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npx"), `#!/bin/sh\nshift\nexec '${process.execPath}' '${builtCli()}' "$@"\n`);
    chmodSync(join(bin, "npx"), 0o755);
    const script = [...lines.slice(1), "kill $(jobs -p)"].join("\n").replaceAll("ws://localhost:8080", relay.url);
    const { stdout } = await promisify(execFile)("bash", ["-c", script], {
      env: {
        PATH: [bin, dirname(process.execPath), process.env["PATH"]].join(delimiter),
        AIMESSAGE_HOME: join(folder.path, "agents"),
      },
      timeout: 50_000,
    });
    const said = stdout.split("\n").map((line) => line.replace(/\d\d:\d\d:\d\d/, "14:30:18").replace("OFFLINE ", ""));
    for (const line of lines.filter((each) => each.startsWith("# "))) expect(said).toContain(line.slice(2));
    expect(stdout).toMatch(/^Members: +3: 1 admin/m);
  },
);
