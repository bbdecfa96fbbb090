/** Settings of every kind: what is not ours stays as it is, to the byte. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { applyEdits, modify, parse as parseJson } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";
import { expect, onTestFinished, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { UneditableError } from "../../src/install/edit.ts";
import { planFor, type Wanted } from "../../src/install/hosts.ts";
import { installing, uninstalling } from "../../src/install/install.ts";
import { InstallRecord } from "../../src/install/record.ts";
import type { Host } from "../../src/hook/hosts.ts";
import { jsonText, tomlText, yamlText } from "./settings.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
console.info(`SEED=${seed}`);
/** `npm run long` asks for more. */
const RUNS = Number(process.env["SETTINGS_RUNS"] ?? 20);

function world() {
  const folder = mkdtempSync(join(tmpdir(), "settings "));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let count = 0;
  return () => {
    const cwd = join(folder, String((count += 1)));
    mkdirSync(cwd);
    return { cwd, record: new InstallRecord(join(cwd, "agents")) };
  };
}

/** The files of a host in a folder that stands for a user's or a project's. No text is made with such a name in it. */
function filesOf(host: Host, cwd: string, agent = "bob-1"): Wanted[] {
  const env = { HERMES_HOME: join(cwd, "room"), CODEX_HOME: join(cwd, "room"), CLAUDE_CONFIG_DIR: join(cwd, "room") };
  const scope = host === "gemini" || host === "cursor" ? "project" : "user";
  return planFor(host, { scope, cwd, env }, ["/opt/a b/aimessage", "-u", agent], "skill\n").files;
}

const kinds: [
  name: string,
  host: Host,
  index: number,
  texts: fc.Arbitrary<string | undefined>,
  parse: (text: string) => unknown,
][] = [
  [
    "servers of Claude Code",
    "claude",
    0,
    jsonText,
    (text) => parseJson(text, [], { allowTrailingComma: true }) as unknown,
  ],
  [
    "hooks of Claude Code",
    "claude",
    1,
    jsonText,
    (text) => parseJson(text, [], { allowTrailingComma: true }) as unknown,
  ],
  [
    "settings of Gemini CLI",
    "gemini",
    0,
    jsonText,
    (text) => parseJson(text, [], { allowTrailingComma: true }) as unknown,
  ],
  ["hooks of Cursor", "cursor", 1, jsonText, (text) => parseJson(text, [], { allowTrailingComma: true }) as unknown],
  ["servers of Codex", "codex", 0, tomlText, (text) => parseToml(text)],
  ["settings of Hermes", "hermes", 0, yamlText, (text) => parseYaml(text) as unknown],
];

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

test.each(kinds)("%s: twice is once, and taken out they are what they were", async (_, host, index, texts, parse) => {
  const next = world();
  let edited = 0;
  const property = fc.asyncProperty(texts, fc.boolean(), async (text, linked) => {
    const { cwd, record } = next();
    const wanted = filesOf(host, cwd)[index] as Wanted;
    const real = linked ? join(cwd, "elsewhere", "settings") : wanted.path;
    if (text !== undefined) {
      mkdirSync(join(real, ".."), { recursive: true });
      writeFileSync(real, text, { mode: 0o640 });
    }
    if (linked) {
      mkdirSync(join(wanted.path, ".."), { recursive: true });
      mkdirSync(join(real, ".."), { recursive: true });
      symlinkSync(real, wanted.path);
    }
    const there = existsSync(join(wanted.path, ".."));
    try {
      (await installing(wanted, record)).write(0o600);
    } catch (error) {
      if (!(error instanceof UneditableError)) throw error;
      // A file that cannot be edited is left alone, and named.
      expect(read(real)).toBe(text);
      return;
    }
    edited += 1;
    const once = read(real) ?? "";
    expect(JSON.stringify(parse(once.replace("\u{feff}", "")))).toContain("/opt/a b/aimessage");
    if (text !== undefined) {
      expect(once.includes("\r\n") && /[^\r]\n/.test(once)).toBe(text.includes("\r\n") && /[^\r]\n/.test(text));
      expect(statSync(real).mode & 0o777).toBe(0o640);
    }
    const again = await installing(wanted, new InstallRecord(join(cwd, "agents")));
    expect(again).toMatchObject({ kind: "none" });
    // Another agent takes its place, and goes with it.
    const other = filesOf(host, cwd, "alice-1")[index] as Wanted;
    (await installing(other, record)).write(0o600);
    expect(read(real)).toBe(once.replaceAll("bob-1", "alice-1"));
    (await uninstalling(wanted, new InstallRecord(join(cwd, "agents")))).write(0o600);
    expect(read(real)).toBe(text);
    expect(existsSync(join(wanted.path, ".."))).toBe(there);
    if (linked) expect(lstatSync(wanted.path).isSymbolicLink()).toBe(true);
    expect(await uninstalling(wanted, new InstallRecord(join(cwd, "agents")))).toMatchObject({ kind: "none" });
  });
  await fc.assert(property, { seed, numRuns: RUNS });
  expect(edited).toBeGreaterThan(RUNS / 4);
});

test.each(kinds)("%s: what others have written since stays", async (_, host, index, texts, parse) => {
  const next = world();
  const property = fc.asyncProperty(texts, fc.boolean(), async (text, known) => {
    const { cwd, record } = next();
    const wanted = filesOf(host, cwd)[index] as Wanted;
    if (text !== undefined) {
      mkdirSync(join(wanted.path, ".."), { recursive: true });
      writeFileSync(wanted.path, text);
    }
    try {
      (await installing(wanted, record)).write(0o600);
    } catch (error) {
      if (!(error instanceof UneditableError)) throw error;
      return;
    }
    const once = read(wanted.path) ?? "";
    const added = withMore(wanted.format, bare(once));
    if (added === undefined) return;
    writeFileSync(wanted.path, added);
    // Without what was remembered, too: of another home, or one that was removed.
    const remembered = new InstallRecord(join(cwd, known ? "agents" : "other agents"));
    (await uninstalling(wanted, remembered)).write(0o600);
    const left = withoutNothing(parse(read(wanted.path) ?? ""));
    const before = text === undefined || bare(text).trim() === "" ? {} : parse(bare(text));
    expect(JSON.stringify(left)).not.toContain("/opt/a b/aimessage");
    expect(
      isDeepStrictEqual(
        left,
        withoutNothing({ ...(host === "cursor" ? { version: 1 } : {}), ...(before as object), zz: 1 }),
      ),
    ).toBe(true);
  });
  await fc.assert(property, { seed, numRuns: RUNS });
});

/** Events in the life of a file. */
const deed = fc.oneof(
  fc.constantFrom("bob-1", "alice-1").map((agent) => ({ kind: "install", agent }) as const),
  fc.constant({ kind: "uninstall" } as const),
  fc.constant({ kind: "rewritten" } as const),
  fc.nat({ max: 5 }).map((number) => ({ kind: "added", key: `zz${number}` }) as const),
  fc.constant({ kind: "forgotten" } as const),
);

test.each(kinds.filter(([, , , texts]) => texts === jsonText))(
  "%s: whatever happens in between, what is left in the end is what others have written",
  async (_, host, index, texts, parse) => {
    const next = world();
    const property = fc.asyncProperty(texts, fc.array(deed, { maxLength: 8 }), async (text, deeds) => {
      const { cwd } = next();
      const { path } = filesOf(host, cwd)[index] as Wanted;
      const said = saidBy(parse);
      const foreign: Record<string, unknown> = { ...said(text) };
      if (text !== undefined) {
        mkdirSync(join(path, ".."), { recursive: true });
        writeFileSync(path, text);
      }
      let home = "agents";
      try {
        for (const each of [...deeds, { kind: "uninstall" } as const]) {
          const there = read(path);
          const record = new InstallRecord(join(cwd, home));
          if (each.kind === "install")
            (await installing(filesOf(host, cwd, each.agent)[index] as Wanted, record)).write(0o600);
          else if (each.kind === "uninstall")
            (await uninstalling(filesOf(host, cwd)[index] as Wanted, record)).write(0o600);
          else if (each.kind === "forgotten") home = "other agents";
          else if (there !== undefined && withoutComments(there) !== "")
            if (each.kind === "rewritten") writeFileSync(path, JSON.stringify(said(there)));
            else {
              foreign[each.key] = 1;
              writeFileSync(path, JSON.stringify({ ...said(there), [each.key]: 1 }, null, "\t"));
            }
        }
      } catch (error) {
        if (!(error instanceof UneditableError)) throw error;
        return;
      }
      const left = said(read(path));
      expect(JSON.stringify(left)).not.toContain("/opt/a b/aimessage");
      const version = host === "cursor" ? { version: 1 } : {};
      expect(withoutNothing({ ...version, ...left })).toEqual(withoutNothing({ ...version, ...foreign }));
    });
    await fc.assert(property, { seed, numRuns: RUNS });
  },
);

const saidBy =
  (parse: (text: string) => unknown) =>
  (text: string | undefined): object =>
    text === undefined || withoutComments(text) === "" ? {} : (parse(bare(text)) as object);

function withoutComments(text: string): string {
  return bare(text)
    .replaceAll(/\/\*[^]*?\*\/|\/\/[^\n]*/g, "")
    .trim();
}

/** Without the mark of UTF-8. */
function bare(text: string | undefined): string {
  return (text ?? "").replace("\u{feff}", "");
}

/** The text as another program leaves it that adds something; undefined if that cannot. */
function withMore(format: Wanted["format"], text: string): string | undefined {
  if (format === "jsonc") return applyEdits(text, modify(text, ["zz"], 1, { formattingOptions: { tabSize: 2 } }));
  if (format === "toml") return /^\s*\[/m.test(text) ? `zz = 1\n${text}` : undefined;
  return /^( |---)/m.test(text.slice(0, 4)) ? undefined : `zz: 1\n${text}`;
}

/** Objects that hold nothing are as good as none. */
function withoutNothing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, each]) => [key, withoutNothing(each)] as const);
  const some = members.filter(
    ([, each]) => each !== null && !(typeof each === "object" && Object.keys(each).length === 0),
  );
  return Object.fromEntries(some.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
