/** What the registry would get: three packages, installed from their files into a project of somebody else. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "./waiting.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const ATTW = "@arethetypeswrong/cli@0.18.5";
/** Folders of the packages by their names. */
const packages = { "@aimessage/sdk": "sdk", "@aimessage/server": "server", aimessage: "cli" } as const;
type Name = keyof typeof packages;
const names = Object.keys(packages) as Name[];

const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

/** What a program imports that imports everything: a package's entries by their names. */
const entries = (["@aimessage/sdk", "@aimessage/server"] as const).flatMap((name) =>
  Object.keys(read(join(root, "packages", packages[name], "package.json"))["exports"] as object).map((entry) =>
    join(name, entry),
  ),
);

const PROGRAM = `
import { Agent, listAgents } from "@aimessage/sdk/node";
import { createRelay } from "@aimessage/server";
${entries.map((entry, index) => `import * as entry${index} from "${entry}";`).join("\n")}

const entries: object[] = [${entries.map((_, index) => `entry${index}`).join(", ")}];
await using relay = await createRelay({ port: 0, store: "memory", log: "silent" });
await using alice = await Agent.open({ server: relay.url, username: "alice", home: "agents" });
const homes: readonly string[] = await listAgents("agents");
console.log(JSON.stringify({ me: alice.username, homes, empty: entries.filter((entry) => Object.keys(entry).length === 0) }));
`;

const folder = mkdtempSync(join(tmpdir(), "ai message published "));
const project = join(folder, "a project");
/** The commands find the Node that runs the tests, as a user's find the user's. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`,
};
delete env["NODE_OPTIONS"];
const tarballs = new Map<Name, { path: string; files: string[] }>();

const installed = (command: string) => join(project, "node_modules/.bin", command);

async function run(command: string, words: readonly string[], cwd = project): Promise<string> {
  // A build beside other tests would take the bundle away from under them.
  return (await promisify(execFile)(command, [...words], { cwd, env, encoding: "utf8" })).stdout;
}

describe("packed and installed", { tags: ["long"], timeout: 180_000 }, () => {
  beforeAll(async () => {
    mkdirSync(project);
    for (const name of names) {
      const words = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
      const [packed] = JSON.parse(await run("npm", words, join(root, "packages", packages[name]))) as {
        filename: string;
        files: { path: string }[];
      }[];
      if (packed === undefined) throw new Error(`${name} was not packed`);
      const path = join(folder, packed.filename.replace("@", "").replace("/", "-"));
      tarballs.set(name, { path, files: packed.files.map(({ path }) => path) });
    }
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const files = [...tarballs.values()].map(({ path }) => path);
    await run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...files]);
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("they hold what they need, and nothing else", () => {
    const common = ["LICENSE", "README.md", "package.json"];
    const built = String.raw`dist/.*\.(d\.ts|js|js\.map)|src/.*\.ts`;
    const belongs = {
      "@aimessage/sdk": new RegExp(`^(${built})$`),
      "@aimessage/server": new RegExp(`^(bin/aimessage-server\\.js|dist/console-licences\\.txt|${built})$`),
      aimessage: /^(bin\/aimessage\.js|bundle\/(main|[\w-]+)\.cjs|bundle\/LICENSES\.txt)$/,
    };
    for (const name of names) {
      const files = tarballs.get(name)?.files ?? [];
      expect(files).toEqual(expect.arrayContaining(common));
      expect(files.filter((file) => !common.includes(file) && !belongs[name].test(file))).toEqual([]);
      expect(readFileSync(join(project, "node_modules", name, "LICENSE"), "utf8")).toBe(
        readFileSync(join(root, "LICENSE"), "utf8"),
      );
    }
    const notices = readFileSync(join(project, "node_modules/aimessage/bundle/LICENSES.txt"), "utf8");
    for (const name of ["commander", "ts-mls", "ws", "zod"]) expect(notices).toMatch(new RegExp(`^${name} \\d`, "m"));
  });

  test("the command line is one package: nothing else comes with it", () => {
    expect(read(join(project, "node_modules/aimessage/package.json"))).not.toHaveProperty("dependencies");
  });

  test("the commands run, by their names and by npx, and all say one version", async () => {
    const { version } = read(join(root, "package.json"));
    for (const command of ["aimessage", "aimessage-server"]) {
      expect(await run(installed(command), ["--version"])).toBe(`${String(version)}\n`);
      expect(await run("npx", ["--no-install", command, "--version"])).toBe(`${String(version)}\n`);
    }
    for (const name of names)
      expect(read(join(project, "node_modules", name, "package.json"))).toMatchObject({ name, version });
  });

  test("every entry imports, and its types compile with nothing left unchecked", async () => {
    writeFileSync(join(project, "program.ts"), PROGRAM);
    const compilerOptions = { strict: true, module: "nodenext", target: "ES2024", lib: ["ESNext"], noEmit: true };
    const types = { types: ["node"], typeRoots: [join(root, "node_modules/@types")], skipLibCheck: false };
    const config = { compilerOptions: { ...compilerOptions, ...types }, files: ["program.ts"] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", project], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
    // A condition by which others find their own sources finds none of ours.
    const said = JSON.parse(await run(process.execPath, ["--conditions=source", "program.ts"])) as object;
    expect(said).toEqual({ me: "alice", homes: ["alice"], empty: [] });
  });

  test("two agents talk through the installed commands", async () => {
    const words = ["--port", "0", "--db", join(folder, "relay data")];
    const relay = spawn(installed("aimessage-server"), words, {
      cwd: project,
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    onTestFinished(async () => {
      const ended = once(relay, "close");
      relay.kill();
      await ended;
    });
    let said = "";
    relay.stdout.on("data", (part: Buffer) => (said += part.toString()));
    const server = await eventually("the relay says where it is", () => /^WebSocket endpoint: (\S+)$/m.exec(said)?.[1]);
    const aimessage = (...words: string[]) => run(installed("aimessage"), ["--home", join(folder, "homes"), ...words]);
    for (const name of ["alice", "bob"]) await aimessage("register", "-u", name, "-s", server);
    const heard = aimessage("-u", "bob", "listen", "--count", "1", "--timeout", "1m");
    const sent = await aimessage(
      "-u",
      "alice",
      "send",
      "-t",
      "bob",
      "-m",
      "hello bob",
      "--wait",
      "handled",
      "--timeout",
      "1m",
    );
    expect(sent).toBe("Message sent to bob (handled)\n");
    expect(await heard).toMatch(/alice: hello bob\n$/);
    // What it writes for an assistant comes with it.
    const home = join(folder, "somebody");
    await promisify(execFile)(
      installed("aimessage"),
      ["--home", join(folder, "homes"), "-u", "bob", "install", "claude"],
      {
        cwd: project,
        env: { ...env, HOME: home },
      },
    );
    expect(readFileSync(join(home, ".claude/skills/aimessage/SKILL.md"), "utf8")).toContain("aimessage");
    expect(read(join(home, ".claude.json"))).toHaveProperty("mcpServers.aimessage.args");
  });

  test.each(names)("publint finds nothing in %s", async (name) => {
    const bytes = readFileSync(tarballs.get(name)?.path ?? "");
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test.each(names.filter((name) => name !== "aimessage"))("no type of %s is wrong", async (name) => {
    const words = ["--yes", ATTW, "--profile", "esm-only", "--no-emoji", tarballs.get(name)?.path ?? ""];
    // It ends with 1 if there is a problem.
    expect(await run("npx", words, folder)).toContain("(from ESM)");
  });
});

test("every package says what it is, under which licence, and where it comes from", () => {
  const { version, license, repository } = read(join(root, "package.json"));
  for (const [name, directory] of Object.entries(packages)) {
    const manifest = read(join(root, "packages", directory, "package.json"));
    expect(manifest).toMatchObject({
      name,
      version,
      license,
      repository: { ...(repository as object), directory: `packages/${directory}` },
      publishConfig: { access: "public", provenance: true },
      description: expect.stringMatching(/^End-to-end encrypted, durable messages between AI agents: /) as string,
      keywords: expect.arrayContaining(["ai-agents", "messaging"]) as string[],
      type: "module",
    });
    const dependencies = Object.entries((manifest["dependencies"] ?? {}) as Record<string, string>);
    for (const [other, wanted] of dependencies.filter(([other]) => other in packages))
      expect({ other, wanted }).toEqual({ other, wanted: version });
  }
});
