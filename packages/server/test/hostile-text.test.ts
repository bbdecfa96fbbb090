/** Whatever stands in a database, in the environment or on a command line, a terminal obeys none of it, and shows all of it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { commands } from "../src/config/commands.ts";
import { createLogTo } from "../src/log.ts";
import { generalOptions, limitFlags } from "../src/config/options.ts";
import { createRelay } from "../src/relay.ts";
import { newAgent, randomGroup } from "./agent.ts";
import { adminCommands, aimessageServer } from "./console.ts";
import { folder } from "./folder.ts";
import { onBun } from "./raw-client.ts";

// Control, format and unassigned characters, half surrogates, separators, and all that may be drawn as nothing.
const UNSAFE = /[[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--\n]/v;
const HOSTILE =
  "\u001b[2J\u0007\r\n\u009b\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u2028\u202e\u2066\u3164\ufe0f\ufeff\uffff\u{e0041}\u{e0100}";

const paths = Object.values(adminCommands);

/** Whether a command has an argument that it needs. */
function needsOne(path: string[]): boolean {
  return commands[path.join(" ") as keyof typeof commands].usage.includes("<");
}

/** Runs the program, and sees that what it prints is safe. */
async function safely(words: string[], env: Record<string, string> = {}) {
  const said = await aimessageServer(words, env);
  expect({ words, stdout: UNSAFE.exec(said.stdout), stderr: UNSAFE.exec(said.stderr) }).toEqual({
    words,
    stdout: null,
    stderr: null,
  });
  return said;
}

// Bun takes no such host, and throws at once.
test.skipIf(onBun)("no command and no option prints what was typed as it is", async () => {
  const db = join(folder(), HOSTILE);
  const lines = [
    [HOSTILE],
    [`--${HOSTILE}`],
    ["user", HOSTILE],
    ["--db", HOSTILE, "--port", "x"],
    ["--files", HOSTILE, "--port", "x"],
  ];
  for (const { flag } of [...generalOptions, ...limitFlags])
    if (flag !== "--db" && flag !== "--files") lines.push([flag, HOSTILE]);
  for (const path of paths) {
    lines.push([...path, HOSTILE, "--db", db], [...path, HOSTILE, HOSTILE, "--db", db], [...path, `--${HOSTILE}`]);
    lines.push([...path, `--db=${db}`, ...(needsOne(path) ? ["x"] : [])]);
    for (const flag of ["--last", "--limit", "--only"]) lines.push([...path, flag, HOSTILE]);
  }
  for (const words of lines) {
    const { code, stderr } = await safely(words);
    expect({ words, exit: code === 0 ? "done" : "refused" }).toEqual({ words, exit: "refused" });
    expect(stderr).toMatch(/^Error: .*\nHint: .*\n$/);
  }
  for (const { env } of [...generalOptions, ...limitFlags]) {
    const { code } = await safely([], { PORT: "x", [env]: HOSTILE });
    expect({ env, code }).toEqual({ env, code: 2 });
  }
});

/** A relay's folder, with a hostile path, whose database somebody has written hostile names into. */
async function hostileDatabase(): Promise<string> {
  const db = join(folder(), HOSTILE);
  mkdirSync(db);
  {
    await using relay = await createRelay({ port: 0, db, log: "silent" });
    const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
    using a = await alice.connect();
    await a.ask("commit", alice.opening(bob, randomGroup(), [{ message_id: "m1" }]));
  }
  const database = new DatabaseSync(join(db, "relay.db"));
  const name = HOSTILE.toLowerCase();
  database.prepare("UPDATE accounts SET name = ?, username = ? WHERE name = 'bob'").run(name, HOSTILE);
  database.prepare("UPDATE mailboxes SET name = ?, device = ? WHERE name = 'bob'").run(name, HOSTILE);
  for (const kind of ["deed", "refusal"])
    database
      .prepare(
        "INSERT INTO audit (kind, at, who, what, target, outcome, count) VALUES (?, 0, ?1, ?1, ?1, ?1, 1)".replaceAll(
          "?1",
          "?2",
        ),
      )
      .run(kind, HOSTILE);
  database.close();
  return db;
}

test("no command prints as it is what stands in a database, or what a folder is called; JSON keeps it exactly", async () => {
  const db = await hostileDatabase();
  const texts: string[] = [];
  for (const words of [
    ["stats"],
    ["check"],
    ["audit"],
    ["user", "list"],
    ["user", "show", HOSTILE],
    ["user", "disable", HOSTILE],
    ["user", "enable", HOSTILE],
    ["backup", join(db, "copy")],
    ["restore", join(db, "copy"), "--force"],
    ["user", "remove", HOSTILE],
    ["user", "show", "nobody"],
  ])
    for (const more of [[], ["--json"]]) {
      const { stdout, stderr } = await safely([...words, ...more, "--db", db]);
      texts.push(stdout);
      expect(stderr).not.toMatch(/internal|report it/);
    }
  const lines = texts.join("").split("\n");
  expect(lines).toContainEqual(expect.stringMatching(/^\\x1b\[2J\\x07\\x0d\\x0a.* key /));
  const values = lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as object);
  for (const value of [{ username: HOSTILE }, { who: HOSTILE, target: HOSTILE }, { db }])
    expect(values).toContainEqual(expect.objectContaining(value));
  expect(values).toContainEqual(
    expect.objectContaining({ fullest: [expect.objectContaining({ username: HOSTILE, device: HOSTILE })] }),
  );
});

test.each(["text", "json"] as const)("a log of format %s holds a line an event, whatever is in it", (format) => {
  const lines: string[] = [];
  const log = createLogTo(format, { write: (line) => lines.push(line) });
  log.info({ user: HOSTILE, err: new Error(HOSTILE) }, HOSTILE);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^.*\n$/);
  expect(UNSAFE.exec(lines[0]!)).toBeNull();
  if (format === "json") expect(JSON.parse(lines[0]!)).toMatchObject({ user: HOSTILE, msg: HOSTILE });
});
